"""The embedded classifier against the labelled utterances, and against what nobody labelled."""

from __future__ import annotations

import asyncio

import pytest
import utterances
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.tool import Tool
from workbench.testing.tools import Script, ScriptedProvider

REGISTRY = utterances.registry()
RULES = RulesClassifier(REGISTRY, names=("Myca",))
ROWS = utterances.rows()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_labelled_utterance(row: utterances.Row) -> None:
    found = utterances.label(REGISTRY, utterances.classify(RULES, row))
    assert {key: found.get(key) for key in row.expect} == row.expect


def test_half_of_the_suite_is_chitchat_that_calls_nothing() -> None:
    chitchat = [row for row in ROWS if row.expect["kind"] == "chitchat"]
    assert len(ROWS) > 250
    assert len(chitchat) > 120
    assert all(utterances.classify(RULES, row).tool is None for row in chitchat)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("what time is it and tokio please", {"place": "Tokyo"}),
        ("what's the time in the uk", {"place": "United Kingdom"}),
        ("what is forty-two plus 8", {"expression": "42 + 8"}),
        ("what is (3+4)*2", {"expression": "(3 + 4) * 2"}),
        ("how many conversations did we have today", {"subject": "sessions", "period": "today"}),
        ("send the report to the whole team", {"to": "the whole team"}),
        ("What is two plus two? What time is it in Rome?", {"place": "Rome"}),
    ],
)
def test_slots(text: str, arguments: dict[str, str]) -> None:
    assert dict(asyncio.run(RULES.classify(text, None)).arguments) == arguments


def test_every_phrase_of_the_closed_grammar_is_understood() -> None:
    for tool in REGISTRY:
        for phrase in REGISTRY.phrases((tool.name,))[::7]:
            found = asyncio.run(RULES.classify(phrase, None))
            assert found.tool == tool.name or found.tool in ("stop_backup", "start_backup"), phrase


def test_confidence_falls_with_the_faults() -> None:
    clean, faulty = (asyncio.run(RULES.classify(text, None)) for text in ("what time is it in tokyo", "what time it in tokio"))
    assert clean.confidence == 1.0
    assert 0.5 < faulty.confidence < 0.9


def test_tool_without_phrases_is_asked_for_by_name_or_description() -> None:
    registry = Registry()
    registry.add(ScriptedProvider({"water_plants": Script()}), Tool("water_plants", "Water the plants.", tier="write", provider="scripted"))
    rules = RulesClassifier(registry)
    for text in ("water the plants", "could you water plants please"):
        assert asyncio.run(rules.classify(text, None)).tool == "water_plants"


def test_a_changing_tool_needs_the_order_itself() -> None:
    for text in ("did you delete all data", "we delete all data", "there is delete all data"):
        assert asyncio.run(RULES.classify(text, None)).kind == "chitchat"


@given(st.text(max_size=300), st.sampled_from([None, "delete_data", "arithmetic", "no_such_tool"]))
def test_no_text_breaks_it(text: str, pending: str | None) -> None:
    assert asyncio.run(RULES.classify(text, pending)).kind in ("chitchat", "query", "command", "confirm", "abort")


def test_ten_megabytes_are_chitchat() -> None:
    assert asyncio.run(RULES.classify("what time is it in tokyo " * 400_000, "delete_data")).kind == "chitchat"


WORDS = ["what", "is", "time", "it", "in", "the", "delete", "all", "data", "yes", "no", "seven", "times", "report", "to", "not", "down"]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_word_salad_never_confirms_without_something_pending(words: list[str]) -> None:
    assert asyncio.run(RULES.classify(" ".join(words), None)).kind not in ("confirm", "abort")


def test_tools_that_come_while_a_talk_goes_on_are_understood() -> None:
    registry, provider = Registry(), ScriptedProvider({})
    rules = RulesClassifier(registry)
    assert asyncio.run(rules.classify("water the roses", None)).tool is None
    registry.refresh(provider, [Tool("water_plants", "Water the roses", tier="write", provider="scripted")])
    assert asyncio.run(rules.classify("water the roses", None)).tool == "water_plants"
    registry.refresh(provider, [])
    assert asyncio.run(rules.classify("water the roses", None)).tool is None


def test_a_command_that_fits_no_tool_goes_to_the_one_that_catches_with_the_users_own_words() -> None:
    schema = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    registry = Registry()
    registry.add(
        ScriptedProvider({}), Tool("ask", "Ask Myca", schema, "write", provider="scripted", catches=True, message_argument="message")
    )
    rules = RulesClassifier(registry, names=("Myca",))
    found = asyncio.run(rules.classify("Myca, wipe the disk of vm 103!", None))
    assert (found.kind, found.tool, found.tier) == ("command", "ask", "destructive")
    assert found.arguments == {"message": "Myca, wipe the disk of vm 103!"}
    for chitchat in ("I wiped the disk yesterday", "the sunset was beautiful", "tell me a story about reishi"):
        assert asyncio.run(rules.classify(chitchat, None)).tool is None
