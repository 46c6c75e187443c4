"""`workbench doctor`: tries every part, and says what to do about those that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from typing import Annotated

import typer

from workbench.commands.checks import ALONE, TOGETHER
from workbench.commands.checks.finding import Finding, timed
from workbench.commands.common import CommandError, DataDir, Db, Json, ToolsFile, load_settings, run, say, show
from workbench.settings import Settings

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
NAMES = (*ALONE, *TOGETHER)


def doctor(
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
    tools_file: ToolsFile = None,
    only: Annotated[str | None, typer.Option(metavar="NAME,...", help=f"Only these checks, of: {', '.join(NAMES)}.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
) -> None:
    """Try every part the workbench is made of. Exit code 1 when it cannot run."""

    async def work() -> list[Finding]:
        settings = load_settings(data_dir=data_dir, db=db, tools_file=tools_file)
        return await examine(settings, chosen(only), quiet=as_json)

    found = run(work)
    worst = {finding.state for finding in found}
    usable = "error" not in worst
    if as_json:
        show(json.dumps({"ok": usable, "checks": [asdict(finding) for finding in found]}, ensure_ascii=False))
    elif only is None:
        show("The workbench can run." if usable else "The workbench cannot run until the errors are mended.")
    if not usable or (strict and "warning" in worst):
        raise typer.Exit(1)


def chosen(only: str | None) -> Collection[str]:
    """The names of the checks to make; None = all. Raises CommandError for one that there is not."""
    if only is None:
        return NAMES
    known = {name.replace(" ", "-"): name for name in NAMES}
    asked = [name.strip() for name in only.split(",") if name.strip()]
    names = [known.get(name.replace(" ", "-"), name) for name in asked]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        what = f"There is no check {unknown[0]!r}" if unknown else "--only names no check"
        raise CommandError(f"{what}; known are {', '.join(NAMES)}.")
    return names


async def examine(settings: Settings, names: Collection[str] = NAMES, *, quiet: bool = False) -> list[Finding]:
    """The checks of these names. Told on stderr as they come when `quiet`, else on stdout."""
    tell = say if quiet else show
    found: list[Finding] = []
    async for finding in _findings(settings, names):
        found.append(finding)
        tell(f"{MARKS[finding.state]} {finding.name}: {finding.found}")
        if finding.repair:
            tell(f"        repair: {finding.repair}")
        await asyncio.sleep(0)
    return found


async def _findings(settings: Settings, names: Collection[str]) -> AsyncIterator[Finding]:
    for name, check in ALONE.items():
        if name in names:
            for finding in await timed(name, check, settings):
                yield finding
    for answers in await asyncio.gather(*(timed(name, check, settings) for name, check in TOGETHER.items() if name in names)):
        for finding in answers:
            yield finding
