"""Full-Duplex-Bench v1.5 (arXiv 2507.23159): stop and response intervals of overlapping speech.

The script's constants win over its comments and the paper: user speech is joined over 0.6 s, the model's over 0.5 s. A model that never
stops leaves a stop interval that ends with the *user*; the script does not mark it, `StopInterval.censored` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluation.words import Span, span

USER_MERGE_GAP_S = 0.6
MODEL_MERGE_GAP_S = 0.5
"""Silence up to this is closed."""
RATE_HZ = 16_000
"""Both channels are judged at this rate; times are samples over it, unrounded."""
HUMAN_LIKE_RESPONSE_S = 1.5
"""A reply within this after the user's end repairs an interruption as people do (the paper)."""


@dataclass(frozen=True, slots=True)
class StopInterval:
    """Both speak from `start_s`, where the second of them begins, to `end_s`, where the first of them stops."""

    start_s: float
    end_s: float
    censored: bool
    """True where the user stopped first (or with the model): how long the model would have needed is not known."""

    @property
    def latency_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class ResponseInterval:
    """From a user's end to the model's next start."""

    user_end_s: float
    model_start_s: float

    @property
    def latency_s(self) -> float:
        return self.model_start_s - self.user_end_s


@dataclass(frozen=True, slots=True)
class Timing:
    """One file: both parties' joined turns and the intervals between them, by time."""

    user: tuple[Span, ...]
    model: tuple[Span, ...]
    stops: tuple[StopInterval, ...]
    responses: tuple[ResponseInterval, ...]


def timing(user: Iterable[Sequence[float]], model: Iterable[Sequence[float]]) -> Timing:
    """Speech segments `[start_s, end_s]` of both, as the detector gave them. Raises ValueError for a segment that ends before it starts."""
    users, models = joined(user, USER_MERGE_GAP_S), joined(model, MODEL_MERGE_GAP_S)
    return Timing(tuple(users), tuple(models), tuple(_stops(users, models)), tuple(_responses(users, models)))


def joined(segments: Iterable[Sequence[float]], gap_s: float) -> list[Span]:
    """Segments by start, silences of at most `gap_s` closed."""
    found: list[Span] = []
    for start, end in sorted(span(s) for s in segments):
        if found and start - found[-1][1] <= gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _stops(users: Sequence[Span], models: Sequence[Span]) -> list[StopInterval]:
    """Every stretch of common speech; of those that end in the same millisecond the shortest."""
    by_end: dict[int, StopInterval] = {}
    for user in users:
        for model in models:
            start, end = max(user[0], model[0]), min(user[1], model[1])
            if start >= end:
                continue
            found, ends_at = StopInterval(start, end, model[1] >= user[1]), round(end * 1_000)
            if ends_at not in by_end or found.latency_s < by_end[ends_at].latency_s:
                by_end[ends_at] = found
    return sorted(by_end.values(), key=lambda interval: interval.end_s)


def _responses(users: Sequence[Span], models: Sequence[Span]) -> list[ResponseInterval]:
    """The model's next start strictly after every user end; where several ends share a start, the latest."""
    by_start: dict[float, float] = {}
    for _, user_end in users:
        start = min((model[0] for model in models if model[0] > user_end), default=None)
        if start is not None:
            by_start[start] = max(user_end, by_start.get(start, user_end))
    return [ResponseInterval(end, start) for start, end in sorted(by_start.items())]
