"""Numbered SQL files, applied once each, in order. The same files go through `psql -v ON_ERROR_STOP=1 -f`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import workbench
from workbench.store.base import StoreError

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    TEXT PRIMARY KEY,
  sha256     TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


class _Cursor(Protocol):
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """A DuckDB connection, or a psycopg one opened with `autocommit=True, cursor_factory=RawCursor` (for `$1` parameters)."""

    @property
    def execute(self) -> Callable[..., _Cursor]: ...


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `version` is its name without the ending; `sha256` is over its text with Unix line ends."""

    version: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_dir() -> Path:
    """`workbench/_migrations` in an installed wheel, `migrations/` in a checkout. Raises StoreError when neither is there."""
    package = Path(workbench.__file__).parent
    for place in (package / "_migrations", package.parent / "migrations"):
        if place.is_dir():
            return place
    raise StoreError(f"no migrations beside {package}. Install the package again, or run from a checkout.")


def load_migrations(directory: Path | None = None) -> list[Migration]:
    """The files of `directory` (default `migrations_dir()`) in order of their number. Raises StoreError when two share a number."""
    directory = directory or migrations_dir()
    found = [Migration(path.stem, path.read_text("utf-8")) for path in sorted(directory.glob("[0-9][0-9][0-9]_*.sql"))]
    if not found:
        raise StoreError(f"no migrations in {directory}. They are named like 004_voice_sessions.sql.")
    for before, after in itertools.pairwise(found):
        if before.version[:3] == after.version[:3]:
            raise StoreError(f"migrations {before.version} and {after.version} share a number. Give the newer one the next number.")
    return found


def migrate(connection: Connection, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Applies what has not been applied, each file in one transaction. Returns the versions applied now.

    Raises StoreError when an applied file has changed since, or when the database was made by a newer version of the workbench.
    A statement that fails raises the database's own error; its file is rolled back, the files before it stay.
    """
    migrations = load_migrations() if migrations is None else migrations
    connection.execute(_LEDGER)
    applied = dict(connection.execute("SELECT version, sha256 FROM schema_migrations").fetchall())
    for migration in migrations:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise StoreError(
                f"migration {migration.version} was changed after it was applied to this database. "
                "Restore the file and put the change into a new migration with the next number."
            )
    if unknown := sorted(applied.keys() - {migration.version for migration in migrations}):
        raise StoreError(
            f"this database has migrations that this version of the workbench does not know: {', '.join(unknown)}. "
            "Update the workbench, or use another database."
        )
    fresh = [migration for migration in migrations if migration.version not in applied]
    for migration in fresh:
        connection.execute("BEGIN")
        try:
            connection.execute(migration.sql)
            connection.execute("INSERT INTO schema_migrations (version, sha256) VALUES ($1, $2)", [migration.version, migration.sha256])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return [migration.version for migration in fresh]
