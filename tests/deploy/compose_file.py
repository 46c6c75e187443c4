"""`deploy/compose.yaml` as Docker Compose reads it: variables put in, profiles chosen."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<word>[^}]*))?\}")


class NotSet(Exception):
    """A `${NAME:?...}` that has no value."""


def rendered(environ: Mapping[str, str], profiles: Collection[str] = ()) -> dict[str, Any]:
    """The file with `environ` put in and only the services of `profiles`. Raises NotSet, as Compose refuses: for any service."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: _value(found, environ), value)
        if isinstance(value, Mapping):
            return {key: fill(inner) for key, inner in value.items()}
        return [fill(inner) for inner in value] if isinstance(value, list) else value

    whole: dict[str, Any] = fill(yaml.safe_load(FILE.read_text("utf-8")))
    whole["services"] = {name: one for name, one in whole["services"].items() if set(one["profiles"]) & set(profiles)}
    return whole


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    name, how, word = found["name"], found["how"] or "", found["word"] or ""
    value = environ.get(name)
    there = bool(value) if how.startswith(":") or not how else value is not None
    if there:
        return value or ""
    if how.endswith("?"):
        raise NotSet(name)
    return word if how.endswith("-") else value or ""


def environment(service: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """What a container gets: a variable without a value is the caller's, where they have one."""
    given = {name: environ.get(name) if value is None else str(value) for name, value in service.get("environment", {}).items()}
    return {name: value for name, value in given.items() if value is not None}
