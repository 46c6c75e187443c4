"""Figures are equal however they are written or said."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.spoken_figures import Figure, agreeing, figures
from workbench.bridge.numbers import say_number


def read(text: str) -> list[tuple[float, str]]:
    return [(float(figure.value), figure.unit) for figure in figures(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A basic service costs 45 dollars and takes two days.", [(45, "dollar"), (2, "day")]),
        ("forty five dollars", [(45, "dollar")]),
        ("$1,200.50 or €3 or £7", [(1200.5, "dollar"), (3, "euro"), (7, "pound")]),
        ("nine dollars and fifty cents", [(9.5, "dollar")]),
        ("It is nine dollars fifty.", [(9.5, "dollar")]),
        ("45 dollars two days", [(45, "dollar"), (2, "day")]),
        ("ninety cents", [(0.9, "dollar")]),
        ("$65/4 hours, $110/8 hours", [(65, "dollar"), (240, "minute"), (110, "dollar"), (480, "minute")]),
        ("9:30 PM, half past nine in the evening, nine thirty pm, 21:30", [(9.3, "pm")] * 4),
        ("It is seven oh six in the evening, 7:06 pm", [(7.06, "pm")] * 2),
        ("quarter to ten, ten minutes to six, twenty past six", [(9.45, "clock"), (5.5, "clock"), (6.2, "clock")]),
        ("quarter to one", [(12.45, "clock")]),
        ("from nine to six", [(9, ""), (6, "")]),
        ("nine a.m. to five o'clock", [(9, "am"), (5, "clock")]),
        ("four in the morning, eleven at night, noon, midnight", [(4, "am"), (11, "pm"), (12, "pm"), (12, "am")]),
        ("0:30", [(12.3, "am")]),
        ("April 12th, the twelfth of April, april the twelfth, 12 April", [(12, "april")] * 4),
        ("March twenty first", [(21, "march")]),
        ("a 90-day warranty", [(90, "day")]),
        ("two weeks, fourteen days", [(14, "day"), (14, "day")]),
        ("half an hour, an hour and a half, two and a half hours", [(30, "minute"), (90, "minute"), (150, "minute")]),
        ("555-0199 and five five five oh one nine nine", [(5550199, "digits")] * 2),
        ("twenty percent, 20 %", [(20, "percent")] * 2),
        ("one of them, one moment, no one, one dollar", [(1, "dollar")]),
        ("minus five", [(-5, "")]),
        ("Mushroom1 and the MP3", []),
        ("in the first place, a second one", []),
        ("", []),
    ],
)
def test_figures(text: str, found: list[tuple[float, str]]) -> None:
    assert read(text) == found


def test_a_bare_number_agrees_with_any_unit() -> None:
    nine, nine_am, nine_pm, nine_clock = (Figure(Fraction(9), unit) for unit in ("", "am", "pm", "clock"))
    assert nine.agrees(nine_am)
    assert nine_pm.agrees(nine)
    assert nine_clock.agrees(nine_am)
    assert not nine_am.agrees(nine_pm)
    assert not Figure(Fraction(9), "dollar").agrees(Figure(Fraction(9), "day"))
    assert not nine.agrees(Figure(Fraction(9), "digits"))
    assert agreeing(nine, [Figure(Fraction(8), ""), nine_pm])


UNITS = {"dollars": "dollar", "percent": "percent", "days": "day", "euros": "euro"}


@given(st.integers(2, 999_999), st.sampled_from(sorted(UNITS)))
def test_digits_and_words_are_one_figure(number: int, unit: str) -> None:
    written, said = figures(f"It is {number} {unit}."), figures(f"It is {say_number(number)} {unit}.")
    assert written == said == [Figure(Fraction(number), UNITS[unit])]
    assert figures(f"It is {number:,} {unit}.") == written


@given(st.integers(0, 23), st.integers(0, 59))
def test_clock_times_are_on_the_twelve_hour_dial(hour: int, minute: int) -> None:
    (found,) = figures(f"at {hour}:{minute:02}")
    assert found.value == (hour - 1) % 12 + 1 + Fraction(minute, 100)
    half = "am" if hour < 12 else "pm"
    assert found.agrees(figures(f"at {(hour - 1) % 12 + 1}:{minute:02} {half}")[0])


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for figure in figures(text):
        assert figure.agrees(figure)
        assert figure.kind
