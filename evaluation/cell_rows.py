"""Reads a run's rows: one JSON file for each persona, engine, scenario and seed, and the persona files that were used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.turns import Turn, turns_of
from workbench.personas import Persona, PersonaError, load

Status = Literal["done", "failed", "skipped"]


class RunError(Exception):
    """A run's folder cannot be read, or does not hold what is needed. The message names the file and the mend."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a run."""

    name: str
    """The file's name without its ending; judgements go by it."""
    persona: str
    persona_hash: str
    engine: str
    scenario: str
    seed: int
    status: Status
    measures: Mapping[str, float | None]
    expectations: tuple[bool, ...]
    """Whether each of the scenario's expectations was met."""
    turns: tuple[Turn, ...]
    """By start; what was typed among them, without length."""
    tool_results: tuple[str, ...] | None
    """What the tools answered; None when the row does not tell."""


def read_cells(run: Path) -> list[Cell]:
    """All rows of a run, in the order of their files. Raises RunError when there are none or one is broken."""
    paths = sorted((run / "cells").glob("*.json"))
    if not paths:
        raise RunError(f"{run} holds no rows (cells/*.json); give the folder that `workbench evaluate` wrote to.")
    return [_cell(path) for path in paths]


def read_personas(run: Path, cells: Sequence[Cell]) -> dict[str, Persona]:
    """The personas of these rows by id, from the copies in the run. Raises RunError for one that is missing, broken or not what was run."""
    found: dict[str, Persona] = {}
    for cell in cells:
        if cell.persona not in found:
            try:
                found[cell.persona] = load(run / "personas" / f"{cell.persona}.md")
            except PersonaError as error:
                raise RunError(f"The persona of {cell.name} is not in the run: {error}") from error
        persona = found[cell.persona]
        if cell.persona_hash != persona.content_hash:
            raise RunError(
                f"{cell.name} was run with {cell.persona}@{cell.persona_hash[:8]}, but personas/{cell.persona}.md is "
                f"{persona.content_hash[:8]}: put the file back that was used, or run again into another folder."
            )
    return found


def _cell(path: Path) -> Cell:
    try:
        row: dict[str, Any] = json.loads(path.read_text("utf-8"))
        status = row["status"]
        if status not in ("done", "failed", "skipped"):
            raise ValueError(f"the status is {status!r}; it must be done, failed or skipped")
        results = row.get("tool_results")
        return Cell(
            name=path.stem,
            persona=str(row["persona"]),
            persona_hash=str(row["persona_hash"]),
            engine=str(row["engine"]),
            scenario=str(row["scenario"]),
            seed=int(row["seed"]),
            status=status,
            measures={name: None if value is None else float(value) for name, value in (row.get("measures") or {}).items()},
            expectations=tuple(bool(verdict["passed"]) for verdict in row.get("verdicts") or ()),
            turns=tuple(turns_of([*(row.get("turns") or ()), *(row.get("typed") or ())])),
            tool_results=None if results is None else tuple(map(str, results)),
        )
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is no row of a run: {type(error).__name__}: {error}. Delete it and resume the run.") from error
