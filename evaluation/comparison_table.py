"""A comparison of personas for people, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from evaluation.comparison import FEWEST, LEVEL, Finding
from evaluation.run_comparison import FactTold, RunComparison, verdict
from evaluation.statistics import Interval

UNKNOWN = "–"


def told(found: RunComparison) -> str:
    """The whole comparison: what it rests on, then a table for each engine and pair, then the facts."""
    parts = [*basis(found), ""]
    for (engine, first, second), findings in groupby(found.comparison.findings, lambda each: (each.engine, each.first, each.second)):
        parts += [f"{second} less {first}, on {engine}", _grid(HEAD, map(finding_cells, findings)), ""]
    asked = [fact for fact in found.facts if fact.asked]
    if asked:
        names = sorted(found.personas)
        rows = [[*(telling(fact, name) for name in names), fact.text[:60]] for fact in asked]
        parts += ["Facts asked for, and the share of them told", _grid([*names, "fact"], rows), ""]
    return "\n".join(parts).rstrip()


def basis(found: RunComparison) -> list[str]:
    """What the findings rest on, a sentence each."""
    rows = ", ".join(f"{count} {status}" for status, count in sorted(found.rows.items()))
    family = found.comparison.family
    lines = [
        f"{rows} talks of {len(found.personas)} personas; paired over scenario and seed, the scenario is the unit.",
        f"{family} tests, corrected together (Holm). With fewer than {FEWEST} scenarios no p can be below {LEVEL}; to pass the first step "
        f"of the correction for {family} tests a measure needs {found.comparison.scenarios_needed}.",
    ]
    if found.unpaired:
        lines.append(f"{found.unpaired} finished talks have no counterpart of the same scenario and seed, and are left out.")
    if found.unknown_measures:
        lines.append(f"Not compared, for they are declared nowhere: {', '.join(found.unknown_measures)}.")
    if found.judged:
        lines.append(f"{found.judged} talks have a judge's score.")
    return [*lines, *winners(found)]


def winners(found: RunComparison) -> list[str]:
    """Every winner, a sentence each; one sentence where there is none."""
    named = [finding for finding in found.comparison.findings if finding.winner is not None]
    return [
        f"{finding.winner} is better than {finding.first if finding.winner == finding.second else finding.second} "
        f"in {finding.measure.title.lower()} on {finding.engine}."
        for finding in named
    ] or ["No winner in any measure."]


HEAD = ("measure", "unit", "first", "second", "difference", "95 % interval", "p, Holm", "scenarios", "verdict")


def finding_cells(finding: Finding) -> list[str]:
    """A finding as the cells of a row under `HEAD`."""
    digits = finding.measure.digits
    spread = finding.difference
    return [
        finding.measure.heading,
        finding.measure.unit,
        number(finding.first_value, digits),
        number(finding.second_value, digits),
        number(spread.value if spread else None, digits, sign=True),
        _interval(spread, digits),
        UNKNOWN if finding.p_adjusted is None else f"{finding.p_adjusted:.3f}" if finding.p_adjusted >= 0.001 else "<0.001",
        str(finding.scenarios),
        verdict(finding),
    ]


def _interval(spread: Interval | None, digits: int) -> str:
    if spread is None:
        return UNKNOWN
    if spread.low == spread.high:
        return "all alike"  # a bootstrap of what does not vary has no width, which is not the same as being sure
    return f"{number(spread.low, digits, sign=True)} to {number(spread.high, digits, sign=True)}"


def number(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A value with so many decimals; a dash when unknown."""
    if value is None:
        return UNKNOWN
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}"


def telling(fact: FactTold, persona: str) -> str:
    """How much of a fact a persona told, and how often it was asked."""
    return f"{fact.told[persona]:.2f} of {fact.asked[persona]}" if persona in fact.told else UNKNOWN


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of equal width, two spaces between."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
