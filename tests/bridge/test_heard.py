"""The agent's words put together again, its promises, and the content beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.heard import (
    REMEMBERED_SAMPLES,
    AgentWords,
    HeardWord,
    content_before_results,
    content_words,
    heard_words,
    promises,
)
from workbench.events import AgentText, Event, ResultDelivered, ToolStarted


def piece(text: str, at: int, *, forced: bool = False) -> AgentText:
    return AgentText(at_samples=at, noticed_samples=at, text=text, forced=forced)


def own(text: str) -> list[HeardWord]:
    return heard_words([piece(f" {text}", 0)])


def test_pieces_become_words_where_each_begins() -> None:
    pieces = [piece(" un", 0), piece("believ", 5), piece("able", 9), piece(" news", 12)]
    assert [(word.text, word.at_samples) for word in heard_words(pieces)] == [("unbelievable", 0), ("news", 12)]


def test_a_host_voice_beside_the_agent_makes_no_mixed_words() -> None:
    pieces = [piece(" ag", 0), piece(" host", 1, forced=True), piece("ent", 2)]
    assert [(word.text, word.forced) for word in heard_words(pieces)] == [("agent", False), ("host", True)]


@given(st.lists(st.text(alphabet="ab ", max_size=5), max_size=20))
def test_no_letter_is_lost_however_a_text_is_cut(cuts: list[str]) -> None:
    words = heard_words(piece(text, at) for at, text in enumerate(cuts))
    assert [word.text for word in words] == "".join(cuts).split()


@pytest.mark.parametrize(
    "text",
    [
        "Let me check.", "One moment, I'll look that up.", "Just a second", "okay, let me see", "I'll check that for you", "hold on",
        "wait one moment", "I'm looking into it now", "give me one minute please", "bear with me", "I'm going to check",
    ],
)  # fmt: skip
def test_a_promise_is_known_and_is_no_content(text: str) -> None:
    assert promises(own(text))
    assert content_words(own(text)) == 0


@pytest.mark.parametrize(
    "text", ["It is nine in the evening", "the moment I saw it", "you look great", "that is a second opinion", "", "no"]
)
def test_what_is_no_promise(text: str) -> None:
    assert not promises(own(text))


@pytest.mark.parametrize(
    ("text", "count"),
    [("It is nine.", 3), ("Hmm, okay, let me check. It's sunny in Ghent.", 5), ("mm hm", 0), ("Well, uh, sure.", 0)],
)
def test_content_is_counted_beside_promises_and_hesitations(text: str, count: int) -> None:
    assert content_words(own(text)) == count


def test_words_that_the_host_put_in_its_mouth_are_neither() -> None:
    forced = heard_words([piece("One moment. It is nine.", 0, forced=True)])
    assert not promises(forced)
    assert content_words(forced) == 0


def test_content_before_results_from_the_events_of_a_talk() -> None:
    def started(invocation_id: str, at: int) -> ToolStarted:
        return ToolStarted(
            at_samples=at,
            noticed_samples=at,
            invocation_id=invocation_id,
            tool="t",
            utterance_id="u",
            provider="p",
            arguments={},
            tier="read",
        )

    def delivered(invocation_id: str, at: int) -> ResultDelivered:
        return ResultDelivered(
            at_samples=at,
            noticed_samples=at + 9,
            invocation_id=invocation_id,
            tool="t",
            how="engine",
            words_asked=1,
            words_heard=1,
            interrupted=False,
        )

    events: list[Event] = [
        piece(" before", 5),
        started("a", 10),
        piece(" let me check.", 11),
        piece(" it is five", 12),
        piece(" nine", 20, forced=True),
        delivered("a", 20),
        piece(" indeed", 25),
        started("b", 30),
        delivered("b", 40),
        started("failed", 50),
        piece(" lost", 55),
    ]
    assert content_before_results(events) == {"a": 3, "b": 0}


def test_what_was_said_long_ago_is_forgotten() -> None:
    words = AgentWords()
    words.on_event(piece(" old", 0))
    words.on_event(piece(" new", REMEMBERED_SAMPLES + 1))
    assert [word.text for word in words.between(0, 10**9)] == ["new"]
