"""A suite held with every persona, on every engine, from every seed: one cell after the other, in one process, resumable at any moment."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from evaluation.cell import empty_row, measured_row, unfit
from evaluation.cell_rows import RunError
from evaluation.hold import HeldTalk
from evaluation.hold import hold as hold_talk
from evaluation.made_with import commit, machine, versions
from evaluation.run_folder import CellId, RunFolder, check_engine
from evaluation.scenario import Scenario
from workbench.assembly import Workbench
from workbench.clock import FastClock, RealtimeClock, SessionClock
from workbench.engines.roster import AUTO
from workbench.personas import Persona
from workbench.settings import Settings
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import ExportOptions, export
from workbench.store.queries import delete_session
from workbench.store.take_in import take_in

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


class Hold(Protocol):
    """How a scenario becomes a talk; `evaluation.hold.hold` is the one."""

    async def __call__(
        self, bench: Workbench, scenario: Scenario, *, persona: str, engine: str, seed: int, clock: SessionClock
    ) -> HeldTalk: ...


Planned = tuple[CellId, Persona, Scenario]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be held."""

    suite: str
    """Its name, as it was asked for; the scenarios' hashes say what is in it."""
    scenarios: Sequence[Scenario]
    personas: Sequence[Persona]
    engines: Sequence[str]
    seeds: Sequence[int]
    realtime: bool = False
    """At the pace of a live talk instead of as fast as the parts allow."""

    def check(self) -> None:
        """Raises RunError for a plan with nothing in it, something twice, or an engine that is none."""
        for what, names in {
            "scenario": [scenario.id for scenario in self.scenarios],
            "persona": [persona.persona_id for persona in self.personas],
            "engine": list(self.engines),
            "seed": list(map(str, self.seeds)),
        }.items():
            if not names:
                raise RunError(f"There is no {what} to sweep over; name one or more.")
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise RunError(f"The {what} {twice[0]!r} is named twice. Files of personas are told apart by their names: rename one.")
        for engine in self.engines:
            if check_engine(engine) == AUTO:
                raise RunError("A cell needs one engine throughout, and `auto` may take any: name engines, such as --engines classic.")

    def cells(self) -> list[Planned]:
        """Every cell in the order in which it is held: what a comparison pairs lies side by side, so that half a run is balanced too."""
        order = itertools.product(self.seeds, self.scenarios, self.engines, self.personas)
        return [(CellId(persona.persona_id, engine, scenario.id, seed), persona, scenario) for seed, scenario, engine, persona in order]

    def conditions(self) -> dict[str, Any]:
        """What can be known before anything is opened."""
        return {
            "scenarios": {scenario.id: scenario.content_hash for scenario in self.scenarios},
            "personas": {persona.persona_id: persona.content_hash for persona in self.personas},
            "engines": sorted(self.engines),
            "seeds": sorted(self.seeds),
            "pace": "realtime" if self.realtime else "fast",
            "latency_model": self.clock().latency_model,
            "versions": versions(),
            "commit": commit(),
        }

    def clock(self) -> SessionClock:
        """A new talk's clock."""
        return RealtimeClock() if self.realtime else FastClock()


class Watcher(Protocol):
    """Told how a sweep goes on."""

    def begins(self, cells: int, kept: int) -> None:
        """So many cells in all, of which `kept` have their rows."""
        ...

    def finished(self, cell: CellId, row: Mapping[str, Any]) -> None:
        """A row was written."""
        ...


def parts(bench: Workbench, personas: Sequence[Persona]) -> dict[str, Any]:
    """Who hears, speaks and answers, and the settings that a talk's course depends on."""
    settings: Settings = bench.settings
    return {
        "recogniser": bench.recogniser.name,
        "synthesisers": [tts.name for tts in bench.synthesisers],
        "responder": sorted({bench.responder_for(persona).name for persona in personas}),
        "end_of_turn": bench.end_of_turn.name if bench.end_of_turn is not None else None,
        "settings": {name: getattr(settings, name) for name in TOLD_SETTINGS},
    }


