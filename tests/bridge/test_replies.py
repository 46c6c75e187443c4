"""Yes and no. The labelled suite holds most wordings; here are the properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.replies import read_reply
from workbench.bridge.words import phrase_list

WORDS = st.sampled_from(
    phrase_list("yes sure confirm proceed go ahead and do it please right now irreversible action delete know nothing yesterday")[0]
)


@given(st.lists(WORDS, max_size=8), st.sampled_from(["no", "stop", "cancel", "abort", "never mind", "don't", "don't do it"]))
def test_a_no_at_the_start_beats_every_yes(words: list[str], refusal: str) -> None:
    assert read_reply(" ".join([refusal, *words]), {"delete"}) == "abort"


@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["story", "reishi", "not", "never", "if", "how", "what", "he", "said"]))
def test_a_yes_is_nothing_but_a_yes(words: list[str], other: str) -> None:
    assert read_reply(" ".join([*words, other])) not in ("confirm", "irreversible")


@given(st.lists(WORDS.filter(lambda word: word != "irreversible"), max_size=8))
def test_only_the_phrase_is_irreversible(words: list[str]) -> None:
    assert read_reply(" ".join(words), {"delete"}) != "irreversible"


@pytest.mark.parametrize("text", ["confirm reversible action", "confirm irreversable action", "irreversible", "irreversible action"])
def test_nearly_the_phrase_is_not_the_phrase(text: str) -> None:
    assert read_reply(text) != "irreversible"


def test_words_of_the_action_belong_to_a_yes() -> None:
    assert read_reply("yes delete it") is None
    assert read_reply("yes delete it", {"delete"}) == "confirm"


def test_a_question_is_no_answer() -> None:
    assert read_reply("confirm and proceed?") is None
    assert read_reply("confirm and proceed.") == "confirm"
