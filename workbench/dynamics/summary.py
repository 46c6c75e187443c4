"""One talk in numbers: how often and how long each thing happened, for tables, reports and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.dynamics.backchannels import TimedText, backchannels, backchannels_of
from workbench.dynamics.barge_ins import BargeInFound, barge_ins
from workbench.dynamics.floor import OffsetSummary, floor_transfer_offsets, summarise
from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, clip, ipus, total_samples
from workbench.dynamics.states import State, dead_air, stretches
from workbench.dynamics.turns import USER, turns

MINUTE_SAMPLES = 60_000 * SAMPLES_PER_MS


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened and how long it lasted, both per minute of talk."""

    count: int
    seconds: float
    per_minute: float
    seconds_per_minute: float


@dataclass(frozen=True, slots=True)
class TalkSummary:
    """One talk. Shares are in 0 to 1 and None where nothing was said. Barge-ins are counted by
    outcome, the censored apart; a user's backchannel is none."""

    duration_s: float
    ipu: Rate
    pause: Rate
    gap: Rate
    overlap: Rate
    dead_air: Rate
    longest_silence_s: float
    user_turns: int
    agent_turns: int
    offsets: OffsetSummary
    user_backchannels: int
    agent_backchannels: int
    yielded: int
    ignored: int
    censored: int
    agent_talk_ratio: float | None
    overlap_ratio: float | None
    """Overlap over the duration of the talk."""


def interruptions(user: Sequence[Segment], agent: Sequence[Segment], user_words: Sequence[TimedText] = ()) -> list[BargeInFound]:
    """The barge-ins of two tracks by onset, without the user's acknowledgements."""
    acknowledged = {found.start for found in backchannels_of(USER, user, agent, user_words)}
    return barge_ins([ipu for ipu in ipus(user) if ipu.start not in acknowledged], agent)


def summarise_talk(
    user: Sequence[Segment],
    agent: Sequence[Segment],
    window: Segment,
    user_words: Sequence[TimedText] = (),
    agent_words: Sequence[TimedText] = (),
) -> TalkSummary:
    """One talk that lasted from `window.start` to `window.end`. Raises ValueError when it has no length."""
    if window.end <= window.start:
        raise ValueError(f"the talk runs from {window.start} to {window.end}; it must have a length")
    users, agents = clip(ipus(user), window), clip(ipus(agent), window)
    cut = stretches(users, agents, window)

    def rate(segments: Sequence[Segment]) -> Rate:
        minutes = (window.end - window.start) / MINUTE_SAMPLES
        seconds = total_samples(segments) / (1_000 * SAMPLES_PER_MS)
        return Rate(len(segments), seconds, len(segments) / minutes, seconds / minutes)

    def of(state: State) -> list[Segment]:
        return [s.segment for s in cut if s.state == state]

    taken = turns(users, agents)
    heard = backchannels(users, agents, user_words, agent_words)
    outcomes = [found.outcome for found in interruptions(users, agents, user_words)]
    speech = total_samples(users) + total_samples(agents)
    overlap = rate(of("overlap"))
    duration_s = (window.end - window.start) / (1_000 * SAMPLES_PER_MS)
    return TalkSummary(
        duration_s=duration_s,
        ipu=rate([*users, *agents]),
        pause=rate(of("pause")),
        gap=rate(of("gap")),
        overlap=overlap,
        dead_air=rate(dead_air(users, agents, window)),
        longest_silence_s=max((s.ms for s in dead_air(users, agents, window, 0)), default=0.0) / 1_000,
        user_turns=sum(turn.speaker == "user" for turn in taken),
        agent_turns=sum(turn.speaker == "agent" for turn in taken),
        offsets=summarise(floor_transfer_offsets(users, agents)),
        user_backchannels=sum(b.speaker == "user" for b in heard),
        agent_backchannels=sum(b.speaker == "agent" for b in heard),
        yielded=outcomes.count("yielded"),
        ignored=outcomes.count("ignored"),
        censored=outcomes.count("censored"),
        agent_talk_ratio=total_samples(agents) / speech if speech else None,
        overlap_ratio=overlap.seconds / duration_s,
    )
