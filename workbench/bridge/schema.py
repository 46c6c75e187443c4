"""Arguments checked against their JSON Schema, with the `jsonschema` library (2020-12 where the schema names no other draft).

Two things are stricter than the standard. A schema that says something nobody here would check (an unknown keyword, a reference that
leads outside) is refused when its tool is made, so that no rule is ever silently skipped. And an argument that is not described is
refused unless the schema itself opens that object with `additionalProperties`: what a talk made up must not reach a tool.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError as _LibrarySchemaError
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

MAX_SCHEMA_BYTES = 65_536
_MAX_DEPTH = 32
_MAX_WEIGHT = 20_000
"""Schemas that one check may come to, references followed. A few lines that double each other could otherwise ask for 2^100."""
_MAX_TOLD = 200

_NOTES = frozenset(
    {
        "$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated",
        "readOnly", "writeOnly", "contentMediaType", "contentEncoding", "contentSchema", "discriminator", "then", "else", "minContains",
        "maxContains",
    }
)  # fmt: skip
"""Keywords without a rule of their own: notes to the reader, places for other schemas, and parts of a neighbouring keyword."""
_MANY = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE = (
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames", "contains", "not",
    "if", "then", "else",
)  # fmt: skip
_OPENING = frozenset({"additionalProperties", "unevaluatedProperties"})
_COMBINING = frozenset({"allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas"})


class SchemaError(ValueError):
    """A schema says something that cannot be checked, or arguments do not fit their schema."""


def _parses(read: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            read(value)
        return True

    return check


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError("a date-time has a T and a time zone")
    return moment


def _uri(text: str) -> None:
    if not urlsplit(text).scheme or re.search(r"\s", text):
        raise ValueError("a URI begins with a scheme and holds no spaces")


def _email(text: str) -> None:
    if re.fullmatch(r"[^@\s]+@[^@\s]+", text) is None:
        raise ValueError("an address is name@host")


FORMATS = FormatChecker(formats=("ipv4", "ipv6", "regex"))
"""What `format` is checked for. The library leaves most of them out unless further packages are installed."""
for _name, _read in {
    "date": date.fromisoformat,
    "date-time": _aware,
    "time": time.fromisoformat,
    "uuid": uuid.UUID,
    "uri": _uri,
    "email": _email,
}.items():
    FORMATS.checks(_name, raises=ValueError)(_parses(_read))


class Checker:
    """A schema made ready. Raises SchemaError when it is none, or says anything that `check` would not enforce.

    `unchecked` names the formats that nobody here knows how to check (`path`, `binary`, ...). By the standard (2020-12, validation,
    section 7.2.1) an unknown format is a note and no rule; whoever lists the tool shows it.
    """

    def __init__(self, schema: Mapping[str, Any], where: str = "parameters") -> None:
        plain = _plain(schema, where)
        kind = validator_for(plain, default=Draft202012Validator) if "$schema" in plain else Draft202012Validator
        if "$schema" in plain and kind.META_SCHEMA.get("$schema", "").rstrip("#") != str(plain["$schema"]).rstrip("#"):
            raise SchemaError(
                f"{where}: $schema {str(plain['$schema'])[:80]!r} is not a draft that is known here; leave it out for 2020-12"
            )
        try:
            kind.check_schema(plain)
        except _LibrarySchemaError as error:
            raise SchemaError(f"{where}{_path(error)}: {error.message[:_MAX_TOLD]}") from error
        known = _NOTES | frozenset(kind.VALIDATORS)
        unchecked: dict[str, None] = {}
        for inner, place in _schemas(plain, where, 0):
            _keywords(inner, place, known, unchecked)
        self.unchecked = tuple(unchecked)
        _weigh(plain, where)
        closed = _closed(plain, unevaluated="unevaluatedProperties" in kind.VALIDATORS)
        if not _OPENING & set(plain) and not _COMBINING & set(plain):
            missing = sorted(set(plain.get("required", ())) - set(plain.get("properties", {})))
            if missing:
                raise SchemaError(f"{where}: {missing[0][:80]!r} is required but not described under properties")
        # An empty registry: a reference is looked up in this document or not at all, never fetched from anywhere.
        self._validator = kind(closed, registry=Registry(), format_checker=FORMATS)

    def check(self, value: Any, where: str = "arguments") -> None:
        """Raises SchemaError with the place of what does not fit. `value` is plain JSON."""
        try:
            error = best_match(self._validator.iter_errors(value))
        except RecursionError as fault:
            raise SchemaError(f"{where}: the schema refers to itself without end") from fault
        if error is not None:
            raise SchemaError(f"{where}{_path(error)}: {_told(error)}")


def _plain(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The schema as plain JSON of a bearable size."""
    try:
        text = json.dumps(schema, allow_nan=False, default=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"{where}: is not JSON: {error}") from error
    if len(text) > MAX_SCHEMA_BYTES:
        raise SchemaError(f"{where}: the schema has {len(text)} bytes, more than the {MAX_SCHEMA_BYTES} that are read")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _as_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _schemas(schema: Any, where: str, depth: int) -> Iterator[tuple[dict[str, Any], str]]:
    """A schema and all those inside it, each with its place."""
    if not isinstance(schema, dict):
        return
    if depth > _MAX_DEPTH:
        raise SchemaError(f"{where}: schemas lie more than {_MAX_DEPTH} deep in each other")
    yield schema, where
    for keyword in _MANY:
        for name, inner in schema.get(keyword, {}).items():
            yield from _schemas(inner, f"{where}.{name}", depth + 1)
    for keyword in _SEVERAL:
        for index, inner in enumerate(schema.get(keyword, ())):
            yield from _schemas(inner, f"{where}.{keyword}[{index}]", depth + 1)
    for keyword in _ONE:
        inner = schema.get(keyword)
        for part in inner if isinstance(inner, list) else (inner,):
            yield from _schemas(part, f"{where}[]" if keyword == "items" else f"{where}.{keyword}", depth + 1)


