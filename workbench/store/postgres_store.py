"""PostgreSQL as the store: several processes of the workbench share its talks, each with one writer and a few readers."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import psycopg_pool
from psycopg import sql as composed

from workbench.store import migrate, postgres_link
from workbench.store.base import OnFailure, Row, StoreError
from workbench.store.buffered_store import FLUSH_S, WAITING_ROWS_MAX, BufferedStore
from workbench.store.postgres_link import Link, mend
from workbench.store.processes import lock_key
from workbench.store.tables import IGNORE_KNOWN, Table, on_conflict
from workbench.store.values import from_database

log = logging.getLogger(__name__)

READERS_MAX = 8
READER_WAIT_S = 5.0
"""Longest that a question waits for a connection."""
READER_WAIT_AWAY_S = 0.5
"""The same while the server is known to be away: a page that says so at once is better than one that hangs."""
READ_TIMEOUT_MS = 30_000
"""Longest that the server works on one question of a page."""
WRITE_TIMEOUT_MS = 60_000
PARAMETERS_MAX = 60_000
"""Parameters of one statement; the protocol counts them in 16 bits."""
MIGRATION_LOCK = 0x776F726B62
"""Advisory lock under which one process at a time brings the database up to date."""


class PostgresStore(BufferedStore):
    """A `Store` in the database at `address` (`postgresql://user:password@host:port/name`), which is migrated when needed.

    Raises StoreError when the server cannot be reached, refuses, or holds what is none of ours. The password is in no message.
    """

    def __init__(
        self,
        address: str,
        *,
        flush_s: float = FLUSH_S,
        waiting_rows_max: int = WAITING_ROWS_MAX,
        on_failure: OnFailure | None = None,
        process_id: str | None = None,
    ) -> None:
        self.link = Link(address)
        super().__init__(self.link.name, flush_s=flush_s, waiting_rows_max=waiting_rows_max, on_failure=on_failure, process_id=process_id)
        self._locked = False
        self._away = False
        self._writer: psycopg.Connection | None = None
        try:
            _bring_up_to_date(self._connected())
        except StoreError:
            self._drop_writer()
            raise
        except psycopg.Error as error:
            self._drop_writer()
            raise StoreError(f"{self.name} cannot be opened: {_one_line(error)}. {mend(error, self.link)}") from error
        self._readers = psycopg_pool.ConnectionPool(
            self.link.conninfo,
            kwargs=postgres_link.KWARGS,
            # None is kept ready and no failed connection tried again behind the scenes, with longer and longer pauses: each question
            # tries by itself, so that the first one after the server is back is answered.
            min_size=0,
            reconnect_timeout=0.0,
            max_size=READERS_MAX,
            configure=_configure_reader,
            check=psycopg_pool.ConnectionPool.check_connection,
            name="store-readers",
            open=True,
        )
        self._start()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        self._refuse_when_closed()
        try:
            with self._readers.connection(timeout=READER_WAIT_AWAY_S if self._away or self.failure else READER_WAIT_S) as connection:
                self._away = False
                cursor = connection.execute(sql.encode(), list(params))
                names = [column.name for column in cursor.description or ()]
                rows = cursor.fetchall() if names else []
        except psycopg_pool.PoolTimeout as error:
            # Busy, or away: the next one asks more briefly, and the first that is answered waits longer again.
            self._away = True
            raise StoreError(f"{self.name} gives no connection: {_one_line(error)}. Look whether the server runs.") from error
        except psycopg.Error as error:
            raise StoreError(f"the query failed: {_one_line(error)}. {mend(error, self.link)}") from error
        return [{name: from_database(value, is_json=False) for name, value in zip(names, row, strict=True)} for row in rows]

    @property
    def shared(self) -> bool:
        return True

    def living(self) -> frozenset[str]:
        return frozenset(row["process_id"] for row in self.query(_LIVING))

    @contextlib.contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """A connection of its own on which everything is read as of one moment, without a limit of time: for an export.

        Raises StoreError when the server cannot be reached, and for whatever it refuses.
        """
        try:
            with self.link.connect() as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield connection
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be read: {_one_line(error)}. {mend(error, self.link)}") from error

    # --- the writer's thread -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        connection = self._begin()
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # On a connection that is gone the server rolls back by itself.
            with contextlib.suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise

    def _insert(self, table: Table, rows: Sequence[Row], *, again: bool) -> None:
        columns = list(rows[0])
        values = [[row[name] for name in columns] for row in rows]
        with self._connected().cursor() as cursor:
            if table.rule == "append" and not again:
                with cursor.copy(_copy_in(table.name, columns)) as copy:
                    for value in values:
                        copy.write_row(value)
                return
            # A commit may have been done before the connection broke: its rows are there, and are not written twice.
            end = IGNORE_KNOWN.format(key=", ".join(table.key)) if table.rule == "append" else on_conflict(table, columns)
            at_once = PARAMETERS_MAX // len(columns)
            written = 0
            for start in range(0, len(values), at_once):
                some = values[start : start + at_once]
                cursor.execute(_insert_sql(table.name, columns, len(some), end), list(itertools.chain.from_iterable(some)))
                written += cursor.rowcount
            if table.rule == "append" and written < len(rows):
                log.info("%d rows of %s had been committed before the connection broke", len(rows) - written, table.name)

    def _execute(self, sql: str, params: Sequence[Any]) -> None:
        self._connected().execute(sql.encode(), list(params))

    def _idle(self) -> None:
        """Asks whether the connection still stands: with it goes the lock by which other processes know that this one is there."""
        self._begin().execute("ROLLBACK")

    def _rows_fault(self, error: Exception) -> bool:
        if not isinstance(error, psycopg.Error):
            return isinstance(error, TypeError | ValueError | OverflowError)
        if error.sqlstate is None:
            # Made by psycopg itself: a value that cannot be sent.
            return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
        return error.sqlstate[:2] in ("22", "23")

    def _told(self, error: Exception) -> str:
        return _one_line(error)

    def _mend(self, error: Exception) -> str:
        return mend(error, self.link)

    def _release(self) -> None:
        self._readers.close()
        self._drop_writer()

    def _connected(self) -> psycopg.Connection:
        if self._writer is None or self._writer.closed:
            self._writer, self._locked = self.link.connect(WRITE_TIMEOUT_MS), False
        if self.process_id is not None and not self._locked:
            # Not had at once only while the server has not yet noticed that an earlier connection of ours is gone: it is tried again.
            row = self._writer.execute("SELECT pg_try_advisory_lock($1)", [lock_key(self.process_id)]).fetchone()
            self._locked = row is not None and bool(row[0])
        return self._writer

    def _begin(self) -> psycopg.Connection:
        """A connection with a transaction begun: the first word shows whether the server still hears it."""
        try:
            connection = self._connected()
            connection.execute("BEGIN")
        except psycopg.OperationalError:
            self._drop_writer()
            connection = self._connected()
            connection.execute("BEGIN")
        return connection

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


_LIVING = """
SELECT p.process_id FROM voice_processes p JOIN pg_locks l ON (l.classid::BIGINT << 32) | l.objid::BIGINT = p.lock_key
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def _copy_in(table: str, columns: Sequence[str]) -> composed.Composed:
    names = composed.SQL(", ").join(map(composed.Identifier, columns))
    return composed.SQL("COPY {} ({}) FROM STDIN").format(composed.Identifier(table), names)


def _insert_sql(table: str, columns: Sequence[str], rows: int, end: str) -> bytes:
    numbers = itertools.count(1)
    values = ", ".join(f"({', '.join(f'${next(numbers)}' for _ in columns)})" for _ in range(rows))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}{end}".encode()  # noqa: S608 - our own tables


def _configure_reader(connection: psycopg.Connection) -> None:
    postgres_link.configure(connection, READ_TIMEOUT_MS)
    connection.execute("SET default_transaction_read_only = on")


def _bring_up_to_date(connection: psycopg.Connection) -> None:
    """Applies what is lacking; another process that does the same is waited for."""
    connection.execute("SET statement_timeout = 0")
    connection.execute("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK])
    try:
        migrate.migrate(connection)
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock($1)", [MIGRATION_LOCK])
            connection.execute(f"SET statement_timeout = {WRITE_TIMEOUT_MS}")


def _one_line(error: Exception) -> str:
    """Without the server's details, which quote the row."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((told or str(error)).split()).rstrip(".")
