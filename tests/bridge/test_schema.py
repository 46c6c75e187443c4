from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.schema import Checker, SchemaError, simple
from workbench.bridge.slots import slot_of
from workbench.bridge.tool import Tool

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number"},
        "kind": {"enum": ["a", "b"]},
        "on": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "inner": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "Maybe"},
        "slot": {"$ref": "#/$defs/Slot"},
    },
    "required": ["name"],
    "$defs": {
        "Slot": {"type": "object", "properties": {"day": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}},
    },
}


def test_what_fits() -> None:
    Checker(SCHEMA).check(
        {
            "name": "abc",
            "count": 3,
            "share": 0.5,
            "kind": "b",
            "on": True,
            "tags": ["x"],
            "inner": {"x": 1},
            "maybe": None,
            "slot": {"day": "Mon"},
        }
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "arguments: 'name' is a required property"),
        ({"name": 5}, "arguments.name: expected string, got integer"),
        ({"name": ""}, "arguments.name: '' should be non-empty"),
        ({"name": "abcdef"}, "is too long"),
        ({"name": "A"}, "does not match"),
        ({"name": "a", "count": True}, "arguments.count: expected integer, got boolean"),
        ({"name": "a", "count": 10}, "10 is greater than the maximum of 9"),
        ({"name": "a", "count": 1.5}, "expected integer, got number"),
        ({"name": "a", "kind": "c"}, "arguments.kind: 'c' is not one of"),
        ({"name": "a", "tags": ["x", 2]}, r"arguments.tags\[1\]: expected string"),
        ({"name": "a", "tags": ["x"] * 3}, "arguments.tags: .* is too long"),
        ({"name": "a", "inner": {}}, "arguments.inner: 'x' is a required property"),
        ({"name": "a", "inner": {"x": 1, "y": 2}}, "arguments.inner: 'y' is not an argument here; known are x"),
        ({"name": "a", "other": 1}, "arguments: 'other' is not an argument here"),
        ({"name": "a", "maybe": "x"}, "arguments.maybe: 'x' is not valid under any"),
        ({"name": "a", "slot": {"day": 1}}, "arguments.slot.day: expected string"),
        ({"name": "a", "slot": {"day": "Mon", "at": "noon"}}, "arguments.slot.at: 'noon' is not a 'date-time'"),
        ([], "arguments: expected object, got array"),
    ],
)
def test_what_does_not_fit(arguments: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Checker(SCHEMA).check(arguments)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "oneOf": []}, "parameters.oneOf"),
        ({"type": "text"}, "parameters.type: 'text' is not valid"),
        ({"type": "object", "required": ["x"]}, "'x' is required but not described"),
        ({"properties": {"x": {"range": [1, 2]}}}, "parameters.x: keyword 'range' is not one of JSON Schema"),
        ({"items": {"shape": 1}}, r"parameters\[\]: keyword 'shape'"),
        ({"$defs": {"a": {"odd": 1}}}, "parameters.a: keyword 'odd'"),
        ({"properties": {"x": {"pattern": "("}}}, "parameters.properties.x.pattern"),
        ({"properties": {"x": {"$ref": "#/$defs/missing"}}}, "parameters.x: the reference '#/\\$defs/missing' leads to nothing"),
        ({"properties": {"x": {"$ref": "http://127.0.0.1:1/schema"}}}, "leads to nothing in this schema"),
        ({"$schema": "http://example.org/own"}, "is not a draft that is known"),
        ({"properties": {"x": {"$id": "http://example.org/x"}}}, "\\$id inside a schema"),
        ({"description": "x" * 70_000}, "more than the 65536"),
        ({"minimum": float("nan")}, "is not JSON"),
    ],
)
def test_a_rule_that_is_not_enforced_is_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Checker(schema)


def test_a_schema_that_doubles_itself_is_refused_at_once() -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(100)} | {"d100": {"type": "string"}}
    with pytest.raises(SchemaError, match="more than 20000 schemas"):
        Checker({"$defs": doubling, "properties": {"x": {"$ref": "#/$defs/d0"}}})