def open_cells(folder: RunFolder, plan: Plan, *, retry_failed: bool) -> list[Planned]:
    """The cells that a sweep has to look at, in order. What was skipped is looked at again: a tool's provider may be there by now."""
    rows, again = folder.rows(), {"skipped", "failed"} if retry_failed else {"skipped"}
    return [cell for cell in plan.cells() if cell[0].name not in rows or rows[cell[0].name]["status"] in again]


async def sweep(
    folder: RunFolder,
    plan: Plan,
    bench: Workbench,
    watcher: Watcher,
    *,
    retry_failed: bool = False,
    limit_s: float = LIMIT_S,
    hold: Hold = hold_talk,
) -> None:
    """Holds every cell that has no row yet, and skips those that cannot be asked. A cell that fails is a row too. `folder` is held, and
    its personas are what `bench` reads.

    Raises RunError when the run began under other conditions, EngineError when an engine is not there, StoreError.
    """
    await bench.fleet.settled(PROVIDERS_S)
    handshakes = {engine: asdict((await bench.roster.choose(engine))[2]) for engine in plan.engines}
    conditions = plan.conditions() | {"parts": parts(bench, plan.personas)}
    if not folder.agree(conditions):
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        folder.begin(conditions, {"suite": plan.suite, "handshakes": handshakes, "machine": machine(), "begun": begun})
    cells, waiting = plan.cells(), open_cells(folder, plan, retry_failed=retry_failed)
    watcher.begins(len(cells), len(cells) - len(waiting))
    for cell, persona, scenario in waiting:
        row = empty_row(cell, persona, scenario)
        reason = unfit(scenario, persona, bench.registry.allowed(persona.tools))
        if reason is not None:
            row["error"] = reason
        else:
            row |= await _held(folder, cell, scenario, plan.clock(), bench, limit_s, hold)
        folder.write_row(cell.name, row)
        watcher.finished(cell, row)


async def _held(
    folder: RunFolder, cell: CellId, scenario: Scenario, clock: SessionClock, bench: Workbench, limit_s: float, hold: Hold
) -> dict[str, Any]:
    """The columns of one cell, whose database rows are in the run by then."""
    began = time.perf_counter()
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            held = await hold(bench, scenario, persona=cell.persona, engine=cell.engine, seed=cell.seed, clock=clock)
        found = await asyncio.to_thread(measured_row, scenario, held)
        await asyncio.to_thread(_keep_talk, folder, cell, bench, held.session_id)
    except Exception as error:  # noqa: BLE001 - whatever it was is the cell's result, and the next one has its own chance
        why = f"the talk had not ended after {limit_s:g} s" if limit.expired() else f"{type(error).__name__}: {error}"
        found = {"status": "failed", "error": why}
    await _leave_nothing(bench)
    return found | {"wall_s": round(time.perf_counter() - began, 3)}


def _keep_talk(folder: RunFolder, cell: CellId, bench: Workbench, session_id: str) -> None:
    bench.store.flush()
    target = folder.talk_of(cell.name)
    target.parent.mkdir(exist_ok=True)
    done = export(bench.store, bench.settings.audio_dir, target, ExportOptions(sessions=[session_id]), replace=True)
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


def merge(folder: RunFolder, progress: Callable[[str], None]) -> int:
    """Makes the run's export out of the talks of all done rows; an earlier one is replaced. Returns how many talks are in it.

    Raises RunError when that is another number than there are done rows, StoreError.
    """
    done = [folder.talk_of(name) for name, row in folder.rows().items() if row["status"] == "done"]
    if not done:
        return 0
    progress(f"Merging {len(done)} talks.")
    store = DuckDbStore(":memory:")
    try:
        take_in(store, done)
        made = export(store, folder.scratch, folder.export, replace=True)
    finally:
        store.close()
    if made.rows["sessions"] != len(done):
        raise RunError(f"{folder.export} holds {made.rows['sessions']} talks, and {len(done)} rows are done. Run the same command again.")
    return len(done)
