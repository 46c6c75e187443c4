"""The agent's own words in the user's channel are nobody's request; the user's words are never taken for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.audio.frames import ms_to_samples
from workbench.bridge.echo import LATEST_MS, MIN_WORDS, is_echo
from workbench.bridge.heard import HeardWord

PACE_MS = 300.0
PROMPT = "I am about to start the backup workflow. Say confirm and proceed, or cancel that."
VOCABULARY = ("yes", "no", "confirm", "and", "proceed", "the", "weather", "in", "ghent", "is", "nice", "cancel", "that", "stop")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=12)


def said(text: str, *, at_ms: float = 0.0) -> list[HeardWord]:
    return [HeardWord(word, ms_to_samples(at_ms + PACE_MS * index), forced=True) for index, word in enumerate(text.split())]


def heard(text: str, agent: str, *, after_ms: float, agent_at_ms: float = 0.0) -> bool:
    """Whether `text`, begun `after_ms` and spoken at the same pace, is an echo of what the agent says."""
    start = ms_to_samples(after_ms)
    return is_echo(text, start, start + ms_to_samples(PACE_MS * len(text.split())), said(agent, at_ms=agent_at_ms))


@pytest.mark.parametrize("delay_ms", [0.0, 150.0, 600.0])
@pytest.mark.parametrize(
    "text",
    [PROMPT, "say confirm and proceed or cancel that", "about to start the backup work flow say confirm", "confirm and proceed or cancel"],
)
def test_an_echo_is_known_also_in_part_and_misheard(text: str, delay_ms: float) -> None:
    first = next(i for i, word in enumerate(PROMPT.lower().split()) if text.lower().split()[0] == word)
    assert heard(text, PROMPT, after_ms=first * PACE_MS + delay_ms)


def test_an_echo_cannot_confirm_what_the_agent_asks_about() -> None:
    asks = "This cannot be undone. Say confirm irreversible action, or cancel that."
    assert heard("confirm irreversible action", asks, after_ms=5 * PACE_MS + 200)


@pytest.mark.parametrize("text", ["yes", "yes yes", "cancel that", "no", "stop it"])
def test_a_short_word_of_the_user_is_never_lost(text: str) -> None:
    assert not heard(text, f"say yes or no or stop it {text} {text}", after_ms=1_000)


def test_who_repeats_what_they_were_asked_to_say_is_heard() -> None:
    """The user answers when the agent has said the phrase, while it is still speaking."""
    phrase_ends_ms = 12 * PACE_MS
    assert not heard("confirm and proceed", PROMPT, after_ms=phrase_ends_ms + 100)
    assert not heard("confirm and proceed", PROMPT, after_ms=len(PROMPT.split()) * PACE_MS + 400)


def test_other_words_over_the_agent_are_the_users() -> None:
    assert not heard("no wait what is the weather in ghent", PROMPT, after_ms=600)


def test_the_same_words_much_later_are_the_users() -> None:
    assert heard("start the backup workflow", PROMPT, after_ms=4 * PACE_MS)
    assert not heard("start the backup workflow", PROMPT, after_ms=30_000)


@given(WORDS, st.floats(0, LATEST_MS - 1))
def test_whatever_the_agent_says_its_echo_is_known(words: list[str], delay_ms: float) -> None:
    text = " ".join(words)
    assert heard(text, text, after_ms=delay_ms) == (len(words) >= MIN_WORDS)


@given(WORDS, WORDS)
def test_words_that_the_agent_did_not_say_are_never_an_echo(mine: list[str], theirs: list[str]) -> None:
    foreign = [f"x{word}x" for word in mine]
    assert not heard(" ".join(foreign), " ".join(theirs), after_ms=0)
