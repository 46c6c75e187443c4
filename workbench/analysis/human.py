"""What people do among themselves, as published: what latencies stand beside. Each figure names its source."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.dynamics.floor import HUMAN_TELEPHONE_MS

TELEPHONE_MEDIAN_MS = HUMAN_TELEPHONE_MS["median"]
SOURCE = (
    "People: median 168 ms of 19,754 telephone transfers (Roberts, Torreira and Levinson 2015); shares from Levinson and Torreira (2015)."
)


@dataclass(frozen=True, slots=True)
class Share:
    """A published share of floor transfers, in 0 to 1; `low` = `high` where one figure was given."""

    title: str
    below_ms: float
    low: float
    high: float


SHARES = (
    Share("in overlap (under 0 ms)", 0.0, 0.301, 0.301),
    Share("under 200 ms", 200.0, 0.51, 0.55),
    Share("under 500 ms", 500.0, 0.70, 0.82),
)
"""Levinson and Torreira 2015."""
