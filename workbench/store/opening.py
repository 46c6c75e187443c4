"""The one place where a store is opened, whichever database the settings name."""

from __future__ import annotations

from importlib.util import find_spec

from workbench.store.address import is_postgres, shown
from workbench.store.base import OnFailure, Store, StoreError
from workbench.store.buffered_store import FLUSH_S


def open_store(database: str, *, flush_s: float = FLUSH_S, on_failure: OnFailure | None = None, process_id: str | None = None) -> Store:
    """The store in `database`: a `postgresql://` address, or the path of a DuckDB file. It is created and migrated when needed.
    `process_id`: of a process that will hold talks (`processes.Process`).

    Raises StoreError with the mend; a password is in no message.
    """
    if not is_postgres(database):
        from workbench.store.duckdb_store import DuckDbStore

        return DuckDbStore(database, flush_s=flush_s, on_failure=on_failure, process_id=process_id)
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise StoreError(f"{shown(database)} needs psycopg, which is not installed. Run: uv sync --extra postgres")
    from workbench.store.postgres_store import PostgresStore

    return PostgresStore(database, flush_s=flush_s, on_failure=on_failure, process_id=process_id)
