"""`workbench evaluate SUITE`: every scenario of a suite, held with every persona on every engine, from several seeds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from workbench.commands.common import Json, ToolsFile, load_settings, load_tools, run, say, show, told_plainly
from workbench.commands.evaluate.watching import watching

if TYPE_CHECKING:
    from evaluation.run_folder import RunFolder
    from evaluation.sweep import Plan
    from workbench.personas import Persona
    from workbench.settings import Settings

FAILED_CODE = 1
"""Exit code when cells have failed; all others are there."""


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
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Hold again what failed in an earlier sweep of this run.")] = False,
    cell_limit: Annotated[
        float, typer.Option("--cell-limit", min=1.0, help="Seconds on the wall after which a talk that does not end has failed.")
    ] = 600.0,
    as_json: Json = False,
    tools_file: ToolsFile = None,
    test_engines: Annotated[bool, typer.Option("--test-engines", help="Also offer the echo and scripted engines.")] = False,
) -> None:
    """Hold a suite with scripted users, and judge every talk. Interrupted at any moment, the same command goes on.

    RUN/cells holds a row for each talk, RUN/export the talks themselves for reports and notebooks. Exit codes: 0 all is there, 1 some
    cells failed, 2 it cannot be run like that, 130 interrupted.
    """
    from evaluation.run_folder import RunFolder

    settings_given = {"tools_file": tools_file, "test_engines": test_engines or None}

    async def work() -> int:
        from evaluation.scenario_files import load_suite
        from evaluation.sweep import Plan

        settings = load_settings(**settings_given)
        plan = Plan(
            suite=name,
            scenarios=load_suite(name),
            personas=_personas(settings, _listed(personas) or [settings.persona]),
            engines=_listed(engines),
            seeds=range(seeds),
            realtime=realtime,
        )
        plan.check()
        with RunFolder(out).held() as folder:
            try:
                return await _swept(folder, plan, settings_given, retry_failed=retry_failed, limit_s=cell_limit)
            except asyncio.CancelledError:
                say(f"Interrupted; the running talk is dropped. The same command goes on with {out}.")
                raise

    talks = run(work)
    failed = _tell(RunFolder(out), talks, as_json=as_json)
    if failed:
        raise typer.Exit(FAILED_CODE)


async def _swept(folder: RunFolder, plan: Plan, settings_given: Mapping[str, object], *, retry_failed: bool, limit_s: float) -> int:
    """The sweep to its end; how many talks the run's export holds then."""
    from evaluation.sweep import merge, open_cells, sweep
    from workbench.assembly import assemble

    if folder.agree(plan.conditions()):
        folder.check_personas({persona.persona_id: persona.content_hash for persona in plan.personas})
        if not open_cells(folder, plan, retry_failed=retry_failed):
            say(f"{folder.path}: all {len(plan.cells())} cells are there already.")
            return merge(folder, say)
    else:
        folder.copy_personas(plan.personas)
    settings = load_settings(
        **settings_given,
        data_dir=folder.scratch,
        db=str(folder.scratch / "workbench.duckdb"),
        personas_dir=folder.personas,
        persona=plan.personas[0].persona_id,
        recording=False,
    )
    bench = await assemble(settings, progress=say, tools=load_tools(settings))
    try:
        with watching(folder.path, Console(stderr=True)) as watcher:
            await sweep(folder, plan, bench, watcher, retry_failed=retry_failed, limit_s=limit_s)
    finally:
        await bench.close()
    return merge(folder, say)


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
