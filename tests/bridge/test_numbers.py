from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.numbers import read_number, say_number
from workbench.bridge.words import phrase_list


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_read_back(value: int) -> None:
    words = say_number(value).split()
    assert read_number(words) == (value, len(words))


@given(st.decimals(-(10**6), 10**6, places=4))
def test_decimals_read_back(value: object) -> None:
    words = say_number(Fraction(str(value))).split()
    assert read_number(words) == (Fraction(str(value)), len(words))


@pytest.mark.parametrize(
    ("said", "value", "taken"),
    [
        ("a hundred and five", 105, 4),
        ("one thousand and one", 1_001, 4),
        ("two million three hundred thousand", 2_300_000, 5),
        ("3 million", 3_000_000, 2),
        ("minus four", -4, 2),
        ("three point one four", Fraction("3.14"), 4),
        ("seventy five", 75, 2),
        ("one two three", 1, 1),
        ("fourty two", 42, 2),
        ("0.5", Fraction(1, 2), 1),
    ],
)
def test_spoken_numbers(said: str, value: Fraction, taken: int) -> None:
    assert read_number(said.split()) == (value, taken)


@pytest.mark.parametrize("said", ["", "clubs", "a dog", "and five", "point five", "hundred", "9" * 40])
def test_no_number(said: str) -> None:
    assert read_number(said.split()) is None


def test_what_is_too_long_to_say() -> None:
    with pytest.raises(OverflowError, match="too many digits"):
        say_number(10**15)


@given(st.lists(st.sampled_from(phrase_list("one two twenty hundred thousand million and point minus a 5 0.25 oh clubs")[0]), max_size=12))
def test_never_reads_past_the_end(words: list[str]) -> None:
    read = read_number(words)
    assert read is None or 0 < read[1] <= len(words)
