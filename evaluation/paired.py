"""Paired t-test of one measure before and after, with the outlier rules of Full-Duplex-Bench v1.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.fdb_v15_before_after import Outliers, keep

ROUNDING = 1e-12
"""Differences that spread by less than this share of the values are equal: what is left is the rounding of their digits."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One comparison; the interval is that of the mean difference (after less before). `n_valid` counts pairs of finite numbers."""

    n_raw: int
    n_valid: int
    n_used: int
    mean_before: float
    mean_after: float
    mean_diff: float
    ci95_low: float
    ci95_high: float
    t: float
    df: int
    p: float
    cohen_dz: float

    @property
    def n_dropped(self) -> int:
        return self.n_valid - self.n_used


def paired_t(before: ArrayLike, after: ArrayLike, outliers: Outliers = "none") -> PairedTest:
    """Pairs `[n]`, `[n]`; outliers are dropped by their difference.

    Raises ValueError for lists of unequal length, for `winsor` (which changes values), and when fewer than two pairs are left or all
    differences are equal: then there is no variance to test against.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"pairs are needed; before has the shape {first.shape} and after {second.shape}")
    if outliers == "winsor":
        raise ValueError("winsor changes values and drops none; choose none, trim, iqr, mad or zscore for a paired test")
    valid = np.isfinite(first) & np.isfinite(second)
    first, second = first[valid], second[valid]
    used = keep(second - first, outliers)
    first, second = first[used], second[used]
    difference = second - first
    n = len(difference)
    spread = float(difference.std(ddof=1)) if n > 1 else 0.0
    if not spread > ROUNDING * max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0)):
        raise ValueError(f"{n} pairs are left with a spread of {spread:.3g}; a t-test needs two pairs that differ")
    mean, error = float(difference.mean()), spread / float(np.sqrt(n))
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return PairedTest(
        n_raw=len(valid),
        n_valid=int(valid.sum()),
        n_used=n,
        mean_before=float(first.mean()),
        mean_after=float(second.mean()),
        mean_diff=mean,
        ci95_low=mean - reach,
        ci95_high=mean + reach,
        t=mean / error,
        df=n - 1,
        p=float(2 * stats.t.sf(abs(mean / error), n - 1)),
        cohen_dz=mean / spread,
    )
