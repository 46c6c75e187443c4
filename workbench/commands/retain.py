"""`workbench retain`: removes what is too old or too much, or tells what would go."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from workbench.commands.common import CommandError, DataDir, Db, Json, load_settings, say, show, told_plainly
from workbench.commands.remote import ask
from workbench.settings import Settings
from workbench.store import retention
from workbench.store.opening import open_store
from workbench.store.retention import Removed, Rules

SHOWN = 20


def retain(
    keep_days: Annotated[float | None, typer.Option(min=0.0, help="Days (WORKBENCH_KEEP_DAYS).")] = None,
    keep_bytes: Annotated[int | None, typer.Option(min=0, help="Bytes of recordings (WORKBENCH_KEEP_BYTES).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it.")] = False,
    url: Annotated[str | None, typer.Option(help="Ask the server at this address, which holds the database while it runs.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
) -> None:
    """Remove talks that are too old, and the sound of the oldest where there is too much. Rated talks stay, unless WORKBENCH_KEEP_RATED is
    false. Nothing goes without --yes."""
    with told_plainly():
        if dry_run == yes:
            raise CommandError("Say --dry-run to be told what would go, or --yes to remove it.")
        if url is not None:
            told = ask(url, "/api/retain", {"dry_run": dry_run, "keep_days": keep_days, "keep_bytes": keep_bytes})
        else:
            told = _here(load_settings(data_dir=data_dir, db=db, keep_days=keep_days, keep_bytes=keep_bytes), dry_run=dry_run)
    if as_json:
        show(json.dumps(told, default=str))
        return
    for one in told["going"][:SHOWN]:
        say(f"{one['what']:<6} {one['session_id']}  {one['started_at'] or ''}  {one['bytes']:,} bytes")
    if len(told["going"]) > SHOWN:
        say(f"and {len(told['going']) - SHOWN} more")
    show(
        ("Would remove " if dry_run else "Removed ") + Removed(*(told[name] for name in ("talks", "sounds", "strays", "bytes"))).told + "."
    )
    for session_id, why in told["failed"].items():
        say(f"{session_id} is left: {why}")


def _here(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    rules = Rules.of(settings)
    if not rules.any:
        raise CommandError("Nothing says what to keep. Give --keep-days or --keep-bytes, or set WORKBENCH_KEEP_DAYS.")
    store = open_store(settings.database)
    try:
        doomed = retention.plan(store, settings.audio_dir, rules)
        done = Removed()
        if dry_run:
            for one in doomed:
                done.add(one)
        else:
            done = retention.carry_out(store, settings.audio_dir, doomed)
    finally:
        store.close()
    return {"dry_run": dry_run, "going": [asdict(one) for one in doomed], **asdict(done)}
