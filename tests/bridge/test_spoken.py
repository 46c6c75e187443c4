from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.spoken import MAX_WORDS, short_form


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 21°C.", "It is 21 degrees Celsius."),
        ("15% of 3.5 km at 90 km/h", "15 percent of 3 point 5 kilometers at 90 kilometers per hour"),
        ("It costs €12 or $3.50 each.", "It costs 12 euros or 3 dollars 50 each."),
        ("One. Two! Three? Four.", "One. Two!"),
        ("3m wide, 5min long, 20 MB", "3 meters wide, 5 minutes long, 20 megabytes"),
        ("in 5 minutes, 3 grams, 7 hours", "in 5 minutes, 3 grams, 7 hours"),
        ("See https://example.org/x?y=1 or www.example.org now", "See a link or a link now"),
        ("<b>Bold</b> `code` | [TOOL] x", "Bold code TOOL x"),
        ("a\n\n b\x00c\x1b[0K", "a b c 0K"),
        ("", ""),
        (
            "-5°C, and -0.5 at night; pages 3-5, 2–4 km",
            "minus 5 degrees Celsius, and minus 0 point 5 at night; pages 3-5, 2 to 4 kilometers",
        ),
        ("3.14159265 of 1,250,000 is 0.99999", "3 point 1 4 1 6 of 1250000 is 1"),
        ("version 1.2.3 at 192.168.1.1, v1.2", "version 1.2.3 at 192.168.1.1, v1.2"),
        ("It is 3.5. Good.", "It is 3 point 5. Good."),
        ("Due 2026-01-02.", "Due January 2, 2026."),
        (
            "At 2026-01-02T14:05:09Z or 2026-12-31 09:00",
            "At January 2, 2026 at two oh five in the afternoon UTC or December 31, 2026 at nine o'clock in the morning",
        ),
        ("2026-02-30 is no day, 12026-01-02 no date", "2026-02-30 is no day, 12026-01-02 no date"),
        (
            "Open 7:30 to 22:00, or 7:05 pm; won 3:1",
            "Open seven thirty in the morning to ten o'clock at night, or seven oh five pm; won 3:1",
        ),
        ("You need:\n- eggs\n- milk;\n- bread\nBye.", "You need: eggs, milk and bread. Bye."),
        ("1. Call Ann\n2) Go home", "Call Ann and Go home."),
    ],
)
def test_short_form(text: str, said: str) -> None:
    assert short_form(text) == said


@given(st.text(max_size=600))
def test_is_always_short_and_plain(text: str) -> None:
    said = short_form(text)
    assert len(said.split()) <= MAX_WORDS + 5
    assert not set(said) & set("<>[]{}|`*#\n\x00")


def test_what_is_long_is_cut_and_says_so() -> None:
    assert short_form("word " * 200).endswith("word, and more on the screen.")


@given(st.integers(-999, 999), st.sampled_from(["%", "°C", "km", "ms", "GB", "hPa"]))
def test_a_figure_with_its_unit_is_words_without_signs(number: int, unit: str) -> None:
    said = short_form(f"It is {number}{unit} now.")
    assert unit not in said.split()
    assert said.startswith("It is minus " if number < 0 else f"It is {number} ")
    assert str(abs(number)) in said.split()
    assert not set(said) & set("%°-")


@given(st.dates(), st.times())
def test_a_moment_is_said_without_its_signs(date: dt.date, moment: dt.time) -> None:
    said = short_form(f"{date.isoformat()}T{moment.isoformat('minutes')}")
    assert str(date.day) in said.replace(",", "").split()
    assert f"{date.year:04d}" in said
    assert not set(said) & set(":-")


@given(st.decimals(0, 10_000, places=3))
def test_a_decimal_is_said_digit_by_digit(number: Decimal) -> None:
    whole, rest = str(number).split(".")
    assert short_form(f"it is {number} here") == f"it is {int(whole)} point {' '.join(rest)} here"


@given(st.text(alphabet="ab.!?:- 0123456789\n", max_size=200))
def test_never_more_than_two_sentences(text: str) -> None:
    assert len([end for end in re.split(r"(?<=[.!?])\s+", short_form(text)) if end]) <= 2
