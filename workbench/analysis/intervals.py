"""Intervals by the bootstrap over sessions: talks are drawn with replacement, each with all that happened in it.

What happens within one talk hangs together, so single turns must not be drawn (Efron and Tibshirani 1993, ch. 8: resample the units
that are independent). The percentile interval is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1_000
LEVEL = 0.95
MIN_SESSIONS = 5
"""Fewer talks tell nothing about how talks differ: the interval is then unknown."""
_WORK = 2_000_000
"""Values times resamples that are worth waiting for (some tens of ms); beyond it fewer resamples are drawn, never under `_FEWEST`. An
interval over that many values is narrow, and the few suffice for it."""
_FEWEST = 200

Floats = NDArray[np.float64]
Draw = Callable[[NDArray[np.int64]], float]
"""A statistic under weights: how often each session was drawn, [sessions]."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, in the unit of what was estimated."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


class Quantile:
    """The q-quantile of `values` [n], `sessions` [n] says which talk each comes from (any labels)."""

    def __init__(self, values: ArrayLike, sessions: ArrayLike, q: float = 0.5) -> None:
        found = np.asarray(values, dtype=np.float64)
        order = np.argsort(found, kind="stable")
        self._values = found[order]
        codes, labels = pd.factorize(np.asarray(sessions))
        self._codes = codes[order].astype(np.int32)
        self._q = q
        self.sessions = len(labels)
        self.size = found.size

    @property
    def value(self) -> float | None:
        """None of nothing."""
        return float(np.quantile(self._values, self._q)) if self.size else None

    def drawn(self, weights: NDArray[np.int64]) -> float:
        """The same with each session counted as often as it was drawn."""
        reached = np.cumsum(weights[self._codes])
        place = self._q * (reached[-1] - 1)
        below, above = np.searchsorted(reached, [np.floor(place), np.ceil(place)], side="right")
        share = place - np.floor(place)
        return float((1 - share) * self._values[below] + share * self._values[above])


class Ratio:
    """The sum of `above` over the sum of `below`, each [sessions]: a share, a rate, a mean."""

    def __init__(self, above: ArrayLike, below: ArrayLike) -> None:
        self._above = np.asarray(above, dtype=np.float64)
        self._below = np.asarray(below, dtype=np.float64)
        self.sessions = int(np.count_nonzero(self._below))
        self.size = self._below.size
        used = self._below != 0
        self._above, self._below = self._above[used], self._below[used]

    @property
    def value(self) -> float | None:
        """None when there is nothing to divide by."""
        return float(self._above.sum() / self._below.sum()) if self.sessions else None

    def drawn(self, weights: NDArray[np.int64]) -> float:
        return float(weights @ self._above / (weights @ self._below))


Statistic = Quantile | Ratio


def share(counted: pd.Series, of: pd.Series, sessions: pd.Series) -> Ratio:
    """How many rows are `counted` among those that are in `of` (both booleans), by the talks they come from."""
    sums = pd.DataFrame({"counted": counted & of, "of": of}).groupby(sessions, sort=False).sum()
    return Ratio(sums["counted"], sums["of"])


def interval(statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval | None:
    """The 95 % interval of a statistic; None when fewer than `MIN_SESSIONS` talks have a part in it, or when all talks are alike: a
    bootstrap of what does not vary has no width, which is not the same as being sure."""
    if statistic.sessions < MIN_SESSIONS:
        return None
    return _percentiles(_resample(statistic, resamples, np.random.default_rng(seed)))


def difference(first: Statistic, second: Statistic, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval | None:
    """The 95 % interval of `second` less `first`, two groups of different talks; None when either has too few, or nothing varies."""
    if min(first.sessions, second.sessions) < MIN_SESSIONS:
        return None
    rng = np.random.default_rng(seed)
    count = min(_affordable(first, resamples), _affordable(second, resamples))
    return _percentiles(_resample(second, count, rng) - _resample(first, count, rng))


def _affordable(statistic: Statistic, resamples: int) -> int:
    return max(_FEWEST, min(resamples, _WORK // max(1, statistic.size)))


def _resample(statistic: Statistic, resamples: int, rng: np.random.Generator) -> Floats:
    drawn = np.empty(_affordable(statistic, resamples))
    for number in range(drawn.size):
        chosen = rng.integers(0, statistic.sessions, statistic.sessions)
        drawn[number] = statistic.drawn(np.bincount(chosen, minlength=statistic.sessions))
    return drawn


def _percentiles(drawn: Floats) -> Interval | None:
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(low), float(high)) if low < high else None
