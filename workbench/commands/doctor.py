"""`workbench doctor`: tries every part, and says what to do about those that fail."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

import typer

from workbench.commands import checks
from workbench.commands.checks import Finding
from workbench.commands.common import DataDir, Db, Json, load_settings, run, say, show
from workbench.settings import Settings

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


def doctor(as_json: Json = False, data_dir: DataDir = None, db: Db = None) -> None:
    """Try every part the workbench is made of. Exit code 1 when it cannot run."""

    async def work() -> list[Finding]:
        return await examine(load_settings(data_dir=data_dir, db=db), quiet=as_json)

    found = run(work)
    usable = all(finding.state != "error" for finding in found)
    if as_json:
        show(json.dumps({"ok": usable, "checks": [asdict(finding) for finding in found]}, ensure_ascii=False))
    else:
        show("The workbench can run." if usable else "The workbench cannot run until the errors are mended.")
    if not usable:
        raise typer.Exit(1)


async def examine(settings: Settings, *, quiet: bool = False) -> list[Finding]:
    """Every check, one after the other: they would disturb each other's timing. Told on stderr as they come when `quiet`, else on
    stdout."""
    found: list[Finding] = []
    for check in checks.CHECKS:
        finding = await checks.timed(check, settings)
        found.append(finding)
        line = f"{MARKS[finding.state]} {finding.name}: {finding.found}"
        (say if quiet else show)(line)
        if finding.repair:
            (say if quiet else show)(f"        repair: {finding.repair}")
        await asyncio.sleep(0)
    return found
