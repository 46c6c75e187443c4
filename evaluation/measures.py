"""A held talk in flat named numbers, for rows, tables and comparisons. Declared once: name, unit, better direction, definition.

Everything comes from `workbench.dynamics` over the talk's events, by the detectors that the events name. A number that a talk has nothing
to say about is None, never 0: a talk without a barge-in has no stop latency. Negative offsets (overlaps) stay negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.comparison import Measure
from evaluation.heard_talk import HeardTalk
from evaluation.hold import HeldTalk
from evaluation.tool_turns import tool_turns
from workbench.dynamics.backchannels import backchannels_of
from workbench.dynamics.reactions import reaction
from workbench.dynamics.summary import interruptions
from workbench.dynamics.turns import AGENT, USER, turns
from workbench.events import UserText

DYNAMICS = (
    Measure("duration_s", "Duration", "s", None, "Session time from the first frame to the end.", 1),
    Measure("user_turns_count", "User turns", "per talk", None, "Runs of the user's IPUs without a turn of the agent between.", 0),
    Measure("agent_turns_count", "Agent turns", "per talk", None, "Runs of the agent's IPUs without a turn of the user between.", 0),
    Measure("agent_talk_ratio", "Agent's share of speech", "share", None, "Agent's speech over both sides' speech, by IPUs."),
    Measure("reply_fto_p50_ms", "Reply FTO, median", "ms", "lower", "Start of an agent turn less the end of the user's before it.", 0),
    Measure("reply_fto_p95_ms", "Reply FTO, p95", "ms", "lower", "As the median; interpolated linearly.", 0),
    Measure("replies_count", "Replies", "per talk", None, "Agent turns that follow a user turn: the n of the reply FTO.", 0),
    Measure("gaps_per_min", "Gaps", "per min", None, "Mutual silences between the two speakers."),
    Measure("gap_s_per_min", "Gap time", "s/min", None, "Their length."),
    Measure("overlaps_per_min", "Overlaps", "per min", None, "Stretches in which both speak."),
    Measure("overlap_s_per_min", "Overlap time", "s/min", None, "Their length."),
    Measure("barge_ins_count", "Barge-ins", "per talk", None, "User IPUs that begin within the agent's speech, acknowledgements aside.", 0),
    Measure("barge_ins_yielded_count", "Yielded", "per talk", None, "Barge-ins at which the agent fell silent in time.", 0),
    Measure("barge_ins_ignored_count", "Ignored", "per talk", None, "Barge-ins that the agent outlasted.", 0),
    Measure("barge_ins_censored_count", "Censored", "per talk", None, "Barge-ins that tell neither.", 0),
    Measure(
        "stop_latency_p50_ms", "Stop latency, median", "ms", "lower", "User's onset to the agent's last audible sample; yielded only.", 0
    ),
    Measure("stop_latency_p95_ms", "Stop latency, p95", "ms", "lower", "As the median; interpolated linearly.", 0),
    Measure("user_backchannels_count", "User backchannels", "per talk", None, "Acknowledgements of the user within the agent's speech.", 0),
    Measure("agent_backchannels_count", "Agent backchannels", "per talk", None, "Acknowledgements of the agent within the user's.", 0),
    Measure("false_barge_ins_count", "False barge-ins", "per talk", "lower", "User backchannels at which the agent stopped within 1 s.", 0),
    Measure("dead_air_count", "Dead air", "per talk", "lower", "Mutual silences longer than 2 s, those at the rims too.", 0),
    Measure("dead_air_s", "Dead air time", "s", "lower", "Their length, all together.", 1),
    Measure("longest_silence_s", "Longest silence", "s", "lower", "The longest mutual silence.", 1),
    Measure("tools_run_count", "Tools run", "per talk", None, "Invocations dispatched.", 0),
    Measure("tools_succeeded_count", "Tools succeeded", "per talk", None, "Invocations that ended with a result.", 0),
    Measure(
        "tool_results_said_share", "Results said", "share", "higher", "Of successful invocations, those whose result was said to its end."
    ),
    Measure("tool_intent_p50_ms", "Intent, median", "ms", "lower", "End of the user's words to the intent.", 0),
    Measure("tool_dispatch_p50_ms", "Dispatch, median", "ms", "lower", "Intent to dispatch, a confirmation included.", 0),
    Measure("tool_answer_p50_ms", "Tool, median", "ms", "lower", "Dispatch to result.", 0),
    Measure("tool_delivery_p50_ms", "Delivery, median", "ms", "lower", "Result to the first audible sample of its delivery.", 0),
    Measure("tool_total_p50_ms", "Tool turn, median", "ms", "lower", "End of the user's words to the first word of the result.", 0),
    Measure("user_words_count", "User words", "per talk", None, "Words of the recogniser's and typed final texts.", 0),
    Measure("agent_words_count", "Agent words", "per talk", None, "Words of the agent that were heard.", 0),
)
"""What `measures` computes, in its order. No direction where neither more nor less is better by itself."""


def measures(held: HeldTalk) -> dict[str, float | None]:
    """All of `DYNAMICS` of one talk. Raises ValueError for a talk without events or without length."""
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
