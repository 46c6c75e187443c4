"""Turns and floor-transfer offsets out of two speech tracks.

A turn is a run of one speaker's IPUs with no turn of the other in between (Sacks, Schegloff and Jefferson 1974, as operationalised by
Heldner and Edlund 2010). A short IPU that lies whole within the other's speech takes no turn: it is an overlap within (a backchannel
or a failed attempt). The floor-transfer offset (FTO) of a turn is its start less the end of the other's turn before it: positive = gap,
negative = overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, ipus

Speaker = Literal["user", "agent"]
USER: Speaker = "user"
AGENT: Speaker = "agent"

TURN_PAUSE_MS = 1_500
"""A speaker who pauses longer than this, with the other silent too, begins a new turn."""
WITHIN_OVERLAP_MS = 1_000
"""An IPU inside the other's speech takes no turn when it is shorter than this (the backchannel limit of Full-Duplex-Bench v1)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `fto_ms` is None for a turn that follows no turn of the other."""

    speaker: Speaker
    start: int
    end: int
    fto_ms: float | None

    @property
    def segment(self) -> Segment:
        return Segment(self.start, self.end)


def within_overlap(ipu: Segment, others: Sequence[Segment]) -> bool:
    """Whether a short `ipu` lies whole within one stretch of the other speaker."""
    return ipu.ms < WITHIN_OVERLAP_MS and any(other.start <= ipu.start and ipu.end <= other.end for other in others)


def turns(user: Sequence[Segment], agent: Sequence[Segment]) -> list[Turn]:
    """All turns of both tracks, by start. The tracks may be raw segments; they are joined to IPUs here."""
    users, agents = ipus(user), ipus(agent)
    taken = [(ipu, USER) for ipu in users if not within_overlap(ipu, agents)]
    taken += [(ipu, AGENT) for ipu in agents if not within_overlap(ipu, users)]
    found: list[Turn] = []
    for ipu, speaker in sorted(taken, key=lambda item: item[0]):
        last = found[-1] if found else None
        if last is not None and last.speaker == speaker and ipu.start - last.end <= TURN_PAUSE_MS * SAMPLES_PER_MS:
            found[-1] = Turn(speaker, last.start, max(last.end, ipu.end), last.fto_ms)
            continue
        fto_ms = None if last is None or last.speaker == speaker else (ipu.start - last.end) / SAMPLES_PER_MS
        found.append(Turn(speaker, ipu.start, ipu.end, fto_ms))
    return found
