from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.checkpoint import Checkpoint
from workbench.gateway.prompts import PAD
from workbench.gateway.say import MAX_QUEUED, Line, Pace, SayError, Speech, make_line
from workbench.gateway.script import FREE, HELD, MAX_PIECES


def line(name: str) -> Line:
    """Two words of two pieces each."""
    return Line(name, ["one", "two"], [10, 11, 12, 13], [True, False, True, False])


def test_words_and_pieces(tiny: Checkpoint) -> None:
    tokenizer = tiny.load_text()
    made = make_line(tokenizer, "a", "  It costs\n<b>12 €</b> ")
    assert made.words == ["It", "costs", "b", "12", "€", "/b"]
    assert tokenizer.decode(made.pieces) == "It costs b 12 € /b"
    assert sum(made.begins) == 6


@pytest.mark.parametrize(("text", "message"), [("", "no words"), (" \n<>", "no words"), ("word " * 200, f"at most {MAX_PIECES}")])
def test_unspeakable_texts(tiny: Checkpoint, text: str, message: str) -> None:
    with pytest.raises(SayError, match=message):
        make_line(tiny.load_text(), "a", text)


@given(st.text(max_size=60))
def test_any_text_is_words_or_refused(tiny: Checkpoint, text: str) -> None:
    try:
        made = make_line(tiny.load_text(), "a", text)
    except SayError:
        return
    assert len(made.pieces) == len(made.begins)
    assert sum(made.begins) == len(made.words)
    assert min(made.pieces) > PAD
    assert made.begins[0]


def test_a_word_is_heard_when_something_is() -> None:
    speech = Speech(Pace(tail=2))
    speech.add(line("a"))
    assert speech.next() is not None
    assert speech.next() is None
    for number, (mark, audible) in enumerate([(FREE, True), (0, False), (1, False)]):
        assert speech.frame(number, mark, audible) is None
    assert speech.interrupt()[0].heard == 0
    speech.add(line("b"))
    speech.next()
    done = [speech.frame(number, mark, True) for number, mark in enumerate([0, 1, 2, 3, HELD, HELD], start=7)]
    assert done[:-1] == [None] * 5
    assert done[-1] is not None
    assert (done[-1].heard, done[-1].first_heard, done[-1].interrupted) == (2, 7, False)


def test_too_many_lines_wait() -> None:
    speech = Speech()
    for number in range(MAX_QUEUED):
        speech.add(line(str(number)))
    with pytest.raises(SayError, match="already wait"):
        speech.add(line("more"))
    assert [dropped.say_id for dropped in speech.interrupt()] == [str(number) for number in range(MAX_QUEUED)]
