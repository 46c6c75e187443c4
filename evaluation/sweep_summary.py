"""A run in a few numbers per persona and engine: what the end of a sweep prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from scipy.stats import binomtest

from evaluation.cell_rows import Cell
from evaluation.statistics import CONFIDENCE

REPLY, STOP = "reply_fto_p50_ms", "stop_latency_p50_ms"


@dataclass(frozen=True, slots=True)
class Share:
    """`met` of `of`, with its Wilson interval. Expectations of one talk depend on each other, so the interval is too narrow for a claim
    about personas: `workbench evaluate compare` makes those."""

    met: int
    of: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Median:
    """The median over talks of each talk's own median, in ms; None where no talk of `n` talks has one."""

    ms: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Group:
    """One persona on one engine."""

    persona: str
    engine: str
    done: int
    failed: int
    skipped: int
    expectations: Share
    reply: Median
    """Floor-transfer offset of the agent's replies."""
    stop: Median
    """Stop latency of the barge-ins to which it yielded."""


def wilson(met: int, of: int) -> Share:
    """Wilson 1927, at the level of `statistics.CONFIDENCE`."""
    if of == 0:
        return Share(0, 0, None, None)
    interval = binomtest(met, of).proportion_ci(CONFIDENCE, method="wilson")
    return Share(met, of, float(interval.low), float(interval.high))


def groups(cells: Sequence[Cell]) -> list[Group]:
    """By persona, then engine."""
    return [
        _group(persona, engine, [cell for cell in cells if (cell.persona, cell.engine) == (persona, engine)])
        for persona, engine in sorted({(cell.persona, cell.engine) for cell in cells})
    ]


def _group(persona: str, engine: str, cells: Sequence[Cell]) -> Group:
    done = [cell for cell in cells if cell.status == "done"]
    verdicts = [passed for cell in done for passed in cell.expectations]
    return Group(
        persona=persona,
        engine=engine,
        done=len(done),
        failed=sum(cell.status == "failed" for cell in cells),
        skipped=sum(cell.status == "skipped" for cell in cells),
        expectations=wilson(sum(verdicts), len(verdicts)),
        reply=_median(done, REPLY),
        stop=_median(done, STOP),
    )


def _median(cells: Sequence[Cell], measure: str) -> Median:
    values = [value for cell in cells if (value := cell.measures.get(measure)) is not None]
    return Median(median(values) if values else None, len(values))


def table(found: Sequence[Group]) -> list[list[str]]:
    """Heading and rows, as text."""
    heading = ["persona", "engine", "talks", "failed", "skipped", "expectations met ↑", "95 % (Wilson)", "reply, ms ↓", "stop, ms ↓"]
    return [heading, *(_row(group) for group in found)]


def _row(group: Group) -> list[str]:
    share = group.expectations
    if share.low is None or share.high is None:
        met, between = "none", ""
    else:
        met, between = f"{share.met} of {share.of} ({share.met / share.of:.0%})", f"{share.low:.0%} to {share.high:.0%}"
    counts = [str(group.done), str(group.failed), str(group.skipped)]
    return [group.persona, group.engine, *counts, met, between, _told(group.reply), _told(group.stop)]


def _told(found: Median) -> str:
    return "none" if found.ms is None else f"{found.ms:+.0f} (n={found.n})"


def as_json(found: Sequence[Group]) -> list[dict[str, Any]]:
    """The groups for a program."""
    return [asdict(group) for group in found]
