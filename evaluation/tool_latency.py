"""Where the time of a tool turn goes, from the user's end to the first word of the answer, and what filled it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.words import Span, span
from workbench.dynamics.segments import Segment, clip, from_seconds, merge, silences, to_seconds, total_samples
from workbench.dynamics.states import DEAD_AIR_MS

SECOND = 24_000
"""Samples of session time per second."""


@dataclass(frozen=True, slots=True)
class ToolEvents:
    """The moments of one tool turn, in seconds; None for one that never came."""

    user_speech_end_s: float
    intent_detected_s: float | None = None
    tool_dispatched_s: float | None = None
    tool_result_s: float | None = None
    result_injected_s: float | None = None
    first_content_word_s: float | None = None


@dataclass(frozen=True, slots=True)
class ToolBreakdown:
    """One tool turn, in seconds. The five parts add up to `total_s`; a negative `intent_s` is a pre-emptive one. A part is None where one
    of its moments never came; without a first content word there is no window, and what is measured in it is None."""

    intent_s: float | None
    dispatch_s: float | None
    tool_s: float | None
    injection_s: float | None
    spoken_s: float | None
    total_s: float | None
    preemptive: bool
    time_to_first_audio_s: float | None
    filler_speech_s: float | None
    filler_coverage: float | None
    silences_s: tuple[Span, ...] | None
    dead_air_s: tuple[Span, ...] | None

    @property
    def longest_silence_s(self) -> float | None:
        return None if self.silences_s is None else max((end - start for start, end in self.silences_s), default=0.0)


def breakdown(events: ToolEvents, user_speech: Sequence[Sequence[float]], agent_speech: Sequence[Sequence[float]]) -> ToolBreakdown:
    """One tool turn from its moments and both parties' speech `[start_s, end_s]`. Raises ValueError for a span with its ends swapped."""
    end_s, first_s = events.user_speech_end_s, events.first_content_word_s
    users, agents = (merge(from_seconds(span(s) for s in track), 0) for track in (user_speech, agent_speech))
    filler = covered = quiet = dead = None
    if first_s is not None:
        window = Segment(round(end_s * SECOND), max(round(end_s * SECOND), round(first_s * SECOND)))
        filler = total_samples(clip(agents, window)) / SECOND
        covered = filler / (first_s - end_s) if first_s > end_s else 0.0
        silent = silences([*users, *agents], window)
        quiet = tuple(to_seconds(silent))
        dead = tuple(to_seconds(s for s in silent if s.ms > DEAD_AIR_MS))
    return ToolBreakdown(
        intent_s=_between(end_s, events.intent_detected_s),
        dispatch_s=_between(events.intent_detected_s, events.tool_dispatched_s),
        tool_s=_between(events.tool_dispatched_s, events.tool_result_s),
        injection_s=_between(events.tool_result_s, events.result_injected_s),
        spoken_s=_between(events.result_injected_s, first_s),
        total_s=_between(end_s, first_s),
        preemptive=events.tool_dispatched_s is not None and events.tool_dispatched_s < end_s,
        time_to_first_audio_s=_first_audio(agents, round(end_s * SECOND)),
        filler_speech_s=filler,
        filler_coverage=covered,
        silences_s=quiet,
        dead_air_s=dead,
    )


def _first_audio(agents: Sequence[Segment], end: int) -> float | None:
    """From the user's end to the agent's sound: 0 where it sounds already, None where it never does."""
    if any(s.start < end < s.end for s in agents):
        return 0.0
    onset = min((s.start for s in agents if s.start >= end), default=None)
    return None if onset is None else (onset - end) / SECOND


def _between(start_s: float | None, end_s: float | None) -> float | None:
    return None if start_s is None or end_s is None else end_s - start_s
