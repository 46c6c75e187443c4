"""One cell from an empty database to its row: what is done with a cell wherever it is held."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from evaluation.cell import empty_row, measured_row, unfit
from evaluation.cell_rows import RunError
from evaluation.hold import HeldTalk
from evaluation.hold import hold as hold_talk
from evaluation.made_with import machine
from evaluation.run_folder import CellId
from evaluation.scenario import Scenario
from workbench.assembly import Workbench
from workbench.clock import SessionClock
from workbench.personas import Persona
from workbench.settings import Settings
from workbench.store.export import ExportOptions, export
from workbench.store.queries import delete_session

LIMIT_S = 600.0
"""Wall time after which a talk that does not end counts as failed."""
ENDING_S = 20.0
"""How long such a talk may take to end when it is told to."""
PROVIDERS_S = 10.0
"""How long the first cell waits at most for the tools' providers to open."""

TOLD_SETTINGS = (
    "turn_cap_ms",
    "turn_fixed_hold_ms",
    "barge_in_min_ms",
    "first_reply_guard_ms",
    "intent",
    "intent_timeout_s",
    "llm_model",
    "tool_filler_ms",
    "tool_fidelity",
    "max_session_s",
)
"""Settings that a talk's course depends on."""

Planned = tuple[CellId, Persona, Scenario]


class Hold(Protocol):
    """How a scenario becomes a talk; `evaluation.hold.hold` is the one."""

    async def __call__(
        self, bench: Workbench, scenario: Scenario, *, persona: str, engine: str, seed: int, clock: SessionClock
    ) -> HeldTalk: ...


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who holds the cells."""

    parts: Mapping[str, Any]
    """Who hears, speaks and answers, and the settings that a talk's course depends on."""
    handshakes: Mapping[str, Any]
    """By engine, what it answered."""
    machine: Mapping[str, Any]


async def introduce(bench: Workbench, personas: Sequence[Persona], engines: Sequence[str]) -> Introduction:
    """Asks every engine. Raises EngineError when one is not there."""
    handshakes = {engine: asdict((await bench.roster.choose(engine))[2]) for engine in engines}
    return Introduction(await parts(bench, personas), handshakes, machine())


async def parts(bench: Workbench, personas: Sequence[Persona]) -> dict[str, Any]:
    """`Introduction.parts`, once the tools' providers have opened."""
    await bench.fleet.settled(PROVIDERS_S)
    settings: Settings = bench.settings
    return {
        "recogniser": bench.recogniser.name,
        "synthesisers": [tts.name for tts in bench.synthesisers],
        "responder": sorted({bench.responder_for(persona).name for persona in personas}),
        "end_of_turn": bench.end_of_turn.name if bench.end_of_turn is not None else None,
        "settings": {name: getattr(settings, name) for name in TOLD_SETTINGS},
    }


async def hold_cell(
    bench: Workbench, planned: Planned, *, clock: SessionClock, talk: Path, limit_s: float = LIMIT_S, hold: Hold = hold_talk
) -> dict[str, Any]:
    """The row of one cell; its database rows are in the folder `talk` by then, as an export, when it is done. What cannot be asked is
    skipped; a talk that fails is a row too.

    Raises RunError when it cannot be ended: this process can hold no other one then.
    """
    cell, persona, scenario = planned
    row = empty_row(cell, persona, scenario) | {"machine": _machine()}
    reason = unfit(scenario, persona, bench.registry.allowed(persona.tools))
    if reason is not None:
        return row | {"error": reason}
    began = time.perf_counter()
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            held = await hold(bench, scenario, persona=cell.persona, engine=cell.engine, seed=cell.seed, clock=clock)
        found = await asyncio.to_thread(measured_row, scenario, held)
        await asyncio.to_thread(_export, bench, held.session_id, talk)
    except Exception as error:  # noqa: BLE001 - whatever it was is the cell's result, and the next one has its own chance
        why = f"the talk had not ended after {limit_s:g} s" if limit.expired() else f"{type(error).__name__}: {error}"
        found = {"status": "failed", "error": why}
    await _leave_nothing(bench)
    return row | found | {"wall_s": round(time.perf_counter() - began, 3)}


@functools.cache
def _machine() -> str:
    """What a latency in this row was measured on, in a few words."""
    here = machine()
    return f"{here['processor']}, {here['cores']} cores"


def _export(bench: Workbench, session_id: str, talk: Path) -> None:
    bench.store.flush()
    talk.parent.mkdir(parents=True, exist_ok=True)
    done = export(bench.store, bench.settings.audio_dir, talk, ExportOptions(sessions=[session_id]), replace=True)
    if done.rows["sessions"] != 1:
        raise RunError(f"the talk {session_id} is not in the database")


async def _leave_nothing(bench: Workbench) -> None:
    """Ends what a failed cell left running, and forgets all talks: a tool that counts sessions must say the same in every cell."""
    try:
        async with asyncio.timeout(ENDING_S):
            await asyncio.gather(*(talk.hang_up("server_stopped") for talk in tuple(bench.sessions.live.values())))
    except TimeoutError as stuck:
        raise RunError("A talk cannot be ended. What was finished is kept; the same command goes on with the next process.") from stuck
    await asyncio.to_thread(_forget, bench)


def _forget(bench: Workbench) -> None:
    bench.store.flush()
    for row in bench.store.query("SELECT session_id FROM voice_sessions"):
        delete_session(bench.store, bench.settings.audio_dir, row["session_id"])
