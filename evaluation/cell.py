"""One cell of a sweep as a row: what a held talk was, measured and judged."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from evaluation.expectations import WHOLE, judge
from evaluation.hold import HeldTalk
from evaluation.measures import measures
from evaluation.run_folder import CellId
from evaluation.scenario import Scenario
from evaluation.turns import typed_rows
from workbench.audio.frames import samples_to_ms
from workbench.events import EngineLost, ToolFinished
from workbench.personas import Persona
from workbench.transports.clip import Account


class CellFailed(Exception):
    """A talk tells nothing about its cell; the message says why."""


def unfit(scenario: Scenario, persona: Persona, tools: Collection[str]) -> str | None:
    """Why this persona, which may use `tools`, cannot be asked this; None when it can. `{id}-{anything}` is a version of the persona `id`,
    and is asked what that one is asked."""
    name = persona.persona_id
    if scenario.personas and not any(name == asked or name.startswith(f"{asked}-") for asked in scenario.personas):
        return f"only {', '.join(scenario.personas)} can be asked this, and versions of it ({scenario.personas[0]}-...)"
    missing = sorted(set(scenario.tools) - set(tools))
    return f"the persona may not use these tools, or nobody offers them: {', '.join(missing)}" if missing else None


def empty_row(cell: CellId, persona: Persona, scenario: Scenario) -> dict[str, Any]:
    """The row's columns, with nothing measured."""
    return {
        "persona": cell.persona,
        "persona_hash": persona.content_hash,
        "engine": cell.engine,
        "scenario": cell.scenario,
        "scenario_hash": scenario.content_hash,
        "category": scenario.category,
        "seed": cell.seed,
        "status": "skipped",
        "error": None,
        "session_id": None,
        "ended_reason": None,
        "wall_s": None,
        "session_ms": None,
        "measures": {},
        "verdicts": [],
        "missed": [],
        "turns": [],
        "typed": [],
        "tool_results": [],
    }


def measured_row(scenario: Scenario, held: HeldTalk) -> dict[str, Any]:
    """The columns that a whole talk fills. Raises CellFailed for a talk that broke off, or that another engine took over."""
    if held.ended_reason not in WHOLE:
        raise CellFailed(f"the talk ended with {held.ended_reason}")
    if lost := next((event for event in held.events if isinstance(event, EngineLost)), None):
        raise CellFailed(f"the engine {lost.engine} was lost: {lost.reason}")
    account = Account()
    for event in held.events:
        account.add(event)
    return {
        "status": "done",
        "session_id": held.session_id,
        "ended_reason": held.ended_reason,
        "session_ms": samples_to_ms(held.user.size),
        "measures": measures(held),
        "verdicts": [asdict(verdict) for verdict in judge(scenario, held)],
        "missed": list(held.missed),
        "turns": account.turns,
        "typed": typed_rows(held.events),
        "tool_results": [_told(event) for event in held.events if isinstance(event, ToolFinished)],
    }


def _told(finished: ToolFinished) -> str:
    """What a tool answered, as said and as a whole."""
    whole = finished.result if isinstance(finished.result, str) else json.dumps(finished.result, ensure_ascii=False, default=str)
    return finished.spoken if whole == finished.spoken else f"{finished.spoken}\n{whole}"
