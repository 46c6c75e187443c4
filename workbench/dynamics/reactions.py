"""What the agent does about sound that it should talk through or ignore, and what follows a stop: false barge-ins, resumption, replies.

The windows are those of tau-voice: a stop within 1.0 s of such a sound, or a reply within 2.0 s of one that falls into silence, is an
error. A stop in the window cannot be told apart from an end that would have come anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.dynamics.barge_ins import AGENT_PAUSE_MS
from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, clip, ipus, merge, overlaps, total_samples

FALSE_STOP_MS = 1_000
"""An agent that stops within this of an acknowledgement, a tic, side speech or noise took it for a barge-in (tau-voice)."""
FALSE_REPLY_MS = 2_000
"""An agent that speaks within this after such a sound in silence took it for a turn (tau-voice)."""
RESUME_MS = 2_000
"""After a false stop the agent resumes in time within this: as long as it may wait with a reply."""
TALK_OVER_MS = 3_000
"""Talk-over is counted up to the stop, or this long after the onset when there is none (hotato's search window)."""
RESTART_WORDS = 3
"""An agent whose next words are this many words of its broken-off turn's beginning started from the top."""

Reaction = Literal["talked_on", "stopped", "kept_silent", "replied"]


@dataclass(frozen=True, slots=True)
class FalseBargeIn:
    """What the agent did about one sound that claims no floor. `at` is its stop or its reply; `resumed_ms` counts from the stop."""

    event: Segment
    reaction: Reaction
    at: int | None
    resumed_ms: float | None

    @property
    def error(self) -> bool:
        return self.reaction in ("stopped", "replied")


def reaction(event: Segment, agent: Sequence[Segment], user: Sequence[Segment] = ()) -> FalseBargeIn:
    """The agent's reaction to one such sound. `user` are the user's real turns: one that begins first makes a later start no resumption."""
    stretches = merge(agent, AGENT_PAUSE_MS)
    for stretch in stretches:
        if stretch.start < event.start < stretch.end:
            if stretch.end - event.start > FALSE_STOP_MS * SAMPLES_PER_MS:
                return FalseBargeIn(event, "talked_on", None, None)
            return FalseBargeIn(event, "stopped", stretch.end, resumption_ms(stretch.end, agent, user))
    for stretch in stretches:
        if event.start <= stretch.start <= event.end + FALSE_REPLY_MS * SAMPLES_PER_MS:
            return FalseBargeIn(event, "replied", stretch.start, None)
    return FalseBargeIn(event, "kept_silent", None, None)


def resumption_ms(stop: int, agent: Sequence[Segment], user: Sequence[Segment] = ()) -> float | None:
    """From a stop to the agent's next speech; None when a user turn begins first or nothing comes within `RESUME_MS`."""
    onset = min((s.start for s in agent if s.start > stop), default=None)
    if onset is None or onset - stop > RESUME_MS * SAMPLES_PER_MS:
        return None
    if any(stop < turn.start < onset for turn in user):
        return None
    return (onset - stop) / SAMPLES_PER_MS


def restarted(broken_off: Sequence[str], resumed: Sequence[str]) -> bool:
    """Whether resumed words begin where the broken-off turn began, instead of going on. Words are compared without case."""
    count = min(RESTART_WORDS, len(broken_off))
    first = [word.lower() for word in broken_off[:count]]
    return count > 0 and [word.lower() for word in resumed[:count]] == first


def talk_over_ms(user: Sequence[Segment], agent: Sequence[Segment], onset: int, stop: int | None) -> float:
    """How long both sounded from the user's onset to the agent's stop, or for `TALK_OVER_MS` where it did not stop."""
    window = Segment(onset, stop if stop is not None else onset + TALK_OVER_MS * SAMPLES_PER_MS)
    return total_samples(clip(overlaps(ipus(user), ipus(agent)), window)) / SAMPLES_PER_MS


def re_response_ms(interruption: Segment, stop: int, agent: Sequence[Segment], user: Sequence[Segment] = ()) -> float | None:
    """From the end of an interruption to the agent's first onset after its stop (re-response latency); negative when the agent begins
    again before the user has ended. None when the user begins another turn first, or nothing comes."""
    onset = min((s.start for s in merge(agent, AGENT_PAUSE_MS) if s.start > stop), default=None)
    if onset is None or any(interruption.end < turn.start < onset for turn in user):
        return None
    return (onset - interruption.end) / SAMPLES_PER_MS
