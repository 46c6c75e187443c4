"""Yes and no. The labelled suite holds most wordings; here are the properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.named import action_words
from workbench.bridge.replies import read_reply
from workbench.bridge.tool import Tool
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


@pytest.mark.parametrize(
    ("text", "found"), [("send it", "confirm"), ("is that", None), ("check it", None), ("report it", None), ("no send it", "abort")]
)
def test_the_deed_by_its_own_verb_is_a_yes(text: str, found: str | None) -> None:
    tool = Tool("send_report", "Send the report", tier="write", phrases=("what is that", "is the report out", "check the report"))
    assert read_reply(text, action_words(tool)) == found


def test_a_tool_that_goes_both_ways_is_not_confirmed_by_one_of_its_verbs() -> None:
    both = action_words(Tool("workflow_control", "Start, stop or restart a workflow", tier="write"))
    assert read_reply("start it", both) is None
    assert read_reply("stop it", both) == "abort"
    assert read_reply("yes stop it", both) == "abort"


def test_cancelling_can_be_what_is_agreed_to() -> None:
    words = action_words(Tool("cancel_order", "Cancel an order", tier="destructive"))
    assert read_reply("yes, cancel it", words) == "confirm"
    assert read_reply("cancel it", words) == "abort"
    assert read_reply("yes, cancel it", action_words(Tool("send_report", "Send the report", tier="write"))) == "abort"


def test_what_is_called_off_by_another_name_is_something_else() -> None:
    lights = action_words(Tool("lights_off", "Turn the lights off", tier="write"))
    assert read_reply("cancel my newspaper subscription", lights) is None
    assert read_reply("cancel the lights", lights) == "abort"
    assert read_reply("stop the music", lights) is None


@given(st.sampled_from(["what", "how", "who", "why", "if", "not", "never"]), st.sampled_from(["delete", "report", "send", "it", "the"]))
def test_no_tool_makes_a_question_a_yes(asks: str, word: str) -> None:
    words = action_words(Tool("delete_report", "What is it", tier="write", phrases=("how is the report", "who if why not never")))
    assert read_reply(f"yes {asks} {word}", words) not in ("confirm", "irreversible")


@pytest.mark.parametrize(
    "text",
    [
        "cancel that, people are still working on it",
        "no, people are still in there",
        "no, he is on the phone",
        "no, the kids are really tired",
    ],
)
def test_a_no_with_its_reason_is_a_no(text: str) -> None:
    assert read_reply(text, {"shut", "down", "server"}) == "abort"
