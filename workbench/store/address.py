"""What a database is called: a file path, or a `postgresql://` address, whose password is never shown."""

from __future__ import annotations

import re

_POSTGRES = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_WELL_FORMED = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?#\s]*)(?::[^:@/?#\s]*)?@)?(?P<place>[^@?#\s]*)(?:\?[^@#\s]*)?", re.IGNORECASE
)
FORM = "postgresql://USER:PASSWORD@HOST:PORT/NAME, with signs such as @ : / in the password written as %40 %3A %2F"


def is_postgres(database: str) -> bool:
    """True for the address of a PostgreSQL server, whether or not it is well formed."""
    return _POSTGRES.match(database) is not None


def shown(database: str) -> str:
    """`database` as it may be shown: an address without its password and parameters; one that is not well formed not at all."""
    if not is_postgres(database):
        return database
    form = _WELL_FORMED.fullmatch(database)
    if form is None:
        return "postgresql://(an address that is not well formed)"
    user = f"{form['user']}@" if form["user"] else ""
    return f"postgresql://{user}{form['place']}"


def is_well_formed(database: str) -> bool:
    """Whether the parts of an address can be told apart. Where not, what a driver says of it may hold a piece of the password."""
    return _WELL_FORMED.fullmatch(database) is not None
