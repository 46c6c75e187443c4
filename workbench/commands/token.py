"""`workbench token`: what programs are given instead of the password."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from workbench.commands.common import CommandError, DataDir, Db, Json, load_settings, say, show, told_plainly
from workbench.commands.remote import ask
from workbench.store import tokens
from workbench.store.base import Store
from workbench.store.opening import open_store


class Action(Enum):
    """What to do."""

    create = "create"
    list = "list"
    revoke = "revoke"


class Role(Enum):
    """What a token is for."""

    operator = "operator"
    viewer = "viewer"
    talk = "talk"


def token(
    action: Annotated[Action, typer.Argument(help="`create NAME`, `list`, or `revoke NAME`.")],
    name: Annotated[str | None, typer.Argument(help="What the token is for; for `revoke` its id will do too.")] = None,
    role: Annotated[Role, typer.Option(help="talk: reserve and open talks; viewer: read; operator: everything.")] = Role.talk,
    days: Annotated[float, typer.Option(min=0.0, help="Days until it ends; 0: never.")] = 90.0,
    url: Annotated[str | None, typer.Option(help="Ask the server at this address, which holds the database while it runs.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    db: Db = None,
) -> None:
    """Create, list or revoke tokens. A token's secret is shown once, on stdout; only its hash is kept."""
    with told_plainly():
        if action is not Action.list and not name:
            raise CommandError(f"Name the token: workbench token {action.value} NAME.")
        if url is not None:
            told = _remote(url, action, name or "", role, days or None)
        else:
            store = open_store(load_settings(data_dir=data_dir, db=db).database)
            try:
                told = _here(store, action, name or "", role, days or None)
            finally:
                store.close()
    if as_json:
        show(json.dumps(told, default=str))
    elif action is Action.create:
        say(f"{told['name']} ({told['role']}), until {told['expires_at'] or 'it is revoked'}. It is shown this once:")
        show(told["secret"])
    elif action is Action.revoke:
        say(f"{name} is revoked.")
    else:
        for row in told["tokens"]:
            state = f"revoked {row['revoked_at']}" if row["revoked_at"] else f"until {row['expires_at'] or 'it is revoked'}"
            show(f"{row['token_id']}  {row['role']:<8}  {row['name']}  {state}")


def _remote(url: str, action: Action, name: str, role: Role, days: float | None) -> dict[str, Any]:
    if action is Action.create:
        return ask(url, "/api/tokens", {"name": name, "role": role.value, "days": days})
    if action is Action.revoke:
        return ask(url, f"/api/tokens/{quote(name, safe='')}", method="DELETE")
    return ask(url, "/api/tokens", method="GET")


def _here(store: Store, action: Action, name: str, role: Role, days: float | None) -> dict[str, Any]:
    if action is Action.list:
        return {"tokens": tokens.tokens(store)}
    try:
        if action is Action.create:
            return asdict(tokens.create(store, name, role.value, days=days))
    except ValueError as error:
        raise CommandError(str(error)) from error
    if not tokens.revoke(store, name):
        raise CommandError(f"No token that still holds is named {name!r}. `workbench token list` shows them.")
    return {"success": True, "token_id": name}