def _weigh(schema: dict[str, Any], where: str) -> None:
    """Raises SchemaError for a reference that leads nowhere, and when following them all comes to too many schemas."""
    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    base = resource.id() or ""
    resolver = Registry().with_resource(base, resource).resolver(base)
    weights: dict[str, int] = {}

    def reference(target: str, place: str) -> int:
        if target not in weights:
            # A circle adds nothing: how far it is followed depends on the value that is checked.
            weights[target] = 0
            try:
                found = resolver.lookup(target).contents
            except Unresolvable as error:
                raise SchemaError(f"{place}: the reference {target[:80]!r} leads to nothing in this schema") from error
            weights[target] = weight(found, place)
        return weights[target]

    def weight(part: Any, place: str) -> int:
        total = 0
        for inner, inner_place in _schemas(part, place, 0):
            total += 1 + sum(reference(str(inner[keyword]), inner_place) for keyword in ("$ref", "$dynamicRef") if keyword in inner)
        if total > _MAX_WEIGHT:
            raise SchemaError(f"{place}: to check one value would take more than {_MAX_WEIGHT} schemas")
        return total

    weight(schema, where)


def _keywords(schema: dict[str, Any], where: str, known: frozenset[str], unchecked: dict[str, None]) -> None:
    # The standard lets anybody add keywords of their own that begin with "x-"; they are notes.
    unknown = sorted(word for word in schema if word not in known and not word.startswith("x-"))
    if unknown:
        raise SchemaError(f"{where}: keyword {unknown[0][:80]!r} is not one of JSON Schema, so nobody would check it")
    kind = schema.get("format")
    if kind is not None and kind not in FORMATS.checkers:
        unchecked[str(kind)[:80]] = None
    if "$id" in schema and where.count(".") + where.count("["):
        raise SchemaError(f"{where}: $id inside a schema is not supported; refer to parts of the schema by #/$defs/NAME")
    if "pattern" in schema:
        _compiles(schema["pattern"], where)
    for pattern in schema.get("patternProperties", ()):
        _compiles(pattern, where)


def _compiles(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise SchemaError(f"{where}: the pattern {pattern[:80]!r} cannot be read: {error}") from error


def _closed(schema: Any, *, unevaluated: bool, root: bool = True) -> Any:
    """The schema with every object closed that lists its properties and does not say otherwise."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: _closed(inner, unevaluated=unevaluated, root=False) for name, inner in made["properties"].items()}
    if isinstance(made.get("items"), dict):
        made["items"] = _closed(made["items"], unevaluated=unevaluated, root=False)
    if (root or "properties" in made) and not _OPENING & set(made):
        if unevaluated:
            # Not `additionalProperties`: properties may be described by a neighbour such as `allOf`.
            made["unevaluatedProperties"] = False
        elif not _COMBINING & set(made):
            made["additionalProperties"] = False
    return made


def _path(error: ValidationError | _LibrarySchemaError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}"[:_MAX_TOLD] for part in error.absolute_path)


def _told(error: ValidationError) -> str:
    """The error in words; the library's own quote the whole value, however long."""
    if error.validator in ("unevaluatedProperties", "additionalProperties") and error.validator_value is False:
        described = ", ".join(error.schema.get("properties", {})) or "none"
        unknown = [name for name in error.instance if name not in error.schema.get("properties", {})]
        return f"{', '.join(map(repr, unknown))[:80]} is not an argument here; known are {described}"[:_MAX_TOLD]
    if error.validator == "type":
        wanted = error.validator_value
        return f"expected {wanted if isinstance(wanted, str) else ' or '.join(wanted)}, got {_kind(error.instance)}"
    return error.message if len(error.message) <= _MAX_TOLD else f"{error.message[:_MAX_TOLD]}…"


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


def simple(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a schema comes to for somebody who must speak a value of it: a local reference is followed, and of several choices the
    only one that is not null is taken. Anything less simple is given back as it is."""
    for _step in range(_MAX_DEPTH):
        target = schema.get("$ref")
        choices = [choice for choice in schema.get("anyOf", schema.get("oneOf", ())) if choice.get("type") != "null"]
        kinds = schema.get("type")
        if isinstance(target, str) and target.startswith("#/$defs/") and target[8:] in root.get("$defs", {}):
            schema = root["$defs"][target[8:]]
        elif len(choices) == 1:
            schema = choices[0]
        elif isinstance(kinds, list) and len(others := [kind for kind in kinds if kind != "null"]) == 1:
            return {**schema, "type": others[0]}
        else:
            break
    return schema
