from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.expression import Number, Sum, parse, work_out, written
from workbench.bridge.tools.arithmetic import TOOL, answer, read_expression
from workbench.bridge.words import phrase_list, tokens


@pytest.mark.parametrize(
    ("expression", "spoken", "value"),
    [
        ("twelve times seven", "Twelve times seven is eighty four.", 84),
        ("15 percent of 80", "Fifteen percent of eighty is twelve.", 12),
        ("15% of 80", "Fifteen percent of eighty is twelve.", 12),
        ("square root of 81", "The square root of eighty one is nine.", 9),
        ("sqrt 2", "The square root of two is about one point four one four two.", pytest.approx(2**0.5)),
        ("one divided by three", "One divided by three is about zero point three three three three.", pytest.approx(1 / 3)),
        ("two plus three times four", "That is fourteen.", 14),
        ("(2 + 3) * 4", "That is twenty.", 20),
        ("two to the power of ten", "Two to the power of ten is one thousand twenty four.", 1_024),
        ("minus three plus five", "Minus three plus five is two.", 2),
        ("half of ninety", "Ninety divided by two is forty five.", 45),
        ("ten minus four minus three", "That is three.", 3),
        ("0.1 + 0.2", "Zero point one plus zero point two is zero point three.", 0.3),
        ("five divided by zero", "I cannot divide by zero.", None),
        ("0 ^ (minus 1)", "I cannot divide by zero.", None),
        ("square root of minus four", "A negative number has no real square root.", None),
        ("nine to the power of nine to the power of nine", "I cannot read that as a sum.", None),
        ("(9 ^ 9) ^ 9", "That number is too big for me.", None),
        ("((2 ^ 60) ^ 60) / ((2 ^ 60) ^ 60)", "That number is too big for me.", None),
        ("2 ^ 1000000", "I can only raise to whole powers up to sixty four.", None),
        ("__import__('os')", "I cannot read that as a sum.", None),
    ],
)
def test_answers(expression: str, spoken: str, value: Any) -> None:
    found = answer({"expression": expression})
    assert found.spoken == spoken
    assert found.data["value"] == value


@pytest.mark.parametrize(
    "text",
    [
        "seven",
        "five five",
        "one two three",
        "ten of clubs",
        "to plus for",
        "three times a day",
        "two plus",
        "times two",
        "((((1+1",
        "1 1",
        "",
    ],
)
def test_no_sum(text: str) -> None:
    assert read_expression(tokens(text)) is None


numbers = st.fractions(min_value=-999, max_value=999, max_denominator=1).map(Number)
trees = st.recursive(
    numbers, lambda inner: st.builds(Sum, st.sampled_from("+-*/%^"), inner, inner) | st.builds(Sum, st.just("sqrt"), inner), max_leaves=5
)


@given(trees.filter(lambda tree: isinstance(tree, Sum)))
def test_what_is_written_reads_back(tree: Sum) -> None:
    """The arguments of a call are the written sum, so nothing may change on that way."""
    words = tokens(written(tree))
    again = parse(words)
    assert again is not None or len(words) > 30
    if again is not None:
        assert written(again) == written(tree)


@given(
    st.lists(
        st.sampled_from(phrase_list("one 7 0 plus minus times over ^ percent of ( ) the square root half squared to point")[0]), max_size=30
    )
)
def test_any_words_are_answered_in_a_moment(words: list[str]) -> None:
    found = answer({"expression": " ".join(words)})
    assert found.spoken.endswith(".")


@given(st.integers(-999, 999), st.integers(-999, 999))
def test_it_is_right(left: int, right: int) -> None:
    for sign, value in (("+", left + right), ("-", left - right), ("*", left * right)):
        assert work_out(Sum(sign, Number(left), Number(right))).value == value


def test_examples_are_sums_and_few() -> None:
    examples = TOOL.slots["expression"].examples
    assert len(examples) < 1_500
    assert "forty two plus eight" in examples
    assert all(parse(tokens(example)) for example in examples)
