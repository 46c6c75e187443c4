"""Floor-transfer offsets of an utterance table, as scikit-talk 0.1.1 (Apache-2.0) picks the relevant utterance before.

It works on utterances by any number of speakers; `workbench.dynamics.floor` works on two speech tracks. Both measure start less end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_MS = 10_000
"""How far back the utterance before is looked for."""
PLANNING_MS = 200
"""It must have begun this long before: nobody answers sooner."""
SPEAKERS = 2
"""With more speakers in the window nobody knows who answered whom."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row of a table, in milliseconds."""

    speaker: str
    start_ms: float
    end_ms: float


def offsets_ms(
    utterances: Sequence[Utterance], window_ms: float = WINDOW_MS, planning_ms: float = PLANNING_MS, speakers: int = SPEAKERS
) -> list[float | None]:
    """The offset of every utterance in table order, None where no utterance is relevant. Negative = overlap."""
    found: list[float | None] = []
    for index in range(len(utterances)):
        before = _relevant(utterances, index, window_ms, planning_ms, speakers)
        found.append(None if before is None else utterances[index].start_ms - before.end_ms)
    return found


def _relevant(utterances: Sequence[Utterance], index: int, window_ms: float, planning_ms: float, speakers: int) -> Utterance | None:
    """The latest utterance of another speaker that began early enough and holds everything the same speaker said since."""
    own = utterances[index]
    first = next(i for i, u in enumerate(utterances) if u.end_ms >= own.start_ms - window_ms and u.start_ms <= own.start_ms)
    context = utterances[first : index + 1]
    if not 2 <= len({u.speaker for u in context}) <= speakers:
        return None
    since: list[Utterance] = []
    for before in reversed(context[:-1]):
        if before.speaker == own.speaker:
            since.append(before)
        elif before.start_ms <= own.start_ms - planning_ms and all(_holds(before, u) for u in since):
            return before
    return None


def _holds(outer: Utterance, inner: Utterance) -> bool:
    return outer.start_ms <= inner.start_ms and inner.end_ms <= outer.end_ms
