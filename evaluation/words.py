"""Words with their times, as Full-Duplex-Bench and its kin exchange them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Span = tuple[float, float]
"""From, to: in seconds since the start of the file."""


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word. A recogniser may leave either time open."""

    text: str
    start_s: float | None
    end_s: float | None

    @property
    def onset_s(self) -> float:
        """The start. Raises ValueError for a word without one."""
        if self.start_s is None:
            raise ValueError(f"the word {self.text!r} has no start time; recognise the audio again with word times")
        return self.start_s

    @property
    def offset_s(self) -> float:
        """The end, or the start where the recogniser left the end open."""
        return self.onset_s if self.end_s is None else self.end_s


def words_of(chunks: Iterable[Mapping[str, Any]]) -> list[Word]:
    """Words out of `[{"text": ..., "timestamp": [start_s, end_s]}, ...]`. Raises KeyError or ValueError for another shape."""
    found = []
    for chunk in chunks:
        start, end = chunk["timestamp"]
        found.append(Word(str(chunk["text"]), None if start is None else float(start), None if end is None else float(end)))
    return found


def span(pair: Sequence[float]) -> Span:
    """A pair of seconds. Raises ValueError unless there are two and they are in order."""
    start, end = (float(value) for value in pair)
    if end < start:
        raise ValueError(f"a span runs from {start} to {end} s; its end lies before its start")
    return start, end
