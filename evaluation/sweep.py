"""A suite held with every persona, on every engine, from every seed, resumable at any moment."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from evaluation.cell_rows import RunError
from evaluation.held_cell import LIMIT_S, Hold, Introduction, Planned, hold_cell, introduce
from evaluation.hold import hold as hold_talk
from evaluation.made_with import commit, versions
from evaluation.run_folder import CellId, RunFolder, check_engine
from evaluation.scenario import Scenario
from workbench.assembly import Workbench
from workbench.clock import FastClock, RealtimeClock, SessionClock, fixed
from workbench.engines.roster import AUTO
from workbench.personas import Persona
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import export
from workbench.store.take_in import take_in
from workbench.testing.talks import CHARGES

Charges = Literal["measured", "fixed"]
"""What the parts' work costs in session time: as it was measured just then, or `CHARGES`, the same on every machine."""


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
    charges: Charges = "measured"

    def check(self) -> None:
        """Raises RunError for a plan with nothing in it, something twice, an engine that is none, or a clock that is none."""
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
        if self.realtime and self.charges == "fixed":
            raise RunError("Fixed charges are for session time that stands still; at the pace of a live talk nothing is charged. Drop one.")

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
        return new_clock(realtime=self.realtime, charges=self.charges)


def new_clock(*, realtime: bool, charges: Charges) -> SessionClock:
    """The clock of one talk."""
    if realtime:
        return RealtimeClock()
    return FastClock(fixed(CHARGES), latency_model="fixed") if charges == "fixed" else FastClock()


class Watcher(Protocol):
    """Told how a sweep goes on."""

    def begins(self, cells: int, kept: int) -> None:
        """So many cells in all, of which `kept` have their rows."""
        ...

    def finished(self, cell: CellId, row: Mapping[str, Any]) -> None:
        """A row was written."""
        ...


Result = tuple[CellId, Mapping[str, Any], Path | None]
"""A cell, its row, and the folder with its talk as an export where there was one; the folder is on the run's disk, and given away."""


class Executor(Protocol):
    """Where cells are held. It writes nothing into the run but below its scratch folder."""

    async def introduce(self) -> Introduction:
        """Raises EngineError when an engine is not there, RunError when cells cannot be held."""
        ...

    def results(self, cells: Sequence[Planned]) -> AsyncGenerator[Result, None]:
        """Every cell once, in any order. Raises RunError when no more can be held; being closed drops what is under way."""
        ...


class Here:
    """One cell after the other on this process's workbench."""

    def __init__(self, bench: Workbench, plan: Plan, scratch: Path, *, limit_s: float = LIMIT_S, hold: Hold = hold_talk) -> None:
        self._bench = bench
        self._plan = plan
        self._scratch = scratch
        self._limit_s = limit_s
        self._hold = hold

    async def introduce(self) -> Introduction:
        return await introduce(self._bench, self._plan.personas, self._plan.engines)

    async def results(self, cells: Sequence[Planned]) -> AsyncGenerator[Result, None]:
        for planned in cells:
            talk = self._scratch / planned[0].name
            row = await hold_cell(self._bench, planned, clock=self._plan.clock(), talk=talk, limit_s=self._limit_s, hold=self._hold)
            yield planned[0], row, talk if row["status"] == "done" else None


def open_cells(folder: RunFolder, plan: Plan, *, retry_failed: bool) -> list[Planned]:
    """The cells that a sweep has to look at, in order. What was skipped is looked at again: a tool's provider may be there by now."""
    rows, again = folder.rows(), {"skipped", "failed"} if retry_failed else {"skipped"}
    return [cell for cell in plan.cells() if cell[0].name not in rows or rows[cell[0].name]["status"] in again]


async def sweep(folder: RunFolder, plan: Plan, executor: Executor, watcher: Watcher, *, retry_failed: bool = False) -> None:
    """Has every cell held that has no row yet, and writes each down as it comes. `folder` is held, and its personas are those of `plan`.

    Raises RunError when the run began under other conditions, what the executor raises, StoreError.
    """
    who = await executor.introduce()
    conditions = plan.conditions() | {"parts": who.parts}
    if not folder.agree(conditions):
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        folder.begin(conditions, {"suite": plan.suite, "handshakes": who.handshakes, "machine": who.machine, "begun": begun})
    cells, waiting = plan.cells(), open_cells(folder, plan, retry_failed=retry_failed)
    watcher.begins(len(cells), len(cells) - len(waiting))
    async with aclosing(executor.results(waiting)) as results:
        async for cell, row, talk in results:
            if talk is not None:
                folder.keep_talk(cell.name, talk)
            folder.write_row(cell.name, row)
            watcher.finished(cell, row)


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
