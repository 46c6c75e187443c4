"""The default store: one DuckDB file, one process that opens it, one thread that writes to it."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import duckdb

from workbench.store import migrate
from workbench.store.base import OnFailure, Row, Statement, StoreError
from workbench.store.tables import TABLES, Batch, Pending, Table, insert_sql
from workbench.store.values import from_database

log = logging.getLogger(__name__)

FLUSH_S = 1.0
"""Longest that a row waits for its commit, beside the commit itself. What is promised outside is 2 s."""
WAITING_ROWS_MAX = 200_000
"""Rows kept in memory while the disk refuses them: over an hour of eight talks."""
MEMORY_LIMIT = "512MB"

_ROW_AT_FAULT = (duckdb.IntegrityError, duckdb.DataError, duckdb.ProgrammingError, TypeError, OverflowError)
"""Errors that come again whenever the same row is tried; all others may pass (a full disk, a lock)."""


class DuckDbStore:
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
    ) -> None:
        self.path = path
        self._flush_s = flush_s
        self._on_failure = on_failure
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

        self._changed = threading.Condition()
        self._pending = Pending(waiting_rows_max)
        self._taken = 0
        self._jobs: list[tuple[Sequence[Statement], Future[None]]] = []
        self._urgent = False
        self._closing = False
        self._failure: str | None = None
        self._lost = 0
        self._writer = self._root.cursor()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        return self._failure

    @property
    def waiting_rows(self) -> int:
        with self._changed:
            return len(self._pending) + self._taken

    @property
    def lost_rows(self) -> int:
        return self._lost

    def append(self, table: str, row: Row, *, urgent: bool = False) -> None:
        spec = TABLES[table]
        with self._changed:
            self._refuse_when_closed()
            if not self._pending.add(spec, row):
                self._lost += 1
            if urgent:
                self._urgent = True
                self._changed.notify()

    def flush(self) -> None:
        self.write()

    def write(self, *statements: Statement) -> None:
        done: Future[None] = Future()
        with self._changed:
            self._refuse_when_closed()
            self._jobs.append((statements, done))
            self._changed.notify()
        done.result()

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

    def close(self) -> None:
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if left := len(self._pending):
            self._lost += left
            log.error("%d rows could not be written before the store was closed: %s", left, self._failure)
        self._writer.close()
        with self._rooted:
            # Closes the cursors of all threads too, so that the file is free.
            self._root.close()
            # Threads may outlive the store, and the binding complains of every connection object that is left when Python ends.
            del self._root, self._writer, self._cursors

    # --- readers -----------------------------------------------------------------------------------------------------

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._rooted:
            self._refuse_when_closed()
            cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "cursor", None)
            if cursor is None:
                cursor = self._cursors.cursor = self._root.cursor()
            return cursor

    def _refuse_when_closed(self) -> None:
        if self._closing:
            raise StoreError("the store is closed. Open it again to read or write.")

    # --- the writer's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._urgent or self._jobs or self._closing, timeout=self._flush_s)
                closing = self._closing
                self._urgent = False
                jobs, self._jobs = self._jobs, []
                batch = self._pending.take()
                self._taken = sum(map(len, batch.values()))
            self._write_batch(batch)
            for statements, done in jobs:
                self._run_job(statements, done)

    def _run_job(self, statements: Sequence[Statement], done: Future[None]) -> None:
        if self._failure:
            done.set_exception(StoreError(self._failure))
            return
        try:
            with self._transaction():
                for sql, params in statements:
                    self._writer.execute(sql, list(params))
        except Exception as error:  # noqa: BLE001 - handed to the caller, who waits in another thread
            done.set_exception(StoreError(f"the write failed: {error}. {_mend(error)}"))
        else:
            done.set_result(None)

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._writer.begin()
        try:
            yield
            self._writer.commit()
        except BaseException:
            # A commit that failed has already rolled back, and a second rollback is an error of its own.
            with contextlib.suppress(duckdb.Error):
                self._writer.rollback()
            raise

    def _write_batch(self, batch: Batch) -> None:
        left = batch
        try:
            if batch:
                with self._transaction():
                    for name, rows in batch.items():
                        self._insert(TABLES[name], rows)
        except _ROW_AT_FAULT:
            left, error = self._write_singly(batch)
        except Exception as caught:  # noqa: BLE001 - the thread must live on: the rows are kept and the failure is shown
            error = caught
        else:
            left, error = {}, None
        with self._changed:
            self._taken = 0
            self._lost += self._pending.put_back(left)
        if error is None:
            if batch and self._failure:
                log.warning("the store writes again; %d rows were lost since it was opened", self._lost)
                self._failure = None
        else:
            self._fail(error)

    def _write_singly(self, batch: Batch) -> tuple[Batch, Exception | None]:
        """Finds the rows that the database refuses, and loses only them. Returns what must be tried again, and why."""
        left: dict[str, list[Row]] = {}
        stopped: Exception | None = None
        for name, rows in batch.items():
            refused: list[str] = []
            for row in rows:
                if stopped is None:
                    try:
                        self._insert(TABLES[name], [row])
                        continue
                    except _ROW_AT_FAULT as error:
                        # The error's own words quote the values of the row.
                        refused.append(f"{[row.get(column) for column in TABLES[name].key]} ({type(error).__name__})")
                        continue
                    except Exception as error:  # noqa: BLE001 - as in _write_batch
                        stopped = error
                left.setdefault(name, []).append(row)
            if refused:
                with self._changed:
                    self._lost += len(refused)
                log.error("%d rows of %s were refused and are lost, the first with key %s", len(refused), name, refused[0])
        return left, stopped

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        known = self._columns[table.name]
        columns = {name: known[name] for name in rows[0]}
        self._writer.execute(insert_sql(table, columns), [[row[name] for row in rows] for name in columns])

    def _fail(self, error: Exception) -> None:
        first = self._failure is None
        kept = self.waiting_rows
        self._failure = f"{self.path} cannot be written: {error}. {_mend(error)} {kept} rows wait in memory, {self._lost} are lost."
        if first:
            log.error("%s", self._failure)
            if self._on_failure:
                try:
                    self._on_failure(self._failure)
                except Exception:
                    log.exception("whoever is told of the store's failure has failed")


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
