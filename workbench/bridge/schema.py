"""Arguments checked against the part of JSON Schema that tools use. Strict: an argument that is not described is refused.

A schema that uses any other keyword is refused when its tool is made, so that no rule is ever silently skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}
_NOTES = {"title", "description", "default", "examples", "$schema"}
_RULES = {
    "type", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "items", "minItems", "maxItems",
    "properties", "required", "additionalProperties",
}  # fmt: skip


class SchemaError(ValueError):
    """A schema uses something that is not checked here, or arguments do not fit their schema."""


def check_schema(schema: Mapping[str, Any], where: str = "parameters") -> None:
    """Raises SchemaError when `schema` says anything that `check` would not enforce."""
    unknown = sorted(set(schema) - _RULES - _NOTES)
    if unknown:
        raise SchemaError(f"{where}: keyword {unknown[0]!r} is not supported; use only {', '.join(sorted(_RULES))}")
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        raise SchemaError(f"{where}: type {kind!r} is not one of {', '.join(_TYPES)}")
    if schema.get("additionalProperties") not in (None, False):
        raise SchemaError(f"{where}: additionalProperties can only be false: an undescribed argument is always refused")
    properties = schema.get("properties", {})
    missing = sorted(set(schema.get("required", ())) - set(properties))
    if missing:
        raise SchemaError(f"{where}: {missing[0]!r} is required but not described under properties")
    for name, inner in properties.items():
        check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        check_schema(schema["items"], f"{where}[]")


def check(value: Any, schema: Mapping[str, Any], where: str = "arguments") -> None:
    """Raises SchemaError with the place of the first thing in `value` that does not fit `schema`."""
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        raise SchemaError(f"{where}: expected {kind}, got {type(value).__name__}")
    if "enum" in schema and value not in schema["enum"]:
        raise SchemaError(f"{where}: {value!r} is not one of {', '.join(map(repr, schema['enum']))}")
    if isinstance(value, str):
        _check_size(len(value), schema, "minLength", "maxLength", "characters", where)
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            raise SchemaError(f"{where}: does not match the pattern {schema['pattern']!r}")
    elif isinstance(value, Mapping):
        _check_object(value, schema, where)
    elif isinstance(value, Sequence):
        _check_size(len(value), schema, "minItems", "maxItems", "items", where)
        for index, item in enumerate(value):
            check(item, schema.get("items", {}), f"{where}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_size(value, schema, "minimum", "maximum", "", where)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> None:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            raise SchemaError(f"{where}: {name!r} is missing")
    for name, item in value.items():
        if name not in properties:
            raise SchemaError(f"{where}: {name!r} is not an argument here; known are {', '.join(properties) or 'none'}")
        check(item, properties[name], f"{where}.{name}")


def _check_size(size: float, schema: Mapping[str, Any], low: str, high: str, unit: str, where: str) -> None:
    if low in schema and size < schema[low]:
        raise SchemaError(f"{where}: {size} {unit} is less than the least allowed, {schema[low]}".replace("  ", " "))
    if high in schema and size > schema[high]:
        raise SchemaError(f"{where}: {size} {unit} is more than the most allowed, {schema[high]}".replace("  ", " "))
