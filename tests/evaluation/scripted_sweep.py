"""A sweep that costs next to nothing: typed users, an engine that says a script, virtual time.

`python scripted_sweep.py RUN SUITE` begins one twice, kills each by SIGKILL, and prints the signals.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.held_cell import Hold
from evaluation.hold import HeldTalk
from evaluation.hold import hold as hold_talk
from evaluation.run_folder import CellId, RunFolder
from evaluation.scenario import Scenario
from evaluation.scenario_files import load_suite
from evaluation.sweep import Here, Plan, sweep
from workbench.assembly import Workbench, assemble
from workbench.personas import Persona
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts

SCENARIO = """
id: {name}
category: turn-taking
about: A scripted greeting.
{more}
user:
  - {{do: type, id: greet, text: Hello, when: {{at_ms: 300}}}}
expect:
  - {{expect: answers, after: greet, within_ms: 4000}}
  - {{expect: turns, speaker: agent, at_most: 0}}
"""
"""One expectation that the scripted engine meets, and one that it does not."""


def save_scenario(folder: Path, name: str, more: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(SCENARIO.format(name=name, more=more), "utf-8")


def persona(persona_id: str, prompt: str = "You are Tess.", tools: Sequence[str] = ()) -> Persona:
    return Persona(persona_id=persona_id, name="Tess", voice="NATF2", role="assistant", prompt=prompt, tools=tuple(tools))


class Told:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.cells = self.kept = 0
        self.rows: list[tuple[str, Mapping[str, Any]]] = []

    def begins(self, cells: int, kept: int) -> None:
        self.cells, self.kept = cells, kept

    def finished(self, cell: CellId, row: Mapping[str, Any]) -> None:
        self.rows.append((cell.name, row))


async def open_bench(folder: RunFolder, plan: Plan) -> Workbench:
    settings = Settings(
        data_dir=folder.scratch,
        personas_dir=folder.personas,
        persona=plan.personas[0].persona_id,
        recording=False,
        test_engines=True,
        turn_fixed_hold_ms=500,
        _env_file=None,  # type: ignore[call-arg]
    )
    return await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()])


async def sweep_into(
    run: Path,
    plan: Plan,
    *,
    hold: Hold = hold_talk,
    retry_failed: bool = False,
    limit_s: float = 600.0,
    folder: RunFolder | None = None,
) -> Told:
    """A whole sweep but for the merged export."""
    told = Told()
    with (folder or RunFolder(run)).held() as folder:
        if not folder.agree(plan.conditions()):
            folder.copy_personas(plan.personas)
        bench = await open_bench(folder, plan)
        try:
            here = Here(bench, plan, folder.scratch, limit_s=limit_s, hold=hold)
            await sweep(folder, plan, here, told, retry_failed=retry_failed)
        finally:
            await bench.close()
    return told


def plan_of(suite: Path) -> Plan:
    """Two personas on one engine."""
    return Plan(str(suite), load_suite(str(suite)), [persona("tess"), persona("tess-v2", "You are Tess of Ghent.")], ["scripted"], [0])


ROWS_AT_THE_KILLS = (1, 2)
"""How many rows there are when the first and the second sweep die."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _dies_in_mid_talk(bench: Workbench, scenario: Scenario, **asked: Any) -> HeldTalk:
    """A `Hold` whose talk is alive when the process dies."""
    talk = asyncio.create_task(hold_talk(bench, scenario, **asked))
    if len(list((Path(sys.argv[1]) / "cells").glob("*.json"))) == ROWS_AT_THE_KILLS[0]:
        while not bench.sessions.live:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.001)
        _die()
    return await talk


class FolderOfTheDying(RunFolder):
    """Dies when a cell's database rows were written, and before its row is."""

    def write_row(self, cell: str, row: Mapping[str, Any]) -> None:
        if len(self.rows()) == ROWS_AT_THE_KILLS[1]:
            _die()
        super().write_row(cell, row)


def _in_a_fork(run: Path, suite: Path, hold: Hold, folder: type[RunFolder]) -> int:
    """A sweep in a process of its own, without loading everything once more; its wait status."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(sweep_into(run, plan_of(suite), hold=hold, folder=folder(run)))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    paths = Path(sys.argv[1]), Path(sys.argv[2])
    for statuses in (_in_a_fork(*paths, _dies_in_mid_talk, RunFolder), _in_a_fork(*paths, hold_talk, FolderOfTheDying)):
        sys.stdout.write(f"{os.WTERMSIG(statuses)}\n")
