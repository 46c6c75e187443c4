"""What a row costs on its way into the store, beside the bare driver on the same database in the same run.

    python -m benchmarks.store_writes --db postgresql://me@127.0.0.1:5432/scratch

Alone: one event at a time, until it is committed, through the store (`append` and `flush`) and as an insert of the bare driver. In bulk:
many events at once, through the store, and by the quickest way that the driver has (PostgreSQL: COPY; DuckDB: lists that are unnested).
DuckDB is always measured, in a file below --folder; without --db it stays at that. The database is left with the rows in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.table import cell, machine, percentile, table
from workbench.store.base import Store
from workbench.store.opening import open_store
from workbench.store.tables import TABLES, insert_sql

COLUMNS = ("session_id", "seq", "kind", "at_samples", "noticed_samples", "payload")
TYPES = {
    "session_id": "VARCHAR",
    "seq": "BIGINT",
    "kind": "VARCHAR",
    "at_samples": "BIGINT",
    "noticed_samples": "BIGINT",
    "payload": "JSON",
}
PAYLOAD = '{"text": "the forecast for tomorrow is sunny with a light wind", "forced": false}'
INSERT = f"INSERT INTO voice_events ({', '.join(COLUMNS)}) VALUES ($1, $2, $3, $4, $5, $6)"
ROUNDS = 5

Write = Callable[[Sequence[tuple[Any, ...]]], None]
"""Commits these rows of voice_events."""


def rows(session_id: str, first: int, count: int) -> list[tuple[Any, ...]]:
    return [(session_id, seq, "AgentText", seq * 1920, seq * 1920, PAYLOAD) for seq in range(first, first + count)]


def begin(store: Store) -> str:
    session_id = uuid.uuid4().hex
    store.append(
        "voice_sessions",
        {"session_id": session_id, "conversation_id": "c", "mode": "echo", "started_at": datetime.now(UTC), "is_active": False},
    )
    store.flush()
    return session_id


def through(store: Store) -> Write:
    def write(given: Sequence[tuple[Any, ...]]) -> None:
        for row in given:
            store.append("voice_events", dict(zip(COLUMNS, row, strict=True)))
        store.flush()

    return write


@contextmanager
def bare_duckdb(path: str) -> Iterator[tuple[Write, Write]]:
    """One row as an insert, many as unnested lists."""
    with duckdb.connect(path, config={"threads": "1"}) as connection:

        def alone(given: Sequence[tuple[Any, ...]]) -> None:
            connection.execute(INSERT, list(given[0]))

        def bulk(given: Sequence[tuple[Any, ...]]) -> None:
            connection.execute(insert_sql(TABLES["voice_events"], TYPES), [list(column) for column in zip(*given, strict=True)])

        yield alone, bulk


@contextmanager
def bare_postgres(address: str) -> Iterator[tuple[Write, Write]]:
    """One row as an insert, many by COPY."""
    import psycopg

    with psycopg.connect(address, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:

        def alone(given: Sequence[tuple[Any, ...]]) -> None:
            connection.execute(INSERT.encode(), list(given[0]))

        def bulk(given: Sequence[tuple[Any, ...]]) -> None:
            with connection.cursor() as cursor, cursor.copy(f"COPY voice_events ({', '.join(COLUMNS)}) FROM STDIN".encode()) as copy:
                for row in given:
                    copy.write_row(row)

        yield alone, bulk


def times_s(write: Write, session_id: str, first: int, each: int, times: int) -> list[float]:
    """How long each of `times` writes of `each` rows took, s."""
    found = []
    for turn in range(times):
        given = rows(session_id, first + turn * each, each)
        began = time.perf_counter()
        write(given)
        found.append(time.perf_counter() - began)
    return found


def line(name: str, alone: Write, bulk: Write, session_id: str, options: argparse.Namespace) -> list[float | int | str | None]:
    single = [took * 1_000 for took in times_s(alone, session_id, 0, 1, options.alone)]
    many = times_s(bulk, session_id, options.alone, options.bulk, ROUNDS)
    rates = [options.bulk / took for took in many]
    rate = percentile(rates, 50)
    return [name, len(single), cell(percentile(single, 50), 2), cell(percentile(single, 95), 2), options.bulk, ROUNDS, rate]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", help="postgresql:// address of a database to measure in")
    parser.add_argument("--folder", type=Path, help="where the DuckDB file lies; by default a temporary folder")
    parser.add_argument("--alone", type=int, default=300)
    parser.add_argument("--bulk", type=int, default=20_000)
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = str(Path(folder) / "writes.duckdb")
        for engine, database, bare in (("DuckDB", path, bare_duckdb), ("PostgreSQL", options.db, bare_postgres)):
            if database is None:
                continue
            store = open_store(database)
            try:
                lines.append(line(f"{engine}, the store", through(store), through(store), begin(store), options))
                other = begin(store)
            finally:
                store.close()
            with bare(database) as (alone, bulk):
                lines.append(line(f"{engine}, the bare driver", alone, bulk, other, options))
    print(machine())
    head = ["", "n", "one row committed, p50 ms", "p95 ms", "rows in bulk", "n", "rows/s, median"]
    print(table(head, lines))


if __name__ == "__main__":
    main()
