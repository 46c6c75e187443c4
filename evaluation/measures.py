"""A held talk in flat named numbers, for rows, tables and comparisons; `evaluation.measured` declares them.

Everything comes from `workbench.dynamics` over the talk's events, by the detectors that the events name. A number that a talk has nothing
to say about is None, never 0: a talk without a barge-in has no stop latency. Negative offsets (overlaps) stay negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.heard_talk import HeardTalk
from evaluation.hold import HeldTalk
from evaluation.tool_turns import tool_turns
from workbench.dynamics.backchannels import backchannels_of
from workbench.dynamics.reactions import reaction
from workbench.dynamics.summary import interruptions
from workbench.dynamics.turns import AGENT, USER, turns
from workbench.events import UserText


def measures(held: HeldTalk) -> dict[str, float | None]:
    """All of `measured.DYNAMICS` of one talk. Raises ValueError for a talk without events or without length."""
    talk = HeardTalk(held)
    tracks, found = talk.tracks, talk.summary
    replies = [turn.fto_ms for turn in turns(tracks.user, tracks.agent) if turn.speaker == AGENT and turn.fto_ms is not None]
    stops = [b.stop_latency_ms for b in interruptions(tracks.user, tracks.agent, tracks.user_words) if b.stop_latency_ms is not None]
    acknowledged = [b.segment for b in backchannels_of(USER, tracks.user, tracks.agent, tracks.user_words)]
    parts = [turn.parts for turn in tool_turns(held.events, tracks)]
    succeeded = [call for call in talk.tool_calls if call.status == "success"]
    values: dict[str, float | None] = {
        "duration_s": found.duration_s,
        "user_turns_count": found.user_turns,
        "agent_turns_count": found.agent_turns,
        "agent_talk_ratio": found.agent_talk_ratio,
        "reply_fto_p50_ms": _percentile(replies, 50),
        "reply_fto_p95_ms": _percentile(replies, 95),
        "replies_count": len(replies),
        "gaps_per_min": found.gap.per_minute,
        "gap_s_per_min": found.gap.seconds_per_minute,
        "overlaps_per_min": found.overlap.per_minute,
        "overlap_s_per_min": found.overlap.seconds_per_minute,
        "barge_ins_count": found.yielded + found.ignored + found.censored,
        "barge_ins_yielded_count": found.yielded,
        "barge_ins_ignored_count": found.ignored,
        "barge_ins_censored_count": found.censored,
        "stop_latency_p50_ms": _percentile(stops, 50),
        "stop_latency_p95_ms": _percentile(stops, 95),
        "user_backchannels_count": found.user_backchannels,
        "agent_backchannels_count": found.agent_backchannels,
        "false_barge_ins_count": sum(reaction(sound, tracks.agent, tracks.user).error for sound in acknowledged),
        "dead_air_count": found.dead_air.count,
        "dead_air_s": found.dead_air.seconds,
        "longest_silence_s": found.longest_silence_s,
        "tools_run_count": len(talk.tools_run),
        "tools_succeeded_count": len(succeeded),
        "tool_results_said_share": sum(call.said for call in succeeded) / len(succeeded) if succeeded else None,
        "tool_intent_p50_ms": _median_ms(part.intent_s for part in parts),
        "tool_dispatch_p50_ms": _median_ms(part.dispatch_s for part in parts),
        "tool_answer_p50_ms": _median_ms(part.tool_s for part in parts),
        "tool_delivery_p50_ms": _median_ms(part.injection_s for part in parts),
        "tool_total_p50_ms": _median_ms(part.total_s for part in parts),
        "user_words_count": sum(len(e.text.split()) for e in held.events if isinstance(e, UserText) and e.final),
        "agent_words_count": len(talk.words),
    }
    return {name: None if value is None else float(value) for name, value in values.items()}


def _percentile(values: Sequence[float], q: float) -> float | None:
    return float(np.percentile(values, q)) if values else None


def _median_ms(seconds: Iterable[float | None]) -> float | None:
    return _percentile([value * 1_000 for value in seconds if value is not None], 50)
