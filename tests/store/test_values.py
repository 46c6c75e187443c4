from __future__ import annotations

import json
import math
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.store.values import clean_text, to_json

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.dates() | st.binary(max_size=8),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.frozensets(st.text()) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_anything_becomes_strict_json_in_utf8(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(to_json(value).encode(), parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "null"),
        ([math.inf, 1.5], "[null, 1.5]"),
        (MappingProxyType({"a": (1, 2)}), '{"a": [1, 2]}'),
        ({"day": date(2026, 3, 1)}, '{"day": "2026-03-01"}'),
        ("\ud800", '"?"'),
        ("Grüße", '"Grüße"'),
    ],
)
def test_what_json_has_not(value: Any, text: str) -> None:
    assert to_json(value) == text


@given(st.text(st.characters()))
def test_text_is_clean_for_both_databases(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    clean.encode()
    assert len(clean) == len(text)
