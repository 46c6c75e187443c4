"""Exports read back into a store: how talks that were recorded apart come together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import EXPORTED, column_types, quoted, read_schema
from workbench.store.tables import TABLES


def take_in(store: DuckDbStore, exports: Sequence[Path], *, older: bool = False) -> None:
    """Adds the talks of `exports`, which were made with this version of the schema. A persona that is there already is left as it is.
    `older`: an earlier version will do, and columns that have come since then are left empty.

    Raises StoreError: a folder that is no export, one of another schema, a talk that is there already. The store is then unusable for the
    purpose: some tables may hold rows and others not.
    """
    now = store.query("SELECT max(version) AS version FROM schema_migrations")[0]["version"]
    schemas = [read_schema(folder) for folder in exports]
    for folder, schema in zip(exports, schemas, strict=True):
        found = schema["schema_version"]
        if found > now or (found < now and not older):
            raise StoreError(f"{folder} was made with schema {found}, this is {now}. Export its talks again with this version.")
    order = list(TABLES)
    for table in sorted(EXPORTED, key=lambda table: order.index(table.source)):
        files = [str(path) for folder in exports for path in sorted((folder / table.name).rglob("*.parquet"))]
        if not files:
            continue
        known = [
            column for column in column_types(store, table.source) if all(column in _columns(schema, table.name) for schema in schemas)
        ]
        names = ", ".join(known)
        listed = ", ".join(quoted(Path(file)) for file in files)
        read = f"SELECT {names} FROM read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"  # noqa: S608 - our own names
        conflict = " ON CONFLICT DO NOTHING" if TABLES[table.source].rule == "first" else ""
        store.write((f"INSERT INTO {table.source} ({names}) {read}{conflict}", ()))


def _columns(schema: Mapping[str, Any], table: str) -> Mapping[str, str]:
    """What an export's table has, by name; of an empty one nothing is read."""
    columns: Mapping[str, str] = schema["tables"][table]["columns"]
    return columns
