"""A run's personas compared: rows to measures, measures to findings, and what the findings rest on."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.adherence import adherence, recall
from evaluation.cell_rows import Cell, RunError, read_cells, read_personas
from evaluation.comparison import FEWEST, LEVEL, Comparison, Finding, Measure, Talk, all_pairs, compare
from evaluation.judge import Scores
from evaluation.judgements import read_judgements
from evaluation.measured import ADHERENCE, DYNAMICS, EXPECTATIONS, JUDGED, RUN_MEASURES
from evaluation.prompt_facts import Knowledge, knowledge
from evaluation.statistics import MIN_SESSIONS, RESAMPLES, Interval, bootstrap
from workbench.personas import Persona


@dataclass(frozen=True, slots=True)
class Level:
    """One measure of one persona on one engine, over its own scenarios: the mean of the scenarios' means."""

    engine: str
    persona: str
    measure: Measure
    scenarios: int
    talks: int
    value: float | None
    interval: Interval | None
    """Over scenarios; None with fewer than two."""


@dataclass(frozen=True, slots=True)
class FactTold:
    """One fact of the prompts: how often it was asked for and how much of it was told, by persona."""

    text: str
    asked: Mapping[str, int]
    told: Mapping[str, float]
    """Mean share told, 0 to 1, of a persona that was asked."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    """All that a comparison says of a run."""

    run: Path
    baseline: str | None
    personas: Mapping[str, Persona]
    rows: Mapping[str, int]
    """How many rows have each status; only finished talks are compared."""
    unpaired: int
    """Finished talks without a finished counterpart of the same engine, scenario and seed in any pair."""
    comparison: Comparison
    levels: Sequence[Level]
    facts: Sequence[FactTold]
    judged: int
    """Talks with a judge's score."""
    unknown_measures: Sequence[str]
    """Measures of the rows that are declared nowhere, and are not compared."""

    @property
    def engines(self) -> list[str]:
        return sorted({level.engine for level in self.levels})


def compare_run(run: Path, *, baseline: str | None = None, resamples: int = RESAMPLES, seed: int = 0) -> RunComparison:
    """Compares the personas of a run. Raises RunError for a run without rows, with broken ones, or with nothing to compare."""
    cells = read_cells(run)
    personas = read_personas(run, cells)
    done = [cell for cell in cells if cell.status == "done"]
    # A fact that one of the prompts lost must be asked of it too, so the facts of all are counted for all.
    facts = knowledge([(persona.name, persona.prompt) for persona in personas.values()])
    scores = read_judgements(run, cells, personas)
    talks = [_talk(cell, personas[cell.persona], facts, scores.get(cell.name)) for cell in done]
    measures = [*ADHERENCE, *EXPECTATIONS, *RUN_MEASURES, *(JUDGED if scores else ())]
    measures = [measure for measure in measures if any(talk.measures.get(measure.name) is not None for talk in talks)]
    try:
        pairs = all_pairs((talk.persona for talk in talks), baseline)
        comparison = compare(talks, measures, baseline=baseline, resamples=resamples, seed=seed)
    except ValueError as error:
        raise RunError(f"{run}: {error}.") from error
    known = {measure.name for measure in (*measures, *DYNAMICS)}
    return RunComparison(
        run=run,
        baseline=baseline,
        personas=personas,
        rows=dict(Counter(cell.status for cell in cells)),
        unpaired=_unpaired(talks, pairs),
        comparison=comparison,
        levels=_levels(talks, measures, resamples, seed),
        facts=_facts_told(facts, done),
        judged=len(scores),
        unknown_measures=sorted({name for cell in done for name in cell.measures} - known),
    )


def _talk(cell: Cell, persona: Persona, facts: Knowledge, score: Scores | None) -> Talk:
    measures: dict[str, float | None] = {**cell.measures}
    measures |= adherence(persona, cell.turns, facts=facts, tool_results=cell.tool_results)
    if cell.expectations:
        measures["expectations_met"] = sum(cell.expectations) / len(cell.expectations)
    if score is not None:
        measures |= {"judge_adherence": float(score.adherence), "judge_naturalness": float(score.naturalness)}
    return Talk(cell.persona, cell.engine, cell.scenario, cell.seed, measures)


