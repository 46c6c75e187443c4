"""Talks as Parquet: a folder for each table, a partition for each day, and `schema.json` that says what is in them.

`<folder>/schema.json`, `<folder>/<table>/day=YYYY-MM-DD/part-0.parquet`, `<folder>/personas/part-0.parquet`, and what
`workbench.store.derived` adds; with sound `<folder>/audio/<session_id>.flac` and `<folder>/audio.parquet`. A talk lies whole in the day
(UTC) on which it began.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.store.audio_export import export_audio
from workbench.store.base import Store, StoreError
from workbench.store.derived import DERIVED, EVENTS, PAYLOAD_COLUMNS, DerivedTable
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.words import Rule, column_sql

FORMAT = "personaplex-workbench-export"
FORMAT_VERSION = 1
SCHEMA_FILE = "schema.json"
ROWS_HELD = 65_536
"""Rows of a partition that are held back before they are written. DuckDB's own half a million does not fit the store's memory limit over
many days: it spills to the disk and takes twice the time."""


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One folder of an export: the rows of `source` that belong to the exported sessions."""

    name: str
    source: str


SESSIONS = ExportedTable("sessions", "voice_sessions")
PERSONAS = ExportedTable("personas", "voice_personas")
EXPORTED = (
    SESSIONS,
    ExportedTable("turns", "voice_turns"),
    ExportedTable("decisions", "voice_decisions"),
    ExportedTable("tool_invocations", "voice_tool_invocations"),
    ExportedTable("barge_ins", "voice_barge_in_events"),
    ExportedTable(EVENTS, "voice_events"),
    ExportedTable("frame_timings", "voice_frame_timings"),
    ExportedTable("recordings", "voice_recordings"),
    ExportedTable("ratings", "voice_ratings"),
    PERSONAS,
)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What goes out. Times are aware; a talk is in when it began at or after `since` and before `until`."""

    since: datetime | None = None
    until: datetime | None = None
    personas: Sequence[str] = ()
    engines: Sequence[str] = ()
    sessions: Sequence[str] = ()
    words: Rule = "keep"
    prompts: bool = True
    """With the prompts of the personas."""
    audio: bool = False

    def check(self) -> None:
        """Raises StoreError for options that contradict each other."""
        if self.audio and self.words != "keep":
            raise StoreError(
                "the sound holds the words that are to be left out. Export without audio, or with the transcripts as they are."
            )


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds."""

    folder: Path
    rows: Mapping[str, int]
    """By table."""
    going_on: int
    """Talks that were left out because they had not ended."""
    without_sound: int
    """Talks without a recording, when sound was asked for."""
    bytes: int


@dataclass(slots=True)
class _Count:
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)
    partitioned: bool = True


Progress = Callable[[str], None]


def _quiet(_message: str) -> None:
    """Nobody is told."""


def export(
    store: Store,
    audio_dir: Path,
    folder: Path,
    options: ExportOptions | None = None,
    *,
    replace: bool = False,
    progress: Progress = _quiet,
) -> Exported:
    """Writes the talks that are over and match `options` into `folder`, which must not exist, or be empty, or with `replace` be an
    earlier export. It appears under its name only when it is whole.

    Raises StoreError: a folder in use, options that contradict each other, a database that cannot be read, a disk that refuses.
    """
    options = options or ExportOptions()
    options.check()
    check_folder(folder, replace=replace)
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        without_sound = 0
        with _in_duckdb(store, part, options, progress) as (source, going_on):
            tables = _write_tables(source, part, options, progress)
            if options.audio and tables[SESSIONS.name].rows:
                progress("Copying the sound.")
                without_sound = export_audio(source, audio_dir, part, _sessions(part))
            _write_schema(source, part, options, tables, {"left_out_going_on": going_on, "without_sound": without_sound})
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}. Choose a folder that can be made and has room.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Exported(folder, {name: table.rows for name, table in tables.items()}, going_on, without_sound, size)


