"""`workbench rescore`: derives the turns and barge-ins of recorded talks anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from workbench.commands.common import DataDir, Db, Json, load_settings, say, show, told_plainly
from workbench.commands.export import moment
from workbench.commands.remote import ask
from workbench.store.opening import open_store
from workbench.store.rescore import Rescored
from workbench.store.rescore import rescore as score_again


def rescore(
    since: Annotated[str | None, typer.Option(help="Talks begun at or after this date or time (UTC).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also talks that were scored by the definitions of today.")] = False,
    url: Annotated[str | None, typer.Option(help="Ask the server at this address, which holds the database while it runs.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
) -> None:
    """Derive turns and barge-ins anew, for talks that were scored by other definitions than today's."""
    with told_plainly():
        begun = moment(since, "--since")
        if url is not None:
            done = Rescored(**ask(url, "/api/rescore", {"since": begun and begun.isoformat(), "every": every}))
        else:
            done = _here(load_settings(data_dir=data_dir, db=db).database, begun, every=every)
    for session_id, reason in done.failed.items():
        say(f"{session_id} is left as it was: {reason}")
    show(json.dumps(asdict(done)) if as_json else _told(done))


def _here(database: str, since: datetime | None, *, every: bool) -> Rescored:
    """The store on this machine, with a bar."""
    store = open_store(database)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Rescoring", total=None)
            return score_again(
                store, since=since, every=every, progress=lambda number, total: bar.update(task, completed=number, total=total)
            )
    finally:
        store.close()


def _told(done: Rescored) -> str:
    return (
        f"Definitions {done.version}: {len(done.changed)} talks changed, {done.unchanged} did not, "
        f"{done.without_speech} are in text only, {len(done.failed)} could not be scored."
    )
