"""Tokens that programs are given instead of the password: named, with a role and an end, and revocable. Only their hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from workbench.store.base import Store

TokenRole = Literal["operator", "viewer", "talk"]
ROLES: tuple[TokenRole, ...] = ("operator", "viewer", "talk")
PREFIX = "wbt_"
"""By which a bearer is told from a password."""
DAYS_MAX = 3_650
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token. `secret` is told this once."""

    token_id: str
    name: str
    role: TokenRole
    expires_at: datetime | None
    secret: str


def hashed(secret: str) -> str:
    """Enough for 256 bits of chance: there is nothing to guess that a slow hash would protect."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(store: Store, name: str, role: TokenRole, *, days: float | None, now: datetime | None = None) -> Made:
    """Makes a token that ends after `days`, or never. Raises ValueError for a name, a role or a time that cannot be, or a name in use."""
    now = now or datetime.now(UTC)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name for a token; use 1 to 64 letters, digits, spaces, dots, hyphens and underscores.")
    if role not in ROLES:
        raise ValueError(f"there is no role {role!r}; choose one of {', '.join(ROLES)}.")
    if days is not None and not 0 < days <= DAYS_MAX:
        raise ValueError(f"a token cannot last {days:g} days; give more than 0 and at most {DAYS_MAX}, or none for one that never ends.")
    if any(row["name"] == name and _good(row, now) for row in tokens(store)):
        raise ValueError(f"there is a token named {name!r}; revoke it first, or choose another name.")
    made = Made(
        secrets.token_hex(8), name, role, None if days is None else now + timedelta(days=days), f"{PREFIX}{secrets.token_urlsafe(32)}"
    )
    store.write(
        (
            "INSERT INTO access_tokens (token_id, name, role, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
            [made.token_id, name, role, hashed(made.secret), now, made.expires_at],
        )
    )
    return made


def tokens(store: Store) -> list[dict[str, Any]]:
    """All there ever were, the newest first: `token_id`, `name`, `role`, `created_at`, `expires_at`, `revoked_at`."""
    return store.query(
        "SELECT token_id, name, role, created_at, expires_at, revoked_at FROM access_tokens ORDER BY created_at DESC, token_id"
    )


def revoke(store: Store, token_id: str, *, now: datetime | None = None) -> bool:
    """False when no token that still holds has this id or name."""
    now = now or datetime.now(UTC)
    found = [row["token_id"] for row in tokens(store) if token_id in (row["token_id"], row["name"]) and _good(row, now)]
    if found:
        store.write(("UPDATE access_tokens SET revoked_at = $2 WHERE token_id = $1", [found[0], now]))
    return bool(found)


def role_of(store: Store, secret: str, *, now: datetime | None = None) -> TokenRole | None:
    """Whose token this is; None for one that never was, is over, or was revoked. Raises StoreError."""
    rows = store.query("SELECT role, expires_at, revoked_at FROM access_tokens WHERE hash = $1", [hashed(secret)])
    return rows[0]["role"] if rows and _good(rows[0], now or datetime.now(UTC)) else None


def _good(row: dict[str, Any], now: datetime) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now)
