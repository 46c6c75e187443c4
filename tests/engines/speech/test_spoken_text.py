from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.engines.speech.spoken_text import (
    MAX_CLAUSE_WORDS,
    MAX_WORD_CHARS,
    ClauseStream,
    clauses,
    cut,
    spoken,
)

WORDS = st.sampled_from(
    [
        "yes",
        "No.",
        "no. ",
        "5",
        "3.5",
        "e.g.",
        "10:30,",
        "Dr.",
        "well,",
        "and",
        "because",
        "end.",
        "really?",
        '"so."',
        "—",
        "a:",
        "1.",
        "U.S.",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(st.one_of(WORDS, st.text(min_size=1))).map(" ".join))


def without_space(text: str) -> str:
    return "".join(text.split())


@settings(deadline=None)
@given(TEXTS)
def test_no_word_is_lost_or_changed(text: str) -> None:
    assert without_space("".join(clauses(text))) == without_space(text)
    if all(len(word) <= MAX_WORD_CHARS for word in text.split()):
        assert " ".join(clauses(text)).split() == text.split()


@settings(deadline=None)
@given(TEXTS)
def test_no_clause_is_empty_or_too_long(text: str) -> None:
    for clause in clauses(text):
        assert 1 <= len(clause.split()) <= MAX_CLAUSE_WORDS
        assert max(map(len, clause.split())) <= MAX_WORD_CHARS


@settings(deadline=None)
@given(st.one_of(TEXTS, st.text(alphabet="ab .", min_size=100)), st.data())
def test_how_the_text_arrives_does_not_matter(text: str, data: st.DataObject) -> None:
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    stream = ClauseStream()
    found: list[str] = []
    for start, end in zip([0, *at], [*at, len(text)], strict=True):
        found += stream.push(text[start:end])
    assert found + stream.flush() == clauses(text)
    assert stream.flush() == []


@pytest.mark.parametrize(
    "text", [" ".join(["9" * 60] * 20), "$*&%#@" * 200, " ".join(["MCMXC"] * 40), " ".join(["antidisestablishmentarianism"] * 20)]
)
def test_a_clause_that_would_be_read_for_minutes_is_many_clauses(text: str) -> None:
    for clause in clauses(text):
        signs = sum(not character.isalpha() for character in without_space(clause))
        assert signs <= MAX_WORD_CHARS
        assert len(clause) <= 220


def test_a_clause_is_given_out_as_soon_as_it_is_certain() -> None:
    stream = ClauseStream()
    assert stream.push("It is ten") == []
    assert stream.push(":30.") == []
    assert stream.push(" In") == ["It is ten:30."]
    assert stream.flush() == ["In"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 3.5 dollars. Cheap!", ["It costs 3.5 dollars.", "Cheap!"]),
        ("Fruit, e.g. apples, is good.", ["Fruit, e.g. apples, is good."]),
        ("It is 10:30 in Tokyo now.", ["It is 10:30 in Tokyo now."]),
        ("Dr. Smith of the U.S. office is in.", ["Dr. Smith of the U.S. office is in."]),
        ("Take no. 5 now. No. I won't.", ["Take no. 5 now.", "No.", "I won't."]),
        ("Red, green and blue.", ["Red, green and blue."]),
        ("Here is what I found, all of it: nothing.", ["Here is what I found,", "all of it: nothing."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Wait... what?!", ["Wait...", "what?!"]),
        ("1. First comes this. 2. Then that.", ["1. First comes this.", "2. Then that."]),
        ("It is I. You knew.", ["It is I.", "You knew."]),
        (
            "one two three four five six seven eight and nine ten",
            ["one two three four five six seven eight", "and nine ten"],
        ),
        ("", []),
        ("  \n ", []),
    ],
)
def test_clauses(text: str, expected: list[str]) -> None:
    assert clauses(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Bold**, *it* and `code`.", "Bold, it and code."),
        ("2 * 3 = 6 and a_b is snake_case", "2 * 3 = 6 and a b is snake case"),
        ("# Title\n- one\n- two\n\nDone", "Title. one. two. Done"),
        ("1. first\n2. second", "1. first. 2. second."),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. 1, 2."),
        ("```python\nx = 1\n```", "x = 1"),
        ("See [the page](https://a.example/b) now", "See the page now"),
        ("See https://www.example.com/a?b=c.", "See example.com."),
        ("<https://name:secret@example.org/x>", "example.org"),
        ("Hi 😀👍🏽 there\u200d", "Hi there"),
        ("It is 20 °C", "It is 20 degrees Celsius"),
        ("<b>x</b> <script>alert(1)</script>", "x alert(1)"),
        ("a < b and c > d", "a < b and c > d"),
        ("soft\nwrap", "soft wrap"),
        ("\x00\x07bell\u202e", "bell"),
        ("***", ""),
        ("😀", ""),
        ("half **bold", "half bold"),
    ],
)
def test_spoken(text: str, expected: str) -> None:
    assert spoken(text) == expected


@settings(deadline=None)
@given(TEXTS)
def test_spoken_text_is_one_line_without_control_signs(text: str) -> None:
    said = spoken(text)
    assert said.isprintable()
    assert said == " ".join(said.split())


@settings(deadline=None)
@given(st.lists(st.text(alphabet="abcdefghijklmnop", min_size=1, max_size=9), max_size=400))
def test_plain_words_stay_as_they_are(words: list[str]) -> None:
    assert spoken(" ".join(words)).split() == words


@settings(deadline=None)
@given(st.text(), st.integers(1, 40))
def test_cut_keeps_whole_words(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert text.startswith(short)
    if short != text and " " in text[1 : limit + 1]:
        assert text[len(short) :].lstrip(" ") == "" or text[len(short)].isspace()
