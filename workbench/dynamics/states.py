"""Who speaks when: a stretch of time cut into speech of one, overlap, pauses and gaps (dGSLM's four, Nguyen et al. 2023).

Both tracks are joined to IPUs first. A mutual silence is a *pause* when the speaker who spoke last before it speaks first after it,
else a *gap*; before the first and after the last IPU it is an *edge*, which belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, ipus, overlaps, silences

DEAD_AIR_MS = 2_000
"""Mutual silence strictly longer than this is dead air. A caller on the telephone notices trouble from about 700 ms (Roberts and
Francis 2013); voice agents are judged from 2 s (EVA-Bench's sweet spot ends there)."""
LONG_DEAD_AIR_MS = 4_000
"""The longest wait that a filler is said to carry (Wu, CUI 2025)."""

State = Literal["user", "agent", "overlap", "pause", "gap", "edge"]


class Stretch(NamedTuple):
    """A stretch of one state, in samples, up to, not including, `end`."""

    state: State
    start: int
    end: int

    @property
    def segment(self) -> Segment:
        return Segment(self.start, self.end)


def stretches(user: Sequence[Segment], agent: Sequence[Segment], window: Segment) -> list[Stretch]:
    """The window cut into states without a hole, in order. Speech outside the window decides nothing but what a silence at its rim is."""
    users, agents = ipus(user), ipus(agent)
    both = overlaps(users, agents)
    silent = silences([*users, *agents], _around(window, users, agents))
    found = [Stretch("overlap", *s) for s in both]
    found += [Stretch("user", *s) for ipu in users for s in silences(both, ipu)]
    found += [Stretch("agent", *s) for ipu in agents for s in silences(both, ipu)]
    found += [Stretch(_silence(s, users, agents), *s) for s in silent]
    cut = (Stretch(s.state, max(s.start, window.start), min(s.end, window.end)) for s in found)
    return sorted((s for s in cut if s.start < s.end), key=lambda s: s.start)


def pauses(user: Sequence[Segment], agent: Sequence[Segment]) -> list[Segment]:
    """Mutual silences between two IPUs of one speaker, in order."""
    return _of("pause", user, agent)


def gaps(user: Sequence[Segment], agent: Sequence[Segment]) -> list[Segment]:
    """Mutual silences between an IPU of one speaker and one of the other, in order."""
    return _of("gap", user, agent)


def dead_air(user: Sequence[Segment], agent: Sequence[Segment], window: Segment, longer_than_ms: float = DEAD_AIR_MS) -> list[Segment]:
    """Mutual silences of the window that are strictly longer, at its rims too: a call that begins or ends in silence is dead there."""
    return [s for s in silences([*ipus(user), *ipus(agent)], window) if s.end - s.start > longer_than_ms * SAMPLES_PER_MS]


def _of(state: State, user: Sequence[Segment], agent: Sequence[Segment]) -> list[Segment]:
    window = _around(None, user, agent)
    return [s.segment for s in stretches(user, agent, window) if s.state == state]


def _around(window: Segment | None, *tracks: Sequence[Segment]) -> Segment:
    """The shortest segment that holds the window and all tracks."""
    held = [s for track in tracks for s in track] + ([] if window is None else [window])
    return Segment(min(s.start for s in held), max(s.end for s in held)) if held else Segment(0, 0)


def _silence(silence: Segment, users: Sequence[Segment], agents: Sequence[Segment]) -> State:
    """What a maximal mutual silence is, by who ended at its start and who began at its end."""
    ended = [any(ipu.end == silence.start for ipu in track) for track in (users, agents)]
    began = [any(ipu.start == silence.end for ipu in track) for track in (users, agents)]
    if not (any(ended) and any(began)):
        return "edge"
    return "pause" if any(before and after for before, after in zip(ended, began, strict=True)) else "gap"
