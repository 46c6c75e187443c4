"""Uncertainty of a measurement, and honest comparisons: bootstrap intervals over sessions, paired differences, Holm's correction.

The unit of resampling is the *session*: events within one talk depend on each other, and an interval over events would be too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 10_000
"""Enough that the Monte Carlo error of a 2.5 % tail is 0.16 %."""
CONFIDENCE = 0.95
MIN_SESSIONS = 2

Method = Literal["percentile", "bca"]
Statistic = Callable[[NDArray[np.float64]], float]
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its bootstrap interval. `n` is the number of sessions (or pairs of them) that were resampled."""

    value: float
    low: float
    high: float
    n: int
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One paired comparison, second less first, with the p-value of a sign-flip test of no difference."""

    difference: Interval
    p: float


def bootstrap(
    sessions: Sequence[ArrayLike],
    statistic: Statistic | None = None,
    *,
    method: Method = "bca",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The interval of a statistic (None = the mean) over all values of all sessions, whole sessions resampled.

    `sessions` holds one array of values per session; a session may hold none. `bca` corrects bias and skew (Efron 1987), with the
    acceleration from leaving out one session at a time; where that is not defined (all resamples equal) it is the percentile interval.
    Raises ValueError for fewer than two sessions, no values, or a confidence outside 0 to 1.
    """
    values = [np.atleast_1d(np.asarray(session, dtype=np.float64)) for session in sessions]
    if len(values) < MIN_SESSIONS:
        raise ValueError(f"an interval over sessions needs at least {MIN_SESSIONS}; there are {len(values)}")
    if not sum(len(v) for v in values):
        raise ValueError(f"{len(values)} sessions hold no value; there is nothing to resample")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence is {confidence}; give a number between 0 and 1, such as {CONFIDENCE}")
    of = _mean if statistic is None else statistic
    found = of(np.concatenate(values))
    drawn = _resample(values, statistic, resamples, np.random.default_rng(seed))
    low, high = (1 - confidence) / 2, (1 + confidence) / 2
    if method == "bca":
        low, high = _bca(values, of, found, drawn, low, high)
    return Interval(found, float(np.quantile(drawn, low)), float(np.quantile(drawn, high)), len(values), confidence)


def paired(
    first: ArrayLike,
    second: ArrayLike,
    *,
    method: Method = "bca",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Two conditions measured on the same scenarios and seeds, one value per pair: mean difference with interval and p-value.

    Pairs in which either value is not finite are dropped. Raises ValueError for unequal lengths or fewer than two pairs left.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"pairs are needed; the two sides have the shapes {a.shape} and {b.shape}")
    difference = (b - a)[np.isfinite(a) & np.isfinite(b)]
    if len(difference) < MIN_SESSIONS:
        raise ValueError(f"{len(difference)} whole pairs are left; a comparison needs at least {MIN_SESSIONS}")
    interval = bootstrap([[d] for d in difference], method=method, confidence=confidence, resamples=resamples, seed=seed)
    return Comparison(interval, sign_flip_p(difference, resamples=resamples, seed=seed))


def sign_flip_p(differences: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of a zero mean difference, by flipping signs at random (Fisher 1935). All flips are tried where they are few.

    Exact for differences that are symmetric about zero under the null; never 0.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not len(d):
        raise ValueError("there are no differences to test")
    seen = abs(d.mean())
    if 2 ** len(d) <= resamples:
        flips = 1 - 2 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        return float(np.mean(np.abs(flips @ d / len(d)) >= seen - 1e-12 * max(1.0, seen)))
    flips = np.random.default_rng(seed).choice((-1, 1), size=(resamples, len(d)))
    as_far = int(np.sum(np.abs(flips @ d / len(d)) >= seen - 1e-12 * max(1.0, seen)))
    return (as_far + 1) / (resamples + 1)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """p-values adjusted for having asked all these questions (Holm 1979): compare each with the level as it is.

    Raises ValueError for a p outside 0 to 1.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise ValueError(f"the p-value of {name} is {p}; it must lie between 0 and 1")
    adjusted: dict[Name, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return adjusted


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _resample(
    values: Sequence[NDArray[np.float64]], statistic: Statistic | None, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The statistic of `resamples` draws of as many sessions. A draw without a value is drawn again."""
    counts = np.array([len(v) for v in values])
    picks = rng.integers(len(values), size=(resamples, len(values)))
    while len(empty := np.flatnonzero(counts[picks].sum(axis=1) == 0)):
        picks[empty] = rng.integers(len(values), size=(len(empty), len(values)))
    if statistic is None:
        # A mean needs only each session's sum and count: hundreds of times faster.
        sums = np.array([v.sum() for v in values])
        return np.asarray(sums[picks].sum(axis=1) / counts[picks].sum(axis=1))
    return np.array([statistic(np.concatenate([values[i] for i in pick])) for pick in picks])


def _bca(
    values: Sequence[NDArray[np.float64]], statistic: Statistic, found: float, drawn: NDArray[np.float64], low: float, high: float
) -> tuple[float, float]:
    """The two quantiles of the draws that bound a bias-corrected and accelerated interval."""
    below = (np.sum(drawn < found) + np.sum(drawn == found) / 2) / len(drawn)
    left_out = [np.concatenate([v for j, v in enumerate(values) if j != i]) for i in range(len(values))]
    without = np.array([statistic(rest) for rest in left_out if len(rest)])
    spread = without.mean() - without
    scale = float(np.sum(spread**2)) ** 1.5
    if scale == 0 or not 0 < below < 1:
        return low, high
    bias, acceleration = stats.norm.ppf(below), float(np.sum(spread**3)) / (6 * scale)

    def moved(quantile: float) -> float:
        z = bias + stats.norm.ppf(quantile)
        return float(stats.norm.cdf(bias + z / (1 - acceleration * z)))

    return moved(low), moved(high)
