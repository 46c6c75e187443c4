from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.schema import SchemaError, check, check_schema

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
    },
    "required": ["name"],
}


def test_what_fits() -> None:
    check_schema(SCHEMA)
    check({"name": "abc", "count": 3, "share": 0.5, "kind": "b", "on": True, "tags": ["x"], "inner": {"x": 1}}, SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'name' is missing"),
        ({"name": 5}, "arguments.name: expected string, got int"),
        ({"name": ""}, "less than the least"),
        ({"name": "abcdef"}, "more than the most"),
        ({"name": "A"}, "pattern"),
        ({"name": "a", "count": True}, "expected integer, got bool"),
        ({"name": "a", "count": 10}, "more than the most allowed, 9"),
        ({"name": "a", "count": 1.5}, "expected integer, got float"),
        ({"name": "a", "kind": "c"}, "'c' is not one of 'a', 'b'"),
        ({"name": "a", "tags": ["x", 2]}, r"arguments.tags\[1\]: expected string"),
        ({"name": "a", "tags": ["x"] * 3}, "3 items"),
        ({"name": "a", "inner": {}}, "arguments.inner: 'x' is missing"),
        ({"name": "a", "other": 1}, "'other' is not an argument here"),
        ([], "expected object, got list"),
    ],
)
def test_what_does_not_fit(arguments: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        check(arguments, SCHEMA)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "oneOf": []}, "keyword 'oneOf' is not supported"),
        ({"type": "text"}, "type 'text' is not one of"),
        ({"type": "object", "additionalProperties": True}, "can only be false"),
        ({"type": "object", "required": ["x"]}, "'x' is required but not described"),
        ({"type": "object", "properties": {"x": {"format": "uri"}}}, "parameters.x: keyword 'format'"),
        ({"type": "array", "items": {"not": {}}}, r"parameters\[\]: keyword 'not'"),
    ],
)
def test_a_rule_that_is_not_enforced_is_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        check_schema(schema)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), json_values))
def test_any_arguments_fit_or_are_refused(arguments: dict[str, Any]) -> None:
    try:
        check(arguments, SCHEMA)
    except SchemaError:
        return
    assert set(arguments) <= set(SCHEMA["properties"])
    assert "name" in arguments
