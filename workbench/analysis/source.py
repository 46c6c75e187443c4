"""Where the rows come from: an export folder, or the store of a running workbench. Both answer the same SQL.

Tables: `sessions`, `turns`, `tool_invocations`, `barge_ins`, `events`, `frame_timings`, `recordings`, `personas`, with the columns of
the store, and what `workbench.store.derived` adds to them. SQL is kept to what DuckDB and PostgreSQL both know; parameters are `$1`, `$2`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pandas as pd
import pyarrow as pa

from workbench.store.audio_export import AUDIO_FOLDER
from workbench.store.base import Store
from workbench.store.derived import DERIVED, EVENTS, with_payload_columns
from workbench.store.export import EXPORTED, SESSIONS, read_schema


class AnalysisError(Exception):
    """What was asked cannot be answered from these talks. The message says why, and what to do."""


class Source(Protocol):
    """Talks that can be asked with SQL."""

    @property
    def name(self) -> str:
        """How a title may call it."""
        ...

    def frame(self, sql: str, params: Sequence[Any] = ()) -> pd.DataFrame:
        """The answer with its columns, also when there are no rows. May be called from any thread."""
        ...

    def recording(self, session_id: str) -> Path | None:
        """The talk's stereo FLAC, where it is at hand."""
        ...


class ExportSource:
    """An export folder, read by an in-memory DuckDB. Raises StoreError when `folder` is no export; `frame` raises AnalysisError for a
    table or a column that the export does not have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.schema = read_schema(folder)
        self._root = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
        for name, table in self.schema["tables"].items():
            self._root.execute(f"CREATE VIEW {name} AS {self._select(name, table['columns'])}")
        for derived in DERIVED:
            if derived.name not in self.schema["tables"]:
                # What an export of long ago does not have is told when somebody asks for it, not when it is opened.
                with contextlib.suppress(duckdb.BinderException, duckdb.CatalogException):
                    self._root.execute(f"CREATE VIEW {derived.name} AS {derived.sql}")

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def frame(self, sql: str, params: Sequence[Any] = ()) -> pd.DataFrame:
        try:
            return _to_pandas(self._root.cursor().sql(sql, params=list(params)).to_arrow_table())
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            told = str(error).splitlines()[0]
            raise AnalysisError(
                f"{self.folder} does not have what is asked for ({told}). It was made with the schema {self.schema['schema_version']}; "
                "if that is an older one, export the talks again."
            ) from error

    def recording(self, session_id: str) -> Path | None:
        path = self.folder / AUDIO_FOLDER / f"{session_id}.flac"
        return path if path.is_file() else None

    def close(self) -> None:
        """Gives the database back."""
        self._root.close()

    def _select(self, name: str, columns: dict[str, str]) -> str:
        if any((self.folder / name).rglob("*.parquet")):
            glob = str(self.folder / name / "**" / "*.parquet").replace("'", "''")
            select = f"SELECT {', '.join(columns)} FROM read_parquet('{glob}')"  # noqa: S608 - names from the export's own schema
        else:
            select = f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {column}' for column, kind in columns.items())} WHERE FALSE"
        return with_payload_columns(select, columns) if name == EVENTS else select


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """By way of Arrow, which makes one Python string of a text that comes half a million times; sums of integers become floats."""
    for place, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, column.name, table.column(place).cast(pa.float64()))
    return table.to_pandas()


@dataclass(frozen=True, slots=True)
class Talks:
    """Which talks are asked about, of those that are over: begun at or after `since` and before `until` (aware times), on `engine`, with
    `persona`. What is None does not narrow."""

    since: datetime | None = None
    until: datetime | None = None
    engine: str | None = None
    persona: str | None = None

    def condition(self, after: int = 0) -> tuple[str, list[Any]]:
        """The condition on `voice_sessions`, its parameters numbered after `after`, and their values."""
        filters: list[tuple[str, Any]] = [
            ("started_at >= {}", self.since),
            ("started_at < {}", self.until),
            ("coalesce(engine, 'unknown') = {}", self.engine),
            ("persona = {}", self.persona),
        ]
        used = [(condition, value) for condition, value in filters if value is not None]
        told = [condition.format(f"${after + number}") for number, (condition, _value) in enumerate(used, start=1)]
        # A talk that goes on may still answer: its last turn is not unanswered yet.
        return " AND ".join(["NOT is_active", *told]), [value for _condition, value in used]


class StoreSource:
    """The store itself, for the pages of a running workbench. `talks` narrows the table `sessions`, with which every other is joined;
    without it those that go on are there too."""

    name = "store"

    def __init__(self, store: Store, audio_dir: Path, talks: Talks | None = None) -> None:
        self._store = store
        self._audio_dir = audio_dir
        self._talks = talks

    def frame(self, sql: str, params: Sequence[Any] = ()) -> pd.DataFrame:
        where, values = self._talks.condition(len(params)) if self._talks is not None else ("TRUE", [])
        asked, given = _with_names(sql, where), [*params, *values]
        rows = self._store.query(asked, given)
        if rows:
            found = pd.DataFrame(rows)
            # Rows bring no types: a column of NULLs alone is a number that nobody measured, as an export's own columns tell.
            unknown = [name for name in found.columns if found[name].dtype == object and found[name].isna().all()]
            return found.astype(dict.fromkeys(unknown, "float64"))
        # Nothing tells the columns of no rows; one row of NULLs does.
        nothing = f"SELECT q.* FROM (SELECT 1 AS one) AS d LEFT JOIN ({asked}) AS q ON FALSE"  # noqa: S608 - the caller's SQL
        return pd.DataFrame(self._store.query(nothing, given)).iloc[:0]

    def recording(self, session_id: str) -> Path | None:
        path = self._audio_dir / f"{session_id}.flac"
        return path if path.is_file() else None


def _with_names(sql: str, where: str) -> str:
    """The SQL with the short names of the tables put before it; only the sessions `where` are there."""
    tables = {table.name: f"SELECT * FROM {table.source}" for table in EXPORTED}  # noqa: S608 - our own tables
    tables[SESSIONS.name] += f" WHERE {where}"
    tables[EVENTS] = with_payload_columns(tables[EVENTS])
    tables |= {derived.name: derived.sql for derived in DERIVED}
    names = ", ".join(f"{name} AS NOT MATERIALIZED ({select})" for name, select in tables.items())
    stripped = sql.lstrip()
    return f"WITH {names}, {stripped[5:]}" if stripped[:5].upper() == "WITH " else f"WITH {names} {stripped}"


def open_export(folder: Path | str) -> ExportSource:
    """The export in `folder`. Raises StoreError when there is none."""
    return ExportSource(Path(folder))