def read_schema(folder: Path) -> dict[str, Any]:
    """The `schema.json` of an export. Raises StoreError when `folder` is none, or of a later version."""
    path = folder / SCHEMA_FILE
    try:
        schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
        found = schema["format"], schema["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{folder} is no export: {SCHEMA_FILE} is not there or cannot be read. Make one with `workbench export`."
        ) from error
    if found[0] != FORMAT or not isinstance(found[1], int) or found[1] > FORMAT_VERSION:
        raise StoreError(f"{folder} is an export of the kind {found[0]} {found[1]}, which is not known here. Update the workbench.")
    return schema


def check_folder(folder: Path, *, replace: bool) -> None:
    """Raises StoreError when an export may not be written to `folder`."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file. Choose another folder.")
    if not (folder / SCHEMA_FILE).exists():
        raise StoreError(f"{folder} is not empty and no export. Choose another folder.")
    if not replace:
        raise StoreError(f"{folder} holds an export. Choose another folder, or replace it with --replace.")


@contextmanager
def _in_duckdb(store: Store, part: Path, options: ExportOptions, progress: Progress) -> Iterator[tuple[DuckDbStore, int]]:
    """A DuckDB store with the talks in it, for as long as they are written out, and how many were left out because they go on."""
    where, values = _conditions(options)
    if isinstance(store, DuckDbStore):
        counted = store.query(f"SELECT count(*) AS n FROM voice_sessions WHERE is_active AND {where}", values)  # noqa: S608 - see _conditions
        yield store, counted[0]["n"]
        return
    # Only now: psycopg comes with an extra.
    from workbench.store.copying import copy_talks
    from workbench.store.postgres_store import PostgresStore

    if not isinstance(store, PostgresStore):
        raise StoreError(f"{type(store).__name__} is no store that can be exported. Export from DuckDB or PostgreSQL.")
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=f"{part.name}-") as scratch:
        copied = DuckDbStore(Path(scratch) / "talks.duckdb")
        try:
            going_on = copy_talks(store, copied, where, values, progress)
            yield copied, going_on
        finally:
            copied.close()


def _write_tables(store: DuckDbStore, part: Path, options: ExportOptions, progress: Progress) -> dict[str, _Count]:
    where, values = _conditions(options)
    store.query(f"SET partitioned_write_flush_threshold = {ROWS_HELD}")
    tables: dict[str, _Count] = {}
    for table in EXPORTED:
        columns = column_types(store, table.source)
        if not columns:
            continue
        progress(f"Writing {table.name}.")
        added = {column.name: column for column in PAYLOAD_COLUMNS} if table.name == EVENTS else {}
        select = ", ".join([*(_column(table, name, kind, options) for name, kind in columns.items()), *(c.sql for c in added.values())])
        target = part / table.name
        if table is SESSIONS:
            day = "CAST(started_at AT TIME ZONE 'UTC' AS DATE) AS day"
            rows = _copy(store, f"SELECT {select}, {day} FROM {table.source} WHERE NOT is_active AND {where}", target, values)  # noqa: S608
        elif table is PERSONAS:
            used = f"IN (SELECT persona_hash FROM {_sessions(part)})" if tables[SESSIONS.name].rows else "IS NULL"  # noqa: S608
            rows = _copy(store, f"SELECT {select} FROM {table.source} WHERE content_hash {used}", target, partitioned=False)  # noqa: S608
        elif tables[SESSIONS.name].rows:
            # By the sessions that were written, so that a talk that ends meanwhile is in every table or in none.
            days = f"(SELECT session_id AS exported_id, day FROM {_sessions(part)}) AS days"  # noqa: S608
            rows = _copy(store, f"SELECT {select}, day FROM {table.source} JOIN {days} ON session_id = exported_id", target)  # noqa: S608
        else:
            rows = 0
        written = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in columns.items()}
        tables[table.name] = _Count(rows, written | {name: column.type for name, column in added.items()}, table is not PERSONAS)
    for derived in DERIVED:
        progress(f"Writing {derived.name}.")
        rows = _derive(store, part, derived) if all(tables[name].rows for name in derived.sources) else 0
        tables[derived.name] = _Count(rows, derived.columns, partitioned=False)
    return tables


def _derive(store: DuckDbStore, part: Path, table: DerivedTable) -> int:
    # Of the sessions that were written; the other tables are quicker to read where they come from.
    sources = {source.name: source.source for source in EXPORTED if source.name in table.sources} | {SESSIONS.name: _sessions(part)}
    named = ", ".join(f"{name} AS (SELECT * FROM {source})" for name, source in sources.items())  # noqa: S608 - our own tables
    return _copy(store, f"WITH {named} {table.sql}", part / table.name, partitioned=False)


def _conditions(options: ExportOptions) -> tuple[str, list[Any]]:
    filters: list[tuple[str, Any]] = [
        ("started_at >= {}", options.since),
        ("started_at < {}", options.until),
        ("persona = ANY({}::VARCHAR[])", list(options.personas) or None),
        ("engine = ANY({}::VARCHAR[])", list(options.engines) or None),
        ("session_id = ANY({}::VARCHAR[])", list(options.sessions) or None),
    ]
    used = [(condition, value) for condition, value in filters if value is not None]
    where = " AND ".join(condition.format(f"${number}") for number, (condition, _value) in enumerate(used, start=1))
    return where or "TRUE", [value for _condition, value in used]


def column_types(store: DuckDbStore, table: str) -> dict[str, str]:
    """SQL types by column, but for the serial numbers and processes of one database, which mean nothing outside it."""
    rows = store.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", [table]
    )
    return {row["column_name"]: row["data_type"] for row in rows if row["column_name"] not in ("id", "process_id")}


def _column(table: ExportedTable, name: str, kind: str, options: ExportOptions) -> str:
    if table is PERSONAS and name == "prompt" and not options.prompts:
        return "CAST(NULL AS VARCHAR) AS prompt"
    return column_sql(table.source, name, kind, options.words)


def _copy(store: DuckDbStore, select: str, target: Path, values: Sequence[Any] = (), *, partitioned: bool = True) -> int:
    if partitioned:
        to, how = target, ", PARTITION_BY (day), FILENAME_PATTERN 'part-{i}'"
    else:
        target.mkdir()
        to, how = target / "part-0.parquet", ""
    written = store.query(f"COPY ({select}) TO {quoted(to)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1{how})", values)
    (count,) = written[0].values()
    return int(count)


def _parquet(folder: Path) -> str:
    return f"read_parquet({quoted(folder / '*' / '*.parquet')}, hive_partitioning = true)"


def quoted(path: Path) -> str:
    """A path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


