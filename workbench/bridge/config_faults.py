"""What is wrong with a configuration file, told so that it can be mended and no secret is repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

_SECRET = re.compile(r"(^|_)(token|secret|password|passwd|api_?key|authorization|bearer)$", re.IGNORECASE)


class ConfigError(Exception):
    """The configuration cannot be used. The message names the file, the table, the key and the mend."""


def secret_fault(table: Mapping[str, Any]) -> str | None:
    """`key: what to do` for the first key of a table that would hold a secret itself."""
    key = next((key for key in table if _SECRET.search(key)), None)
    if key is None:
        return None
    return f"{key}: secrets do not belong into this file; put it into an environment variable and write its name as {key}_env"


def fault_of(error: ValidationError, tables: Mapping[str, Any], model: type[BaseModel] | None = None) -> str:
    """The first fault of a file: `[table] key: what is wrong; mend`. `model` describes the file, for the known keys of a table."""
    fault = error.errors()[0]
    place = list(fault["loc"])
    *above, key = place
    shown = f"{_table_name(above, tables)}{key}"
    secret = secret_fault({str(key): None})
    if fault["type"] == "extra_forbidden":
        if secret is not None:
            return f"{_table_name(above, tables)}{secret}"
        known = _known(model, above)
        return f"{shown}: no such key" + (f"; known are {', '.join(known)}" if known else "")
    if fault["type"] == "missing":
        return f"{shown}: it is missing; write it"
    if str(key).endswith("_env"):
        # Whoever wrote the secret itself there should not find it in a log.
        return f"{shown}: must be the name of an environment variable in capitals, such as N8N_TOKEN, never the secret itself"
    value = fault["input"]
    given = f" (it is {value!r})" if isinstance(value, str | int | float | bool) and len(str(value)) <= 60 and "@" not in str(value) else ""
    return f"{shown}: {fault['msg'].removeprefix('Value error, ')}{given}"


def _table_name(place: list[int | str], tables: Mapping[str, Any]) -> str:
    """`[web] ` for a table, `[access.users.ada] ` for an inner one, `[[mcp]] 2 ` for one of several; empty at the top of the file."""
    if not place:
        return ""
    head = str(place[0])
    if isinstance(tables.get(head), list):
        return " ".join((f"[[{head}]]", *(str(part + 1) if isinstance(part, int) else part for part in place[1:]))) + " "
    return f"[{'.'.join(map(str, place))}] "


def _known(model: type[BaseModel] | None, place: list[int | str]) -> list[str]:
    """The keys that a table may have."""
    kind: Any = model
    for part in place:
        if _is_model(kind):
            annotation = kind.model_fields[str(part)].annotation
            kind = next((inner for inner in (annotation, *get_args(annotation)) if _is_model(inner) or get_origin(inner) is dict), None)
        else:  # a table whose keys are names, such as `[access.users]`
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
    return list(kind.model_fields) if _is_model(kind) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
