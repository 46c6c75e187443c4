"""The default store: one DuckDB file, one process that opens it, one thread that writes to it."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from workbench.store import migrate
from workbench.store.base import OnFailure, Row, StoreError
from workbench.store.buffered_store import FLUSH_S, WAITING_ROWS_MAX, BufferedStore
from workbench.store.tables import TABLES, Table, insert_sql
from workbench.store.values import from_database

MEMORY_LIMIT = "512MB"

_ROWS_FAULTS = (duckdb.IntegrityError, duckdb.DataError, duckdb.ProgrammingError, TypeError, OverflowError)


class DuckDbStore(BufferedStore):
    """A `Store` in the file `path`, which is created and migrated when needed. `":memory:"` keeps nothing, for tests.

    Raises StoreError when the file is held by another process, is no database, or cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        flush_s: float = FLUSH_S,
        waiting_rows_max: int = WAITING_ROWS_MAX,
        on_failure: OnFailure | None = None,
        process_id: str | None = None,
    ) -> None:
        super().__init__(str(path), flush_s=flush_s, waiting_rows_max=waiting_rows_max, on_failure=on_failure, process_id=process_id)
        self.path = path
        self._root = _connect(path)
        try:
            migrate.migrate(self._root)
        except StoreError:
            self._root.close()
            raise
        except duckdb.Error as error:
            self._root.close()
            raise StoreError(f"{path} cannot be brought up to date: {error}. {_mend(error)}") from error
        self._columns = _columns(self._root)
        self._cursors = threading.local()
        self._rooted = threading.Lock()
        self._writer = self._root.cursor()
        self._start()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        try:
            cursor = self._cursor().execute(sql, list(params))
            rows = cursor.fetchall()
            described = cursor.description or []
        except duckdb.Error as error:
            raise StoreError(f"the query failed: {error}") from error
        names = [column[0] for column in described]
        is_json = [str(column[1]) == "JSON" for column in described]
        return [{n: from_database(v, is_json=j) for n, v, j in zip(names, row, is_json, strict=True)} for row in rows]

    @property
    def shared(self) -> bool:
        return False

    def living(self) -> frozenset[str]:
        return frozenset([self.process_id] if self.process_id else [])

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._rooted:
            self._refuse_when_closed()
            cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "cursor", None)
            if cursor is None:
                cursor = self._cursors.cursor = self._root.cursor()
            return cursor

    # --- the writer's thread -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.begin()
        try:
            yield
            self._writer.commit()
        except BaseException:
            # A commit that failed has already rolled back, and a second rollback is an error of its own.
            with contextlib.suppress(duckdb.Error):
                self._writer.rollback()
            raise

    def _insert(self, table: Table, rows: Sequence[Row], *, again: bool) -> None:
        # A transaction that broke off in this process has committed nothing, so `again` makes no difference.
        known = self._columns[table.name]
        columns = {name: known[name] for name in rows[0]}
        self._writer.execute(insert_sql(table, columns), [[row[name] for row in rows] for name in columns])

    def _execute(self, sql: str, params: Sequence[Any]) -> None:
        self._writer.execute(sql, list(params))

    def _idle(self) -> None:
        """There is no connection that could break."""

    def _rows_fault(self, error: Exception) -> bool:
        return isinstance(error, _ROWS_FAULTS)

    def _mend(self, error: Exception) -> str:
        return _mend(error)

    def _release(self) -> None:
        self._writer.close()
        with self._rooted:
            # Closes the cursors of all threads too, so that the file is free.
            self._root.close()
            # Threads may outlive the store, and the binding complains of every connection object that is left when Python ends.
            del self._root, self._writer, self._cursors


def _connect(path: Path | str) -> duckdb.DuckDBPyConnection:
    if str(path) != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of {path} cannot be made: {error}. Choose another place with --db or --data-dir.") from error
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "memory_limit": MEMORY_LIMIT,
        # Nothing is fetched from the network, ever.
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # DuckDB shares a file between connections of one process that have equal settings; two stores would be two writers.
        "custom_user_agent": f"workbench-{uuid.uuid4().hex}",
    }
    try:
        return duckdb.connect(str(path), config=config)
    except duckdb.ConnectionException as error:
        raise StoreError(f"{path} is already open in this process. Use that store; there is one writer.") from error
    except duckdb.Error as error:
        if held := re.search(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)", str(error)):
            raise StoreError(
                f"{path} is held by process {held[2]} ({held[1]}): another workbench is running on it. "
                "Use that one through its address, stop it, or choose another file with --db."
            ) from error
        raise StoreError(f"{path} cannot be opened: {error}. {_mend(error)}") from error


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Column name to SQL type for every table that is written."""
    found: dict[str, dict[str, str]] = {name: {} for name in TABLES}
    for table, column, kind in connection.execute("SELECT table_name, column_name, data_type FROM information_schema.columns").fetchall():
        if table in found:
            found[table][column] = kind
    return found


def _mend(error: Exception) -> str:
    text = str(error)
    if "No space left" in text or "too large" in text or "quota" in text:
        return "The disk is full: free some space; writing goes on by itself."
    if "not a valid DuckDB" in text or "version" in text:
        return "Choose another file with --db, or move this one away; files of DuckDB 1 cannot be read."
    if isinstance(error, duckdb.FatalException):
        return "Restart the workbench: the database must be opened again."
    return "Check that the file and its folder can be written, or choose another with --db."
