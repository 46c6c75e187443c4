from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.cut import MAX_DEPTH, NOTE, cut

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=60,
)
results = st.dictionaries(st.text(max_size=20).filter(lambda key: key != NOTE), values, max_size=20)


@given(results, st.integers(100, 2_000))
def test_any_result_is_bounded_json(data: dict[str, Any], max_bytes: int) -> None:
    made = cut(data, max_bytes)
    note = made.pop(NOTE, None)
    assert len(json.dumps(made, allow_nan=False)) <= max_bytes + 150
    assert note is None or "left out or shortened" in note


@given(st.dictionaries(st.text(max_size=20), st.lists(st.integers(-5, 5) | st.text(max_size=20) | st.booleans(), max_size=5), max_size=5))
def test_what_fits_is_left_as_it_is(data: dict[str, Any]) -> None:
    assert cut(data, 100_000) == data


def test_a_large_result_is_cut_with_a_note() -> None:
    made = cut({"rows": [{"text": "x" * 50, "n": n} for n in range(10_000)], "after": 1}, 5_000)
    assert 40 < len(made["rows"]) < 80
    assert "after" not in made
    assert "left out" in made[NOTE]


def test_a_long_text_is_shortened() -> None:
    made = cut({"text": "ü" * 10_000}, 1_000)
    assert made["text"].endswith("…")
    assert 800 < len(json.dumps(made["text"])) <= 1_000


def test_deep_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    made = cut({"deep": deep}, 10_000)
    assert json.dumps(made["deep"]).count("[") == MAX_DEPTH - 1
    assert NOTE in made


def test_what_is_no_json_becomes_json() -> None:
    made = cut({"nan": math.nan, "inf": -math.inf, "bytes": b"x", "set": {1}, "big": 10**5_000, 3: "three"}, 10_000)
    assert made == {"nan": None, "inf": None, "bytes": "a bytes", "set": [1], "big": "a number of 16610 bits", "3": "three"}


def test_every_text_passes_the_filter_even_at_the_edge() -> None:
    made = cut(
        {"k-secret": ["secret", {"in": "a secret b"}], "long": "y" * 200 + "secret"}, 250, text=lambda text: text.replace("secret", "*")
    )
    assert "secret" not in json.dumps(made)
    assert made["k-*"] == ["*", {"in": "a * b"}]