def _sessions(part: Path) -> str:
    return _parquet(part / SESSIONS.name)


def _write_schema(
    store: DuckDbStore, part: Path, options: ExportOptions, tables: Mapping[str, _Count], left_out: Mapping[str, int]
) -> None:
    migrations = [row["version"] for row in store.query("SELECT version FROM schema_migrations ORDER BY version")]
    scored: dict[str, int] = {}
    if tables[SESSIONS.name].rows and "scored_by" in tables[SESSIONS.name].columns:
        counted = store.query(f"SELECT coalesce(scored_by, 'unknown') AS by, count(*) AS n FROM {_sessions(part)} GROUP BY 1 ORDER BY 1")  # noqa: S608
        scored = {row["by"]: row["n"] for row in counted}
    told = asdict(options) | {
        name: moment.isoformat() if moment else None for name, moment in (("since", options.since), ("until", options.until))
    }
    schema = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "workbench_version": version("personaplex-workbench"),
        "schema_version": migrations[-1],
        "migrations": migrations,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": told,
        **left_out,
        "scored_by": scored,
        "tables": {
            name: {"rows": table.rows, "columns": table.columns, "partitioned_by": "day" if table.partitioned else None}
            for name, table in tables.items()
        },
    }
    (part / SCHEMA_FILE).write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", "utf-8")
