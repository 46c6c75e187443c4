from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.words import close, sentences, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's the time?", "what is the time"),
        ("whats 12x7", "what is 12 x 7"),
        ("don’t", "do not"),
        ("DONT do it", "do not do it"),
        ("can't", "can not"),
        ("nevermind", "never mind"),
        ("São Paulo", "sao paulo"),
        ("forty-two", "forty two"),
        ("12-7", "12 - 7"),
        ("15% of 1,000.5", "15 % of 1000.5"),
        ("6 ÷ 3 × 2", "6 / 3 * 2"),
        ("it's Anna's", "it is anna"),
        ("", ""),
        ("🙂 ...", ""),
    ],
)
def test_tokens(text: str, words: str) -> None:
    assert " ".join(tokens(text)) == words


@given(st.text())
def test_tokens_are_stable(text: str) -> None:
    once = tokens(text)
    assert tokens(" ".join(once)) == once


def test_sentences_keep_decimals_together() -> None:
    assert sentences("Okay. What is 3.5 plus 1? Thanks!") == ["Okay.", "What is 3.5 plus 1?", "Thanks!"]


@pytest.mark.parametrize(
    ("said", "meant", "near"),
    [
        ("tokio", "tokyo", True),
        ("pairs", "paris", True),
        ("time", "times", True),
        ("reversible", "irreversible", True),
        ("set", "sea", False),
        ("no", "now", False),
        ("cat", "time", False),
        ("london", "lisbon", False),
    ],
)
def test_close(said: str, meant: str, near: bool) -> None:
    assert close(said, meant) is near
