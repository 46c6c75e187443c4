"""Floor-transfer offsets of a talk, and their distribution beside the human one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from workbench.dynamics.segments import Segment
from workbench.dynamics.turns import turns

SMOOTH_MS = 200
"""Offsets within this of 0 are smooth: about half of all human transfers (Levinson and Torreira 2015)."""
QUICK_MS = 500
"""70 to 82 % of human transfers are shorter (Levinson and Torreira 2015)."""
TROUBLE_MS = 700
"""A listener hears trouble in a longer gap (Roberts and Francis 2013)."""

HUMAN_TELEPHONE_MS = {"mean": 187.0, "median": 168.0, "mode": 169.0, "sd": 448.0, "n": 19_754.0}
"""Floor transfers of English telephone talk (Roberts, Torreira and Levinson 2015)."""


@dataclass(frozen=True, slots=True)
class OffsetSummary:
    """Floor-transfer offsets in ms; everything but `n` is None when there is none. Shares are of `n`, in 0 to 1."""

    n: int
    mean_ms: float | None = None
    median_ms: float | None = None
    p10_ms: float | None = None
    p25_ms: float | None = None
    p75_ms: float | None = None
    p90_ms: float | None = None
    smooth_share: float | None = None
    under_200_share: float | None = None
    under_500_share: float | None = None
    over_700_share: float | None = None
    overlap_share: float | None = None


def floor_transfer_offsets(user: Sequence[Segment], agent: Sequence[Segment]) -> list[float]:
    """The offset of every change of turn in ms, by time; negative = overlap. Short IPUs whole within the other's take no turn."""
    return [turn.fto_ms for turn in turns(user, agent) if turn.fto_ms is not None]


def summarise(offsets_ms: Iterable[float]) -> OffsetSummary:
    """Their distribution. Percentiles are interpolated linearly."""
    values = np.asarray(list(offsets_ms), dtype=np.float64)
    if not len(values):
        return OffsetSummary(0)
    p10, p25, p50, p75, p90 = (float(v) for v in np.percentile(values, (10, 25, 50, 75, 90)))
    return OffsetSummary(
        n=len(values),
        mean_ms=float(values.mean()),
        median_ms=p50,
        p10_ms=p10,
        p25_ms=p25,
        p75_ms=p75,
        p90_ms=p90,
        smooth_share=float(np.mean(np.abs(values) <= SMOOTH_MS)),
        under_200_share=float(np.mean(values < SMOOTH_MS)),
        under_500_share=float(np.mean(values < QUICK_MS)),
        over_700_share=float(np.mean(values > TROUBLE_MS)),
        overlap_share=float(np.mean(values < 0)),
    )


def wasserstein_1(first: ArrayLike, second: ArrayLike) -> float:
    """Wasserstein-1 distance of two samples, in their unit: the area between their distribution functions.

    Raises ValueError when one of them is empty.
    """
    a, b = np.sort(np.asarray(first, dtype=np.float64)), np.sort(np.asarray(second, dtype=np.float64))
    if not (len(a) and len(b)):
        raise ValueError(f"a distance needs two samples; they hold {len(a)} and {len(b)} values")
    edges = np.sort(np.concatenate((a, b)))
    between = np.abs(np.searchsorted(a, edges[:-1], side="right") / len(a) - np.searchsorted(b, edges[:-1], side="right") / len(b))
    return float(np.sum(between * np.diff(edges)))
