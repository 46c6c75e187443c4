"""Talks out of PostgreSQL into a DuckDB file of their own, in which an export is then made by the same SQL as from any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from workbench.store.duckdb_store import DuckDbStore
from workbench.store.postgres_store import PostgresStore
from workbench.store.tables import TABLES, Table, insert_sql

ROWS_AT_ONCE = 10_000
"""Rows that are in memory at a time."""


def copy_talks(source: PostgresStore, target: DuckDbStore, where: str, values: Sequence[Any], progress: Callable[[str], None]) -> int:
    """Copies the talks that are over and match `where`, a condition on `voice_sessions`, all as of one moment.

    Returns how many matching talks were left out because they go on. Raises StoreError.
    """
    with source.reading() as connection:
        counted = connection.execute(f"SELECT count(*) FROM voice_sessions WHERE is_active AND {where}".encode(), list(values))  # noqa: S608 - the caller's
        going_on = counted.fetchone()
        for table in TABLES.values():
            progress(f"Copying {table.name}.")
            _copy_table(connection, target, table, f"FROM voice_sessions WHERE NOT is_active AND {where}", values)
    return int(going_on[0]) if going_on is not None else 0


def _copy_table(connection: psycopg.Connection, target: DuckDbStore, table: Table, sessions: str, values: Sequence[Any]) -> None:
    described = target.query("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1", [table.name])
    types = {row["column_name"]: row["data_type"] for row in described}
    # JSON goes over as the text that it is.
    asked = ", ".join(f"CAST({name} AS TEXT)" if kind == "JSON" else name for name, kind in types.items())
    key, told = ("content_hash", "persona_hash") if table.name == "voice_personas" else ("session_id", "session_id")
    wanted = f"SELECT {asked} FROM {table.name} WHERE {key} IN (SELECT {told} {sessions}) ORDER BY {', '.join(table.key)}"  # noqa: S608 - our own tables
    with psycopg.RawServerCursor(connection, f"copy_{table.name}") as cursor:
        cursor.execute(wanted.encode(), list(values))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            target.write((insert_sql(table, types), [list(column) for column in zip(*rows, strict=True)]))
