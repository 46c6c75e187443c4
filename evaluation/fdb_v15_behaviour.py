"""Full-Duplex-Bench v1.5: what a judge says the model did about overlapping speech, and the share of each behaviour.

Wanted: `C_RESPOND` to an interruption; `C_RESUME` for a backchannel, talk to others, and speech in the background.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "behaviour"
BEHAVIOURS = ("C_RESPOND", "C_RESUME", "C_UNCERTAIN_HANDLING", "C_UNKNOWN")


@dataclass(frozen=True, slots=True)
class BehaviourShares:
    """Counts and shares of each label; shares are of all labels of the same axis (the letter before the underscore)."""

    counts: Mapping[str, int]
    totals: Mapping[str, int]
    shares: Mapping[str, float]


def judge_behaviour(text: str) -> dict[str, Any]:
    """The first JSON object in a judge's text that names a behaviour. Raises ValueError when there is none."""
    for found in _objects(text):
        if KEY in found:
            return found
    raise ValueError(f"the judge's answer holds no JSON object with a {KEY!r}: {text[:80]!r}; ask again")


def shares(labels: Iterable[Sequence[str]]) -> BehaviourShares:
    """The labels of many files, each of which may carry one per axis."""
    counts = Counter(label for file in labels for label in file)
    totals: Counter[str] = Counter()
    for label, count in counts.items():
        totals[_axis(label)] += count
    return BehaviourShares(dict(counts), dict(totals), {label: count / totals[_axis(label)] for label, count in counts.items()})


def any_overlap(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> bool:
    """Whether any two spans share time; spans that only touch do not."""
    return any(max(a[0], b[0]) < min(a[1], b[1]) for a in first for b in second)


def _axis(label: str) -> str:
    return label.split("_", 1)[0]


def _objects(text: str) -> Iterable[dict[str, Any]]:
    """Outermost JSON objects in running text."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            end = at + 1
        else:
            yield found
        at = text.find("{", end)
