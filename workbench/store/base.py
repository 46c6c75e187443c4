"""What a store is: rows in, rows out. One writer behind it; `append` never waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]
"""Column name to value. JSON columns take JSON text (`values.to_json`), timestamps take aware datetimes."""
Statement = tuple[str, Sequence[Any]]
"""SQL with `$1`-style parameters, and their values."""
OnFailure = Callable[[str], None]
"""Called from the writer's thread, once for each time that writing begins to fail, with what is wrong and how to mend it."""


class StoreError(Exception):
    """The store cannot be opened, read or written. The message names what was wrong and how to mend it."""


class RowSink(Protocol):
    """What takes rows: all that a recorder needs of a store."""

    def append(self, table: str, row: Row, *, urgent: bool = False) -> None:
        """Hands a row of `tables.TABLES` to the writer and returns at once. It is committed within a second; at once if `urgent`.

        Raises KeyError for an unknown table, StoreError when the store is closed.
        """
        ...


class Store(RowSink, Protocol):
    """A place for talks. Every method may be called from any thread."""

    @property
    def failure(self) -> str | None:
        """Why rows are not being written just now, with the mend; None when all is well."""
        ...

    @property
    def waiting_rows(self) -> int:
        """Rows appended and not yet committed."""
        ...

    @property
    def lost_rows(self) -> int:
        """Rows given up since the store was opened: refused by the database, or beyond the bound of what is kept in memory."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may have the same database open."""
        ...

    def living(self) -> frozenset[str]:
        """Ids of the processes that have this database open just now, as far as they have one. Raises StoreError."""
        ...

    def flush(self) -> None:
        """Waits until every row appended so far is committed. Raises StoreError when they cannot be."""
        ...

    def write(self, *statements: Statement) -> None:
        """Runs the statements in one transaction, after every row appended so far. Waits. Raises StoreError."""
        ...

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows by column name. JSON comes back as values, timestamps as aware datetimes in UTC. Raises StoreError."""
        ...

    def close(self) -> None:
        """Writes what waits and closes. What can no longer be written is counted as lost and logged."""
        ...
