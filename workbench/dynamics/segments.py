"""Speech segments on one track, and the inter-pausal units (IPUs) they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

SAMPLES_PER_MS = 24
"""Tracks are in samples of session time, 24 kHz."""

IPU_PAUSE_MS = 200
"""Silence that splits a speaker's stretch into two IPUs. Heldner and Edlund (2010) use 180 ms, most toolkits 200."""


class Segment(NamedTuple):
    """Speech from `start` up to, not including, `end`, in samples."""

    start: int
    end: int

    @property
    def ms(self) -> float:
        return (self.end - self.start) / SAMPLES_PER_MS


def merge(segments: Iterable[Segment], pause_ms: float) -> list[Segment]:
    """Sorted segments with pauses of at most `pause_ms` closed. Empty segments are dropped."""
    merged: list[Segment] = []
    for segment in sorted(s for s in segments if s.end > s.start):
        if merged and segment.start - merged[-1].end <= pause_ms * SAMPLES_PER_MS:
            merged[-1] = Segment(merged[-1].start, max(merged[-1].end, segment.end))
        else:
            merged.append(segment)
    return merged


def from_seconds(spans: Iterable[Sequence[float]]) -> list[Segment]:
    """Spans `[start_s, end_s]` as segments, each edge rounded to its nearest sample (21 us)."""
    return [Segment(round(start * 1_000 * SAMPLES_PER_MS), round(end * 1_000 * SAMPLES_PER_MS)) for start, end in spans]


def to_seconds(segments: Iterable[Segment]) -> list[tuple[float, float]]:
    """Segments as `(start_s, end_s)`."""
    return [(s.start / (1_000 * SAMPLES_PER_MS), s.end / (1_000 * SAMPLES_PER_MS)) for s in segments]


def total_samples(segments: Iterable[Segment]) -> int:
    """How long all segments are together; time that two of them share counts twice."""
    return sum(s.end - s.start for s in segments)


def clip(segments: Iterable[Segment], window: Segment) -> list[Segment]:
    """What of sorted segments lies inside the window."""
    cut = (Segment(max(s.start, window.start), min(s.end, window.end)) for s in segments)
    return [s for s in cut if s.start < s.end]


def silences(segments: Iterable[Segment], window: Segment) -> list[Segment]:
    """The stretches of the window in which no segment lies. Give both tracks in one list for mutual silence."""
    found: list[Segment] = []
    free_from = window.start
    for sound in merge(clip(segments, window), 0):
        if sound.start > free_from:
            found.append(Segment(free_from, sound.start))
        free_from = sound.end
    return [*found, Segment(free_from, window.end)] if free_from < window.end else found


def ipus(segments: Iterable[Segment]) -> list[Segment]:
    """Inter-pausal units: stretches of one speaker without a pause longer than `IPU_PAUSE_MS`."""
    return merge(segments, IPU_PAUSE_MS)


def overlap_samples(a: Segment, b: Segment) -> int:
    """How long both lie over each other, 0 when they do not."""
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def overlaps(first: Sequence[Segment], second: Sequence[Segment]) -> list[Segment]:
    """Stretches in which both tracks speak. Both must be sorted and free of overlaps within themselves."""
    found: list[Segment] = []
    i = j = 0
    while i < len(first) and j < len(second):
        start, end = max(first[i].start, second[j].start), min(first[i].end, second[j].end)
        if start < end:
            found.append(Segment(start, end))
        if first[i].end <= second[j].end:
            i += 1
        else:
            j += 1
    return found
