"""Full-Duplex-Bench v1.5: the model's speech before and after an overlap, and robust means over files.

The split falls between words: at the start of the word that the overlap's end falls into, else of the next word, else at the end of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.words import Word

TAIL = 0.05
"""Share of the values beyond each of the two percentiles of `trim` and `winsor`."""
MAD_LIMIT = 3.5
"""Distance from the median in median absolute deviations, scaled to standard deviations (Iglewicz and Hoaglin 1993)."""
MAD_TO_SD = 0.6745
IQR_LIMIT = 1.5
"""Distance beyond the quartiles in interquartile ranges (Tukey 1977)."""
Z_LIMIT = 3.0
"""Distance from the mean in standard deviations of the sample."""

FEW = 3
"""Fewer values than this are left as they are."""

Outliers = Literal["none", "trim", "iqr", "mad", "zscore", "winsor"]


@dataclass(frozen=True, slots=True)
class Split:
    """The words on both sides of `at_s`, with their speaking rates in words per minute (0 without words)."""

    at_s: float
    before: tuple[Word, ...]
    after: tuple[Word, ...]
    before_wpm: float
    after_wpm: float


def split(words: Sequence[Word], overlap_end_s: float) -> Split:
    """Raises ValueError when there are no words, or a word has no time."""
    if not words:
        raise ValueError("the model said no words; there is nothing to compare before and after the overlap")
    at = next((w.onset_s for w in words if overlap_end_s < w.offset_s), words[-1].offset_s)
    before = tuple(w for w in words if w.offset_s <= at)
    after = tuple(w for w in words if w.onset_s >= at)
    return Split(at, before, after, words_per_minute(before), words_per_minute(after))


def words_per_minute(words: Sequence[Word]) -> float:
    """Words over the time from the first one's start to the last one's end; 0 where that is empty."""
    length = words[-1].offset_s - words[0].onset_s if words else 0.0
    return 60 * len(words) / length if length > 0 else 0.0


def keep(values: ArrayLike, rule: Outliers) -> NDArray[np.bool_]:
    """Which values a rule keeps. `none` and `winsor` keep all."""
    x = np.asarray(values, dtype=np.float64)
    if rule in ("none", "winsor") or len(x) < FEW:
        return np.ones(len(x), dtype=bool)
    if rule == "trim":
        low, high = np.quantile(x, (TAIL, 1 - TAIL))
        return np.asarray((x >= low) & (x <= high))
    if rule == "iqr":
        q1, q3 = np.quantile(x, (0.25, 0.75))
        reach = IQR_LIMIT * (q3 - q1)
        return np.asarray((x >= q1 - reach) & (x <= q3 + reach))
    centre = np.median(x) if rule == "mad" else x.mean()
    scale = np.median(np.abs(x - centre)) / MAD_TO_SD if rule == "mad" else x.std(ddof=1)
    limit = MAD_LIMIT if rule == "mad" else Z_LIMIT
    if scale == 0:
        return np.ones(len(x), dtype=bool)
    return np.asarray(np.abs(x - centre) <= limit * scale)


def kept(values: ArrayLike, rule: Outliers) -> NDArray[np.float64]:
    """The values that a rule leaves, in order: `winsor` pulls the tails in to its percentiles, every other rule drops."""
    x = np.asarray(values, dtype=np.float64)
    if rule == "winsor" and len(x) >= FEW:
        return np.clip(x, *np.quantile(x, (TAIL, 1 - TAIL)))
    return x[keep(x, rule)]
