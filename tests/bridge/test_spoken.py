from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.spoken import MAX_WORDS, short_form


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 21°C.", "It is 21 degrees Celsius."),
        ("15% of 3.5 km at 90 km/h", "15 percent of 3.5 kilometers at 90 kilometers per hour"),
        ("It costs €12 or $3.50 each.", "It costs 12 euros or 3.50 dollars each."),
        ("One. Two! Three? Four.", "One. Two!"),
        ("3m wide, 5min long, 20 MB", "3 meters wide, 5 minutes long, 20 megabytes"),
        ("in 5 minutes, 3 grams, 7 hours", "in 5 minutes, 3 grams, 7 hours"),
        ("See https://example.org/x?y=1 or www.example.org now", "See a link or a link now"),
        ("<b>Bold</b> `code` | [TOOL] x", "Bold code TOOL x"),
        ("a\n\n b\x00c\x1b[0K", "a b c 0K"),
        ("", ""),
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
