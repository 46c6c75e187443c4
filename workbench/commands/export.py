"""`workbench export`: talks as Parquet, on this machine and, if asked, on the Hugging Face Hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.commands.common import CommandError, DataDir, Db, Json, load_settings, say, show, told_plainly
from workbench.commands.remote import fetch_folder
from workbench.settings import Settings
from workbench.store.base import StoreError
from workbench.store.export import ExportOptions, check_folder, read_schema
from workbench.store.export import export as write_export
from workbench.store.hub import check_repo, push
from workbench.store.opening import open_store


def moment(text: str | None, option: str) -> datetime | None:
    """A date or a time in ISO 8601 as an aware datetime; without an offset it is UTC. Raises CommandError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} {text!r} is neither a date nor a time. Write 2026-01-31 or 2026-01-31T12:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    since: Annotated[str | None, typer.Option(help="Talks begun at or after this date or time (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Talks begun before this date or time (UTC).")] = None,
    persona: Annotated[list[str] | None, typer.Option(help="Only this persona; may be given more than once.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="Only this engine; may be given more than once.")] = None,
    session: Annotated[list[str] | None, typer.Option(help="Only this session; may be given more than once.")] = None,
    audio: Annotated[bool, typer.Option("--audio", help="With the recordings: FLAC, and Parquet for `datasets`.")] = False,
    no_transcripts: Annotated[bool, typer.Option("--no-transcripts", help="Leave out all that was said.")] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Replace e-mail addresses and long numbers in all that was said.")] = False,
    no_prompts: Annotated[bool, typer.Option("--no-prompts", help="Leave out the prompts of the personas.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier export in that folder.")] = False,
    push_to_hub: Annotated[str | None, typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Upload as a dataset (HF_TOKEN).")] = None,
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see the dataset on the Hub.")] = True,
    licence: Annotated[str | None, typer.Option("--license", help="Licence of the dataset, as the Hub names it.")] = None,
    url: Annotated[str | None, typer.Option(help="Ask the server at this address, which holds the database while it runs.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
) -> None:
    """Write talks as Parquet, one folder for each table, for notebooks, reports and the Hub."""
    with told_plainly():
        if no_transcripts and redact:
            raise CommandError("--no-transcripts leaves out what --redact would change. Give one of them.")
        settings = load_settings(data_dir=data_dir, db=db)
        token = _token(settings) if push_to_hub is not None and check_repo(push_to_hub) else None
        options = ExportOptions(
            since=moment(since, "--since"),
            until=moment(until, "--until"),
            personas=persona or (),
            engines=engine or (),
            sessions=session or (),
            words="blank" if no_transcripts else "redact" if redact else "keep",
            prompts=not no_prompts,
            audio=audio,
        )
        options.check()
        account = _fetched(url, folder, options, replace=replace) if url else _written(settings, folder, options, replace=replace)
        address = None
        if push_to_hub is not None:
            from huggingface_hub import HfApi

            say(f"Uploading to {push_to_hub}.")
            address = push(folder, push_to_hub, HfApi(token=token), private=private, licence=licence)
    show(json.dumps(account | {"dataset": address}) if as_json else _told(account, address))


def _written(settings: Settings, folder: Path, options: ExportOptions, *, replace: bool) -> dict[str, Any]:
    """The export of the store on this machine."""
    try:
        store = open_store(settings.database)
    except StoreError as error:
        if "is held by process" in str(error):
            raise StoreError(f"{error} A running server exports with --url http://HOST:PORT.") from error
        raise
    try:
        done = write_export(store, settings.audio_dir, folder, options, replace=replace, progress=say)
    finally:
        store.close()
    return {
        "folder": str(folder),
        "rows": dict(done.rows),
        "going_on": done.going_on,
        "without_sound": done.without_sound,
        "bytes": done.bytes,
    }


def _fetched(url: str, folder: Path, options: ExportOptions, *, replace: bool) -> dict[str, Any]:
    """The export that a running server makes."""
    check_folder(folder, replace=replace)
    say(f"Asking {url}.")
    fetch_folder(url, "/api/export", asdict(options) | {"since": _iso(options.since), "until": _iso(options.until)}, folder)
    schema = read_schema(folder)
    return {
        "folder": str(folder),
        "rows": {name: table["rows"] for name, table in schema["tables"].items()},
        "going_on": schema["left_out_going_on"],
        "without_sound": schema["without_sound"],
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _token(settings: Settings) -> str:
    if settings.hf_token is None:
        raise CommandError("No token for the Hub. Set HF_TOKEN to one that may write.")
    return settings.hf_token.get_secret_value()


def _told(account: dict[str, Any], address: str | None) -> str:
    lines = [f"{account['folder']}: {account['bytes'] / 1e6:,.1f} MB", *(f"{count:>12,} {name}" for name, count in account["rows"].items())]
    if account["going_on"]:
        lines.append(f"{account['going_on']} talks are still going on and were left out.")
    if account["without_sound"]:
        lines.append(f"{account['without_sound']} talks have no recording.")
    return "\n".join([*lines, *([address] if address else [])])