def test_a_schema_that_lies_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="deep in each other"):
        Checker(deep)


def test_circles() -> None:
    tree = Checker(
        {
            "properties": {"root": {"$ref": "#/$defs/node"}},
            "$defs": {"node": {"type": "object", "properties": {"left": {"$ref": "#/$defs/node"}, "size": {"type": "integer"}}}},
        }
    )
    tree.check({"root": {"left": {"left": {"size": 3}}}})
    with pytest.raises(SchemaError, match=r"arguments.root.left.size: expected integer"):
        tree.check({"root": {"left": {"size": "x"}}})
    with pytest.raises(SchemaError, match="without end"):
        Checker({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}).check({})


def test_an_object_may_open_itself() -> None:
    Checker({"type": "object", "additionalProperties": {"type": "integer"}}).check({"any": 1})
    with pytest.raises(SchemaError, match=r"arguments\.any: expected integer"):
        Checker({"type": "object", "additionalProperties": {"type": "integer"}}).check({"any": "x"})
    both = Checker({"type": "object", "allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]})
    both.check({"a": 1, "b": 2})
    with pytest.raises(SchemaError, match="'c' is not an argument here"):
        both.check({"a": 1, "c": 2})
    old = Checker({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"a": {}}})
    with pytest.raises(SchemaError, match="'c' is not an argument here"):
        old.check({"c": 2})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-02-28T09:30:00Z", "2026-02-28T09:30:00"),
        ("time", "09:30:00", "9 o'clock"),
        ("uuid", "8c7d8a0e-5a3e-4a2d-9a51-6a2a3a9a7d10", "8c7d"),
        ("uri", "https://example.org/a", "no scheme"),
        ("email", "a@example.org", "a.example.org"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
    ],
)
def test_formats_that_are_checked(kind: str, good: str, bad: str) -> None:
    checker = Checker({"properties": {"x": {"type": "string", "format": kind}}})
    assert checker.unchecked == ()
    checker.check({"x": good})
    with pytest.raises(SchemaError, match=f"is not a '{kind}'"):
        checker.check({"x": bad})


def test_formats_that_nobody_here_can_check_are_named() -> None:
    tool = Tool("t", "Do it", {"type": "object", "properties": {"x": {"format": "path"}, "y": {"format": "binary"}}})
    assert tool.unchecked_formats == ("path", "binary")


def test_arguments_of_foreign_schemas_are_spoken_by_what_they_come_to() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "unit": {"anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}], "default": None},
            "count": {"type": ["integer", "null"]},
        },
        "$defs": {"Unit": {"enum": ["celsius", "kelvin"]}},
    }
    tool = Tool("t", "Do it", parameters)
    assert simple(tool.properties["unit"], parameters) == {"enum": ["celsius", "kelvin"]}
    assert slot_of(tool, "unit").parse(["celsius"]).value == "celsius"  # type: ignore[union-attr]
    assert slot_of(tool, "count").parse(["three"]).value == 3  # type: ignore[union-attr]
    loop = {"$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert simple({"$ref": "#/$defs/a"}, loop) == {"$ref": "#/$defs/a"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), json_values))
def test_any_arguments_fit_or_are_refused(arguments: dict[str, Any]) -> None:
    try:
        Checker(SCHEMA).check(arguments)
    except SchemaError:
        return
    assert set(arguments) <= set(SCHEMA["properties"])
    assert "name" in arguments


WORDS = [
    "type",
    "properties",
    "items",
    "$ref",
    "$defs",
    "anyOf",
    "enum",
    "required",
    "pattern",
    "format",
    "$id",
    "not",
    "if",
    "x-own",
    "odd",
]


@given(st.recursive(json_values, lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=4), max_leaves=12))
def test_any_json_is_a_schema_or_is_refused(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    try:
        checker = Checker(schema)
        checker.check({"a": 1})
    except SchemaError:
        return
    assert "odd" not in schema