def _unpaired(talks: Sequence[Talk], pairs: Sequence[tuple[str, str]]) -> int:
    there = {(talk.persona, talk.engine, talk.scenario, talk.seed) for talk in talks}
    partners: dict[str, set[str]] = defaultdict(set)
    for first, second in pairs:
        partners[first].add(second)
        partners[second].add(first)
    return sum(not any((partner, talk.engine, talk.scenario, talk.seed) in there for partner in partners[talk.persona]) for talk in talks)


def _levels(talks: Sequence[Talk], measures: Sequence[Measure], resamples: int, seed: int) -> list[Level]:
    found = []
    for engine, persona in sorted({(talk.engine, talk.persona) for talk in talks}):
        own = [talk for talk in talks if (talk.engine, talk.persona) == (engine, persona)]
        for measure in measures:
            values: dict[str, list[float]] = defaultdict(list)
            for talk in own:
                value = talk.measures.get(measure.name)
                if value is not None and math.isfinite(value):
                    values[talk.scenario].append(value)
            means = [float(np.mean(each)) for each in values.values()]
            spread = bootstrap([[mean] for mean in means], resamples=resamples, seed=seed) if len(means) >= MIN_SESSIONS else None
            value = float(np.mean(means)) if means else None
            found.append(Level(engine, persona, measure, len(means), sum(map(len, values.values())), value, spread))
    return found


def _facts_told(facts: Knowledge, done: Sequence[Cell]) -> list[FactTold]:
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell in done:
        for fact, told in recall(facts, cell.turns).tellings:
            shares[fact.text][cell.persona].append(told)
    return [
        FactTold(
            fact.text,
            {persona: len(told) for persona, told in sorted(shares[fact.text].items())},
            {persona: sum(told) / len(told) for persona, told in sorted(shares[fact.text].items())},
        )
        for fact in facts.facts
    ]


def verdict(finding: Finding) -> str:
    """A finding's verdict in words."""
    scenarios = f"{finding.scenarios} scenario{'' if finding.scenarios == 1 else 's'}"
    match finding.verdict:
        case "better":
            return f"{finding.winner} is better"
        case "differs":
            higher = finding.second if finding.difference is not None and finding.difference.value > 0 else finding.first
            return f"{higher} is higher; neither side is better"
        case "too few":
            return f"{scenarios}: too few for any p < {LEVEL}, {FEWEST} at least"
        case "unknown":
            return f"cannot be told from {scenarios}"
    return "no difference shown"


def as_json(found: RunComparison) -> dict[str, Any]:
    """The whole comparison as plain values, for programs."""
    return {
        "run": str(found.run),
        "baseline": found.baseline,
        "level": LEVEL,
        "tests": found.comparison.family,
        "scenarios_needed": found.comparison.scenarios_needed,
        "rows": dict(found.rows),
        "unpaired": found.unpaired,
        "judged": found.judged,
        "not_compared": list(found.unknown_measures),
        "personas": {name: {"hash": persona.content_hash, "name": persona.name} for name, persona in sorted(found.personas.items())},
        "levels": [_level_json(level) for level in found.levels],
        "findings": [_finding_json(finding) for finding in found.comparison.findings],
        "facts": [asdict(fact) for fact in found.facts],
    }


def _level_json(level: Level) -> dict[str, Any]:
    spread = level.interval
    return {
        "engine": level.engine,
        "persona": level.persona,
        "measure": level.measure.name,
        "scenarios": level.scenarios,
        "talks": level.talks,
        "value": level.value,
        "low": spread.low if spread else None,
        "high": spread.high if spread else None,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "engine": finding.engine,
        "measure": finding.measure.name,
        "unit": finding.measure.unit,
        "better": finding.measure.better,
        "first": finding.first,
        "second": finding.second,
        "scenarios": finding.scenarios,
        "pairs": finding.pairs,
        "first_value": finding.first_value,
        "second_value": finding.second_value,
        "difference": finding.difference.value if finding.difference else None,
        "low": finding.difference.low if finding.difference else None,
        "high": finding.difference.high if finding.difference else None,
        "p": finding.p,
        "p_adjusted": finding.p_adjusted,
        "verdict": finding.verdict,
        "winner": finding.winner,
    }
