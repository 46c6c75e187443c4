"""`workbench evaluate SUITE`: every scenario of a suite, held with every persona on every engine, from several seeds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from workbench.commands.common import CommandError, Json, ToolsFile, load_settings, load_tools, run, say, show, told_plainly
from workbench.commands.evaluate.watching import watching
from workbench.settings import cores

if TYPE_CHECKING:
    from evaluation.run_folder import RunFolder
    from evaluation.sweep import Executor, Plan
    from workbench.personas import Persona
    from workbench.settings import Settings

FAILED_CODE = 1
"""Exit code when cells have failed; all others are there."""


class On(StrEnum):
    """Who holds the cells."""

    asyncio = "asyncio"
    ray = "ray"


@dataclass(frozen=True)
class _Asked:
    """The options that say how cells are held."""

    given: Mapping[str, object]
    """Settings given as flags."""
    on: On
    ray_address: str | None
    at_once: int | None
    retry_failed: bool
    limit_s: float


def suite(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="A shipped suite such as `core`, a folder of scenarios, or one file.")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run's folder. A run that is there goes on where it stopped.")],
    personas: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Ids or files (*.md). `NAME-x` counts as a version of NAME. None named: the default persona."),
    ] = None,
    engines: Annotated[str, typer.Option(metavar="E,F", help="Engines to talk to.")] = "classic",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Hold every scenario so many times, with seeds from 0.")] = 1,
    realtime: Annotated[bool, typer.Option("--realtime/--fast", help="At the pace of a live talk, or as fast as the parts allow.")] = False,
    fixed_charges: Annotated[
        bool,
        typer.Option(
            "--fixed-charges", help="Charge fixed times for what the parts do, the same on every machine, instead of what they took."
        ),
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Hold again what failed in an earlier sweep of this run.")] = False,
    cell_limit: Annotated[
        float, typer.Option("--cell-limit", min=1.0, help="Seconds on the wall after which a talk that does not end has failed.")
    ] = 600.0,
    on: Annotated[
        On, typer.Option("--on", help="Hold the cells one after the other in this process, or as tasks of a Ray cluster (extra `ray`).")
    ] = On.asyncio,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A cluster: auto, HOST:PORT or ray://HOST:PORT. None: one on this machine, for this sweep."),
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Cells at once on Ray; None named: one for each processor. An engine's slots may be fewer.")
    ] = None,
    as_json: Json = False,
    tools_file: ToolsFile = None,
    test_engines: Annotated[bool, typer.Option("--test-engines", help="Also offer the echo and scripted engines.")] = False,
) -> None:
    """Hold a suite with scripted users, and judge every talk. Interrupted at any moment, the same command goes on.

    RUN/cells holds a row for each talk, RUN/export the talks themselves for reports and notebooks. Exit codes: 0 all is there, 1 some
    cells failed, 2 it cannot be run like that, 130 interrupted.
    """
    from evaluation.run_folder import RunFolder

    given = {"tools_file": tools_file, "test_engines": test_engines or None}
    asked = _Asked(given, on, ray_address, at_once, retry_failed, cell_limit)

    async def work() -> int:
        from evaluation.scenario_files import load_suite
        from evaluation.sweep import Plan

        if on is not On.ray and (ray_address or at_once):
            raise CommandError("--ray-address and --at-once are for cells on Ray; add --on ray, or leave them out.")
        settings = load_settings(**given)
        plan = Plan(
            suite=name,
            scenarios=load_suite(name),
            personas=_personas(settings, _listed(personas) or [settings.persona]),
            engines=_listed(engines),
            seeds=range(seeds),
            realtime=realtime,
            charges="fixed" if fixed_charges else "measured",
        )
        plan.check()
        with RunFolder(out).held() as folder:
            try:
                return await _swept(folder, plan, asked)
            except asyncio.CancelledError:
                say(f"Interrupted; what was under way is dropped. The same command goes on with {out}.")
                raise

    talks = run(work)
    failed = _tell(RunFolder(out), talks, as_json=as_json)
    if failed:
        raise typer.Exit(FAILED_CODE)


async def _swept(folder: RunFolder, plan: Plan, asked: _Asked) -> int:
    """The sweep to its end; how many talks the run's export holds then."""
    from evaluation.sweep import merge, open_cells, sweep

    if folder.agree(plan.conditions()):
        folder.check_personas({persona.persona_id: persona.content_hash for persona in plan.personas})
        if not open_cells(folder, plan, retry_failed=asked.retry_failed):
            say(f"{folder.path}: all {len(plan.cells())} cells are there already.")
            return merge(folder, say)
    else:
        folder.copy_personas(plan.personas)
    async with (_on_ray if asked.on is On.ray else _here)(folder, plan, asked) as executor:
        with watching(folder.path, Console(stderr=True)) as watcher:
            await sweep(folder, plan, executor, watcher, retry_failed=asked.retry_failed)
    return merge(folder, say)


@asynccontextmanager
async def _here(folder: RunFolder, plan: Plan, asked: _Asked) -> AsyncIterator[Executor]:
    from evaluation.sweep import Here
    from workbench.assembly import assemble

    settings = load_settings(
        **asked.given,
        data_dir=folder.scratch,
        db=str(folder.scratch / "workbench.duckdb"),
        personas_dir=folder.personas,
        persona=plan.personas[0].persona_id,
        recording=False,
    )
    bench = await assemble(settings, progress=say, tools=load_tools(settings))
    try:
        yield Here(bench, plan, folder.scratch, limit_s=asked.limit_s)
    finally:
        await bench.close()


@asynccontextmanager
async def _on_ray(folder: RunFolder, plan: Plan, asked: _Asked) -> AsyncIterator[Executor]:
    from evaluation.cargo import pack
    from evaluation.on_ray import OnRay
    from evaluation.ray_cluster import cluster

    cargo = pack(plan, load_settings(**asked.given))
    with cluster(asked.ray_address, processors=asked.at_once or cores(), tell=say, note=folder.note_outside) as connected:
        yield OnRay(connected, cargo, folder.scratch, at_once=asked.at_once, limit_s=asked.limit_s, tell=say)


def _listed(words: str | None) -> list[str]:
    return [word.strip() for word in (words or "").split(",") if word.strip()]


def _personas(settings: Settings, names: Sequence[str]) -> list[Persona]:
    """By id from the library, by path from a file. Raises PersonaError."""
    from workbench.persona_library import library_of
    from workbench.personas import load

    library = library_of(settings)
    return [load(Path(name)) if name.endswith(".md") else library.get(name) for name in names]


def _tell(folder: RunFolder, talks: int, *, as_json: bool) -> int:
    """The end of a sweep; how many cells failed."""
    from evaluation.cell_rows import read_cells
    from evaluation.sweep_summary import as_json as plain
    from evaluation.sweep_summary import groups, table

    with told_plainly():
        cells = read_cells(folder.path)
    found = groups(cells)
    failed = [cell.name for cell in cells if cell.status == "failed"]
    if as_json:
        told = {"run": str(folder.path), "export": str(folder.export) if talks else None, "talks": talks, "failed": failed}
        show(json.dumps(told | {"groups": plain(found)}, ensure_ascii=False))
        return len(failed)
    rows = table(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    show("\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows))
    if failed:
        say(f"{len(failed)} cells failed, such as {failed[0]}; their rows say why. Try them again with --retry-failed.")
    if talks:
        if len({cell.persona for cell in cells}) > 1:
            say(f"Next: workbench evaluate compare {folder.path}")
        say(f"Next: workbench report latency {folder.export} --out latency.html   (or barge-in, or persona)")
    return len(failed)
