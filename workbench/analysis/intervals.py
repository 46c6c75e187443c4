"""Intervals by the bootstrap over sessions: talks are drawn with replacement, each with all that happened in it.

What happens within one talk hangs together, so single turns must not be drawn (Efron and Tibshirani 1993, ch. 8: resample the units
that are independent). The percentile interval is used. Talks are taken in the order of their names, so that the same talks give the same
interval in whatever order their rows come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
Weights = NDArray[np.int64]
"""How often each session was drawn, [sessions]."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, in the unit of what was estimated."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


class Quantile:
    """The q-quantile of `values` [n], `sessions` [n] says which talk each comes from (any labels that can be sorted)."""

    def __init__(self, values: ArrayLike, sessions: ArrayLike, q: float = 0.5) -> None:
        found = np.asarray(values, dtype=np.float64)
        order = np.argsort(found, kind="stable")
        self._values = found[order]
        codes, labels = pd.factorize(np.asarray(sessions), sort=True)
        self._codes = codes[order]
        self._q = q
        self.sessions = len(labels)
        self.size = found.size
        # 32 bits are added up four times as fast as 64; they hold unless every draw could be of one enormous talk.
        most = self.sessions * int(np.bincount(codes).max()) if found.size else 0
        self._counted: type[np.signedinteger[Any]] = np.int32 if most <= np.iinfo(np.int32).max else np.int64

    @property
    def value(self) -> float | None:
        """None of nothing."""
        return float(np.quantile(self._values, self._q)) if self.size else None

    def drawn(self, weights: Weights) -> float:
        """The same with each session counted as often as it was drawn."""
        reached = np.cumsum(weights.astype(self._counted).take(self._codes), dtype=self._counted)
        place = self._q * (int(reached[-1]) - 1)
        below, above = np.searchsorted(reached, np.array([math.floor(place), math.ceil(place)], self._counted), side="right")
        share = place - math.floor(place)
        return float((1 - share) * self._values[below] + share * self._values[above])


class Ratio:
    """The sum of `above` over the sum of `below`, each [sessions] in the order of the sessions' names: a share, a rate, a mean."""

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

    def drawn(self, weights: Weights) -> float:
        # Not `@`: BLAS splits a product this short between threads, and where other programs have the cores each of some thousand
        # products waits for its other half (a summary took 13 s in place of 0.8 s).
        return float(np.einsum("i,i->", weights, self._above) / np.einsum("i,i->", weights, self._below))


Statistic = Quantile | Ratio


def share(counted: pd.Series, of: pd.Series, sessions: pd.Series) -> Ratio:
    """How many rows are `counted` among those that are in `of` (both booleans), by the talks they come from."""
    sums = pd.DataFrame({"counted": counted & of, "of": of}).groupby(sessions, sort=True).sum()
    return Ratio(sums["counted"], sums["of"])


def interval(statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval | None:
    """The 95 % interval of a statistic; None when fewer than `MIN_SESSIONS` talks have a part in it, or when all talks are alike: a
    bootstrap of what does not vary has no width, which is not the same as being sure."""
    return intervals([statistic], resamples=resamples, seed=seed)[0]


def intervals(statistics: Sequence[Statistic], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval | None]:
    """`interval` of each. Those of equally many talks share the draws, which are the ones that each would get alone."""
    found: list[Interval | None] = [None] * len(statistics)
    for sessions in {statistic.sessions for statistic in statistics if statistic.sessions >= MIN_SESSIONS}:
        places = [place for place, statistic in enumerate(statistics) if statistic.sessions == sessions]
        values = [np.empty(_affordable(statistics[place], resamples)) for place in places]
        for number, weights in enumerate(_draws(sessions, max(map(len, values)), np.random.default_rng(seed))):
            for place, drawn in zip(places, values, strict=True):
                if number < drawn.size:
                    drawn[number] = statistics[place].drawn(weights)
        for place, drawn in zip(places, values, strict=True):
            found[place] = _percentiles(drawn)
    return found


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
    return np.array([statistic.drawn(weights) for weights in _draws(statistic.sessions, resamples, rng)])


def _draws(sessions: int, resamples: int, rng: np.random.Generator) -> Iterator[Weights]:
    for _number in range(resamples):
        yield np.bincount(rng.integers(0, sessions, sessions), minlength=sessions)


def _percentiles(drawn: Floats) -> Interval | None:
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(low), float(high)) if low < high else None
