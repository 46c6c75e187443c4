"""Personas compared over a run: paired over (scenario, seed) within an engine, one test for each measure and pair, corrected for them all.

**The scenario is the unit.** Talks of one scenario over several seeds depend on each other: the same words are asked, and a prompt that
suits one of them suits it under every seed. Resampling single talks would take ten seeds of three scenarios for thirty independent
observations; the interval would be too narrow and the error rate far above its level (`benchmarks/sweep_error.py` prints how far). So the
pairs' differences are first averaged within a scenario, each scenario weighs the same, and whole scenarios are resampled (cluster
bootstrap; Davison and Hinkley 1997, section 3.8) and whole scenarios flip their sign. More seeds make a scenario's mean steadier; only more
scenarios make a claim about scenarios in general.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evaluation.statistics import MIN_SESSIONS, RESAMPLES, Interval, holm, paired

LEVEL = 0.05
Better = Literal["lower", "higher"]
Verdict = Literal["better", "differs", "not shown", "too few", "unknown"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a talk. `better`: which direction is the better one; None where neither is, and no winner is ever named."""

    name: str
    title: str
    unit: str
    better: Better | None
    about: str
    """The definition, in a sentence."""
    digits: int = 2

    @property
    def heading(self) -> str:
        arrow = {"lower": " ↓", "higher": " ↑", None: ""}[self.better]
        return f"{self.title}{arrow}"


@dataclass(frozen=True, slots=True)
class Talk:
    """One finished talk of a run: who, where, and what was measured (None or a missing name: not defined for this talk)."""

    persona: str
    engine: str
    scenario: str
    seed: int
    measures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure of one pair of personas on one engine; `second` less `first`."""

    engine: str
    measure: Measure
    first: str
    second: str
    scenarios: int
    """Scenarios with the measure on both sides under at least one same seed: the n of the interval and the test."""
    pairs: int
    """(scenario, seed) with both."""
    first_value: float | None
    second_value: float | None
    """Means over the scenarios' means, of the pairs only."""
    difference: Interval | None
    """None with fewer than two scenarios."""
    p: float | None
    """Sign-flip over scenarios, two-sided, uncorrected."""
    p_adjusted: float | None
    """Holm over every finding of the comparison that has a p."""
    verdict: Verdict
    winner: str | None
    """Named only where the interval leaves out zero, the adjusted p is below 0.05, and a direction is the better one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All findings, in the order engine, pair, measure."""

    findings: Sequence[Finding]
    family: int
    """How many tests were made: what Holm corrected for."""

    @property
    def scenarios_needed(self) -> int:
        """So many scenarios must a measure have for its smallest possible p to pass the correction."""
        return scenarios_needed(max(1, self.family))


def scenarios_needed(tests: int) -> int:
    """The fewest scenarios with which a sign-flip p can be below `LEVEL` after Holm's harshest step: all differences of one sign give
    p = 2 / 2^n."""
    return math.floor(math.log2(2 * tests / LEVEL)) + 1


FEWEST = scenarios_needed(1)
"""6: with five scenarios the smallest p is 0.0625."""


def all_pairs(personas: Iterable[str], baseline: str | None = None) -> list[tuple[str, str]]:
    """The baseline with each other one, or every two. Raises ValueError for an unknown baseline or fewer than two personas."""
    names = sorted(set(personas))
    if len(names) < 2:
        raise ValueError(f"there is nothing to compare: the run holds {', '.join(names) or 'no persona'}; give it two personas or more")
    if baseline is None:
        return list(itertools.combinations(names, 2))
    if baseline not in names:
        raise ValueError(f"the baseline {baseline!r} is not in the run; there are: {', '.join(names)}")
    return [(baseline, name) for name in names if name != baseline]


def compare(
    talks: Sequence[Talk], measures: Sequence[Measure], *, baseline: str | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Every measure of every pair on every engine. Raises ValueError for fewer than two personas, an unknown baseline, or two talks of the
    same persona, engine, scenario and seed."""
    cells = _cells(talks)
    pairs = all_pairs((talk.persona for talk in talks), baseline)
    open_findings = [
        _finding(cells, engine, first, second, measure, resamples, seed)
        for engine in sorted({talk.engine for talk in talks})
        for first, second in pairs
        for measure in measures
    ]
    p_values = {number: finding.p for number, finding in enumerate(open_findings) if finding.p is not None}
    adjusted = holm(p_values)
    findings = [_judged(finding, adjusted.get(number)) for number, finding in enumerate(open_findings)]
    return Comparison(findings, len(p_values))


_Cells = Mapping[tuple[str, str], Mapping[tuple[str, int], Talk]]


def _cells(talks: Iterable[Talk]) -> _Cells:
    found: dict[tuple[str, str], dict[tuple[str, int], Talk]] = defaultdict(dict)
    for talk in talks:
        own = found[talk.engine, talk.persona]
        if (talk.scenario, talk.seed) in own:
            raise ValueError(f"{talk.persona} on {talk.engine} has two talks of {talk.scenario} with seed {talk.seed}; one must go")
        own[talk.scenario, talk.seed] = talk
    return found


def _finding(cells: _Cells, engine: str, first: str, second: str, measure: Measure, resamples: int, seed: int) -> Finding:
    one, two = cells.get((engine, first), {}), cells.get((engine, second), {})
    values: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for scenario, number in sorted(one.keys() & two.keys()):
        a = one[scenario, number].measures.get(measure.name)
        b = two[scenario, number].measures.get(measure.name)
        if a is not None and b is not None and math.isfinite(a) and math.isfinite(b):
            values[scenario].append((a, b))
    means = np.array([np.mean(pairs, axis=0) for pairs in values.values()]).reshape(-1, 2)
    tested = len(means) >= MIN_SESSIONS
    found = paired(means[:, 0], means[:, 1], resamples=resamples, seed=seed) if tested else None
    return Finding(
        engine=engine,
        measure=measure,
        first=first,
        second=second,
        scenarios=len(means),
        pairs=sum(map(len, values.values())),
        first_value=float(means[:, 0].mean()) if len(means) else None,
        second_value=float(means[:, 1].mean()) if len(means) else None,
        difference=found.difference if found is not None else None,
        p=found.p if found is not None else None,
        p_adjusted=None,
        verdict="unknown",
        winner=None,
    )


def _judged(finding: Finding, p_adjusted: float | None) -> Finding:
    if finding.difference is None or p_adjusted is None:
        return finding
    if finding.scenarios < FEWEST:
        return replace(finding, p_adjusted=p_adjusted, verdict="too few")
    if not (finding.difference.excludes_zero and p_adjusted < LEVEL):
        return replace(finding, p_adjusted=p_adjusted, verdict="not shown")
    if finding.measure.better is None:
        return replace(finding, p_adjusted=p_adjusted, verdict="differs")
    more_is_better = finding.measure.better == "higher"
    winner = finding.second if (finding.difference.value > 0) == more_is_better else finding.first
    return replace(finding, p_adjusted=p_adjusted, verdict="better", winner=winner)
