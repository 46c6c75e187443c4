"""How a PostgreSQL server is reached, and what its refusals mean."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from workbench.store.address import FORM, is_well_formed, shown
from workbench.store.base import StoreError

KWARGS: dict[str, Any] = {
    "autocommit": True,
    # `$1` parameters, as DuckDB has them.
    "cursor_factory": psycopg.RawCursor,
    # A plan that was prepared is refused when another process has brought the schema further meanwhile.
    "prepare_threshold": None,
}
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    # A network that swallows packets is noticed within a quarter of a minute, not after two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "application_name": "personaplex-workbench",
}


class Link:
    """One server and database. `name` may be shown; `conninfo` holds the password. Raises StoreError for what is no address."""

    def __init__(self, address: str) -> None:
        self.name = shown(address)
        try:
            # libpq's own words on a broken address may quote the password.
            given = conninfo_to_dict(address) if is_well_formed(address) else None
        except psycopg.Error:
            given = None
        if given is None:
            raise StoreError(f"{self.name} is no address of a database. Write {FORM}.")
        self.user, self.database = given.get("user"), given.get("dbname")
        kept: dict[str, Any] = {**_PATIENCE, **given}
        self.conninfo = make_conninfo(**kept)

    def connect(self, statement_timeout_ms: int = 0) -> psycopg.Connection:
        """A new connection in UTC; 0 ms: statements take as long as they take. Raises psycopg.Error."""
        connection = psycopg.connect(self.conninfo, **KWARGS)
        configure(connection, statement_timeout_ms)
        return connection


def configure(connection: psycopg.Connection, statement_timeout_ms: int) -> None:
    """Values come as DuckDB gives them: sums of integers as `int`, means as `float`, times in UTC."""
    connection.adapters.register_loader("numeric", _Number)
    connection.execute("SET TIME ZONE 'UTC'")
    connection.execute(f"SET statement_timeout = {statement_timeout_ms}")


class _Number(Loader):
    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def mend(error: Exception, link: Link) -> str:
    """How to mend it, as a sentence."""
    text = " ".join(str(error).split())
    state = getattr(error, "sqlstate", None) or ""
    if state == "3D000" or ('database "' in text and "does not exist" in text):
        return f"Make it first: createdb {link.database or 'NAME'}."
    if state.startswith("28") or "authentication failed" in text or "no password supplied" in text or "FATAL: role" in text:
        return "Look at user and password in the address, or put the password into ~/.pgpass."
    if state.startswith("53") or "No space left" in text:
        return "The server lacks room or connections: free some; writing goes on by itself."
    if state == "42501":
        return f"Give the user the right: GRANT ALL ON SCHEMA public TO {link.user or 'USER'}."
    if state == "57014":
        return "It took longer than is allowed; ask for less at once."
    if state in ("42703", "42P01"):
        return "The tables are not those of the workbench: give it a database of its own, or run `workbench migrate`."
    if isinstance(error, psycopg.OperationalError) and not state.startswith(("22", "23", "40")):
        return "Start the server, or look at host and port in the address; the workbench connects again by itself."
    return "Look into the server's log."
