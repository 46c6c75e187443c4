"""What is wrong with a configuration file, told so that it can be mended and no secret is repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
    """`[web] ` for a table, `[[mcp]] 2 ` for one of several; empty at the top of the file."""
    if not place:
        return ""
    head = str(place[0])
    rest = [str(part + 1) if isinstance(part, int) else part for part in place[1:]]
    bracketed = f"[[{head}]]" if isinstance(tables.get(head), list) else f"[{head}]"
    return " ".join((bracketed, *rest)) + " "


def _known(model: type[BaseModel] | None, place: list[int | str]) -> list[str]:
    """The keys that a table may have."""
    if model is None:
        return []
    if not place:
        return list(model.model_fields)
    annotation = model.model_fields[str(place[0])].annotation
    kinds = [annotation, *getattr(annotation, "__args__", ())]
    inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return list(inner.model_fields) if inner is not None else []
