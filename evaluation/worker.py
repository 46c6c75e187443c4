"""Holds cells in a process that has only what it was sent. One workbench is assembled for each process and kept for the next cells."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from evaluation.cargo import Cargo, settings_of, unpack
from evaluation.cell_rows import RunError
from evaluation.held_cell import Introduction, hold_cell, introduce, parts
from evaluation.run_folder import CellId
from evaluation.sweep import new_clock
from workbench.assembly import Workbench, assemble
from workbench.bridge.config import environment, load

T = TypeVar("T")

STUCK_CODE = 70
"""Exit code of a worker with a talk that cannot be ended."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A cell's row with its talk."""

    row: Mapping[str, Any]
    talk: Mapping[str, bytes] | None
    """The files of its export by their paths; None where there is no talk to keep."""
    parts: Mapping[str, Any]
    """Of the workbench that held it, as in `Introduction`."""


class _Station:
    """This process's workbench, on a loop of its own that goes on between the cells: a tool's provider stays connected."""

    def __init__(self, cargo: Cargo, root: str | None) -> None:
        if differing := cargo.differing():
            told = "; ".join(differing[:4])
            raise RunError(f"This machine is not like the one that leads the sweep: {told}. Install the same workbench and packages.")
        self.cargo = cargo
        self.folder = Path(tempfile.mkdtemp(prefix="workbench-sweep-", dir=root))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="station", daemon=True).start()
        self.personas, self.scenarios = unpack(cargo, self.folder)
        self.bench = self.run(self._assemble())
        self.parts = self.run(parts(self.bench, tuple(self.personas.values())))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _assemble(self) -> Workbench:
        settings = settings_of(self.cargo, self.folder)
        return await assemble(settings, tools=load(settings.tools_file, environment()))


_stations: dict[str, _Station] = {}
"""By the sweep's token."""


def _station(cargo: Cargo, root: str | None) -> _Station:
    if cargo.token not in _stations:
        _stations[cargo.token] = _Station(cargo, root)
    return _stations[cargo.token]


def introduce_worker(cargo: Cargo, root: str | None) -> Introduction:
    """Who holds cells here. `root`: where to keep files; None = the system's temporary folder.

    Raises RunError when this machine does not run what the sweep runs, EngineError, and what `assemble` raises.
    """
    station = _station(cargo, root)
    return station.run(introduce(station.bench, tuple(station.personas.values()), cargo.engines))


def hold_in_worker(cargo: Cargo, cell: CellId, limit_s: float, root: str | None) -> Delivery:
    """Holds one cell. Raises what `introduce_worker` raises. With a talk that cannot be ended the process ends."""
    station = _station(cargo, root)
    planned = (cell, station.personas[cell.persona], station.scenarios[cell.scenario])
    talk = station.folder / "talks" / cell.name
    clock = new_clock(realtime=cargo.realtime, charges=cargo.charges)
    try:
        row = station.run(hold_cell(station.bench, planned, clock=clock, talk=talk, limit_s=limit_s))
    except RunError as stuck:
        print(f"{cell}: {stuck}", file=sys.stderr, flush=True)
        os._exit(STUCK_CODE)
    files = None
    if row["status"] == "done":
        files = {path.relative_to(talk).as_posix(): path.read_bytes() for path in sorted(talk.rglob("*")) if path.is_file()}
        shutil.rmtree(talk)
    return Delivery(row, files, station.parts)
