"""Adherence to a persona, from turns whose faults are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.adherence import adherence, drift, figures_said, names_invented, recall, talk_ratio, words_per_minute, words_per_turn
from evaluation.identity import names_told, refusals
from evaluation.prompt_facts import keys_of, knowledge, spoken
from evaluation.turns import Turn, answer_to, of, turns_of, typed_rows
from workbench.events import UserText
from workbench.persona_library import PersonaLibrary

NORA = PersonaLibrary().get("customer-service")
KNOWN = knowledge([(NORA.name, NORA.prompt)])


def talk(*said: str) -> list[Turn]:
    """Turns of 1 s each, the user's first, one after the other."""
    return [Turn("agent" if number % 2 else "user", number * 1_000, number * 1_000 + 1_000, text) for number, text in enumerate(said)]


@pytest.mark.parametrize(
    ("question", "answer", "asked", "told"),
    [
        ("How much is a basic service?", "A basic service costs forty five dollars.", 1, 1),
        ("How much is a basic service?", "It is $45.", 1, 1),
        ("how much is a basic service", "A full overhaul costs 120 dollars.", 1, 0),
        ("How long does a basic service take?", "Two days.", 1, 1),
        ("Tell me about the basic service.", "That would be 45 dollars.", 1, 0.5),
        ("What does it cost to fix a flat tire?", "15 dollars, while you wait.", 1, 1),
        ("What are your hours?", "From nine to six, Tuesday to Saturday. We are closed on Sundays and Mondays.", 1, 1),
        ("Where are you?", "We are at 12 Harbour Lane.", 1, 1),
        ("Who is the manager?", "That is Idris Cole.", 1, 1),
        ("Who is the manager?", "That is Cole.", 1, 0),
        ("Lovely weather today.", "It is 45 dollars.", 0, 0),
        ("wait a moment please stop talking", "", 0, 0),
        ("i would like to but to repair", "", 0, 0),  # heard so in a real talk, as is the next
        ("when was the shop founded", "", 0, 0),
        ("what is your name", "I am Nora.", 0, 0),
        ("What does a helmet cost?", "", 0, 0),
        ("How much is a helmet?", "", 0, 0),
        ("Good morning. The basic service, how much is it?", "45 dollars.", 1, 1),
        ("five live", "", 0, 0),
        ("one two three", "", 0, 0),
        ("Hello, my chain is noisy and the brakes squeal, so how much would a basic service be?", "45 dollars.", 1, 1),
        ("Tell me about the warranty. And where are you?", "Ninety days. We are at 12 Harbour Lane.", 2, 1),
        ("How much is a boat?", "I do not know.", 0, 0),
    ],
)
def test_recall_counts_what_was_asked_for(question: str, answer: str, asked: int, told: float) -> None:
    found = recall(KNOWN, talk(question, answer))
    assert (found.asked, found.share) == (asked, told if asked else None)


def test_an_answer_that_never_came_tells_nothing() -> None:
    assert recall(KNOWN, talk("How much is a basic service?")).share == 0


def test_an_acknowledgement_does_not_end_the_answer() -> None:
    turns = talk("How much is a basic service?", "Let me see.", "Mm hm.", "45 dollars.")
    assert recall(KNOWN, turns).share == 1
    turns = talk("How much is a basic service?", "Let me see.", "And how about a full overhaul?", "45 dollars.")
    assert recall(KNOWN, turns).share == 0


def test_facts_of_two_prompts_count_once_each() -> None:
    both = knowledge([(NORA.name, NORA.prompt), ("Nora Bell", NORA.prompt.replace("45", "50"))])
    assert len(both.facts) == len(KNOWN.facts) + 1
    found = recall(both, talk("How much is a basic service?", "45 dollars."))
    assert (found.asked, found.share) == (2, 0.5)


@pytest.mark.parametrize(
    ("question", "answer", "invented", "contradicted"),
    [
        ("How much is a basic service?", "A basic service costs 45 dollars and takes two days.", 0, 0),
        ("How much is a basic service?", "A basic service costs 60 dollars.", 1, 1),
        ("How much is a basic service?", "It costs 60 dollars.", 1, 1),
        ("How much is a basic service?", "A basic service costs 120 dollars.", 0, 1),  # the overhaul's price
        ("Is a basic service 50 dollars?", "Yes, a basic service costs 50 dollars.", 0, 1),  # the user's own figure, and wrong
        ("I have 70 dollars. How much is a basic service?", "With 70 dollars, a basic service for 45 dollars is no problem.", 0, 0),
        ("How far is it?", "It is 800 meters.", 1, 0),
        ("My number is five five five oh one nine nine.", "I have noted 555-0199.", 0, 0),
        ("How long is the warranty?", "The warranty is three months.", 1, 1),
        ("How long is the warranty?", "One moment. It is ninety days.", 0, 0),
    ],
)
def test_figures_from_nowhere_and_against_the_prompt(question: str, answer: str, invented: int, contradicted: int) -> None:
    found = figures_said(NORA.prompt, KNOWN, talk(question, answer))
    assert (len(found.invented), len(found.contradicted)) == (invented, contradicted)


def test_what_the_user_says_later_grounds_nothing_before() -> None:
    found = figures_said(NORA.prompt, KNOWN, talk("How far is it?", "It is 800 meters.", "800 meters then."))
    assert len(found.invented) == 1


def test_a_tool_s_result_is_no_invention() -> None:
    turns = talk("What time is it in Tokyo?", "It is five past two in the afternoon.")
    assert len(figures_said(NORA.prompt, KNOWN, turns).invented) == 1
    assert not figures_said(NORA.prompt, KNOWN, turns, ["14:05 in Tokyo"]).invented
    armed = replace(NORA, tools=("*",))
    assert adherence(armed, turns, tool_results=None)["figures_invented"] is None
    assert adherence(NORA, turns, tool_results=None)["figures_invented"] == 1


@pytest.mark.parametrize(
    ("question", "answer", "right", "wrong", "untold"),
    [
        ("Who are you?", "I am Nora Bell.", 1, 0, 0),
        ("What's your name?", "My name is nora.", 1, 0, 0),
        ("Who am I speaking to?", "This is Nora, how can I help?", 1, 0, 0),
        ("Hello?", "Harbour Lane Bikes, Nora speaking.", 1, 0, 0),
        ("Hello?", "This is Harbour Lane Bikes.", 0, 0, 0),
        ("Who are you?", "I'm Idris Cole, the manager.", 0, 1, 0),
        ("Who are you?", "My name is Bob.", 0, 1, 0),
        ("Who are you?", "I would rather not say.", 0, 0, 1),
        ("Are you well?", "I am happy, thank you. I am Canadian by birth.", 0, 0, 0),
    ],
)
def test_names(question: str, answer: str, right: int, wrong: int, untold: int) -> None:
    found = names_told(NORA.name, NORA.prompt, talk(question, answer))
    assert (found.right, found.wrong, found.untold) == (right, wrong, untold)


@pytest.mark.parametrize(
    ("question", "answer", "invented"),
    [
        ("Who is the manager?", "The manager is Idris Cole.", []),
        ("Who is the manager?", "The manager is Bob Smith.", ["bob smith"]),
        ("My name is Piet Maas.", "Thank you, Mr. Maas. I am Nora at Harbour Lane Bikes.", []),
        ("When are you open?", "We are open from Tuesday to Saturday, 9 AM to 6 PM, but not on Christmas.", ["christmas"]),
        ("i like cornwall", 'I heard "I like Cornwall". Cornwall is far. Is it not, Piet?', ["piet"]),
        ("Who made it?", "it was made by shimano", []),
    ],
)
def test_names_from_nowhere(question: str, answer: str, invented: list[str]) -> None:
    assert [name for _turn, name in names_invented(NORA, talk(question, answer))] == invented
    assert adherence(NORA, talk(question, answer))["names_invented"] == len(invented)
    assert adherence(replace(NORA, role="casual"), talk(question, answer))["names_invented"] is None
    assert not names_invented(NORA, talk(question, answer), ["Bob Smith, Piet, Christmas"])


@pytest.mark.parametrize(
    ("said", "inverted"),
    [
        ("I'd like to book a repair for my bike.", True),
        ("How much do you charge?", True),
        ("My bike is broken.", True),
        ("What are your opening hours?", True),
        ('I heard "how much do you charge".', False),
        ("Would you like to book a repair?", False),
        ("How can I help you with your bike?", False),
        ("Could you tell me your name and phone number?", False),
    ],
)
def test_role_inversion(said: str, inverted: bool) -> None:
    assert adherence(NORA, talk("Hello.", said))["role_inversion"] == inverted
    assert adherence(replace(NORA, role="casual"), talk("Hello.", said))["role_inversion"] == 0


@pytest.mark.parametrize(
    ("question", "answer", "kept"),
    [
        ("Can I have a refund on the phone?", "I am sorry, only the manager does that.", 1),
        ("I want a refund.", "I can't give refunds on the phone.", 1),
        ("I want a refund.", "Of course, I will send it today.", 0),
        ("Could you open the battery?", "Their batteries are not opened.", 1),
        ("My phone number is 555-0199.", "Thank you.", None),
        ("I want a refund.", "", None),
    ],
)
def test_refusals(question: str, answer: str, kept: float | None) -> None:
    assert refusals(KNOWN, talk(question, answer)).share_kept == kept


def test_the_shipped_facts_and_refusals() -> None:
    assert len(KNOWN.facts) == 9
    assert {refusal.text for refusal in KNOWN.refusals} == {"You cannot give refunds on the phone", "their batteries are not opened"}
    told = knowledge([("Row", "No combo offers. You never lend boats. You do not know everything. You never talk down to anyone.")])
    assert [refusal.text for refusal in told.refusals] == ["No combo offers", "You never lend boats"]


def test_share_and_rate_of_speech() -> None:
    turns = [Turn("user", 0, 1_000, "hello there"), Turn("agent", 1_000, 4_000, "one two three four five six")]
    assert talk_ratio(turns) == 0.75
    assert words_per_minute(turns) == 120
    assert words_per_turn(turns) == 6
    cut = [*turns, Turn("agent", 5_000, 6_000, "cut", interrupted=True)]
    assert words_per_minute(cut) == 120
    for silent in ([], of(turns, "user")):
        assert words_per_minute(silent) is None
        assert words_per_turn(silent) is None
    assert talk_ratio([]) is None


@given(st.tuples(*[st.floats(-1_000, 1_000)] * 3))
def test_drift_is_the_least_squares_slope(values: tuple[float, float, float]) -> None:
    turns = [Turn("agent", 1_000 * third, 1_000 * third + 1_000, str(third)) for third in range(3)]
    slope = drift(turns, lambda part: values[int(part[0].text)])
    mean = sum(values) / 3
    assert slope == pytest.approx(sum((third - 1) * (value - mean) for third, value in enumerate(values)) / 2, abs=1e-9)


def test_drift_needs_all_three_thirds() -> None:
    assert drift([Turn("agent", 0, 900, "a"), Turn("agent", 2_000, 2_900, "b")], words_per_turn) is None
    assert drift([], words_per_turn) is None
    faults = talk("hi", "I am Nora.", "hi", "I am Nora.", "hi", "I am Bob.")
    assert adherence(NORA, faults)["drift_faulty_turns"] == 0.5
    assert adherence(NORA, faults)["faulty_turns"] == pytest.approx(1 / 3)


TURNS = st.lists(
    st.builds(
        Turn,
        speaker=st.sampled_from(["user", "agent"]),
        start_ms=st.floats(0, 60_000),
        end_ms=st.floats(0, 60_000),
        text=st.text(max_size=40) | st.sampled_from(NORA.prompt.split(". ")),
        interrupted=st.booleans(),
    ),
    max_size=8,
).map(lambda turns: sorted(turns, key=lambda turn: turn.start_ms))


@given(TURNS)
def test_any_talk_has_measures_in_their_range(turns: list[Turn]) -> None:
    found = adherence(NORA, turns)
    for name in ("name_right", "fact_recall", "role_inversion", "refusals_kept", "faulty_turns", "talk_ratio"):
        assert found[name] is None or 0 <= found[name] <= 1
    assert found["figures_invented"] is not None
    assert found["figures_said"] >= max(found["figures_invented"], found["figures_contradicted"])


@given(TURNS)
def test_saying_the_whole_prompt_recalls_everything_that_was_asked(turns: list[Turn]) -> None:
    asked = of(turns, "user")
    answers = [Turn("agent", turn.start_ms, turn.start_ms + 1, NORA.prompt) for turn in asked]
    everything = sorted([*asked, *answers], key=lambda turn: turn.start_ms)
    assert recall(KNOWN, everything).share in (None, 1)


@given(st.sampled_from(KNOWN.facts))
def test_a_fact_asked_for_in_its_own_words_is_asked_and_held(fact) -> None:  # type: ignore[no-untyped-def]
    assert fact in [asked for asked, _details in KNOWN.asked(fact.text.split(" and ")[0])] or not keys_of(fact.text)
    assert all(map(spoken(fact.text).holds, fact.details))


def test_rows_become_turns() -> None:
    rows = [
        {"speaker": "agent", "start_ms": 900, "end_ms": 1_500, "text": "Hi.", "latency_ms": -100, "interrupted": True},
        {"speaker": "user", "start_ms": 0, "end_ms": 1_000, "text": None, "latency_ms": None},
    ]
    user, agent = turns_of(rows)
    assert (user.text, user.latency_ms, user.interrupted) == ("", None, False)
    assert (agent.latency_ms, agent.interrupted, agent.duration_ms) == (-100, True, 600)
    assert answer_to([user, agent], user) == [agent]
    with pytest.raises(ValueError, match="'tool'"):
        turns_of([{"speaker": "tool", "start_ms": 0, "end_ms": 1, "text": ""}])


def test_what_was_typed_is_a_turn_without_length() -> None:
    typed, heard = (
        UserText(at_samples=2_400, noticed_samples=2_400, utterance_id=source, text=source, final=True, start_samples=2_400, source=source)
        for source in ("typed", "asr")
    )
    (turn,) = turns_of(typed_rows([typed, heard]))
    assert (turn.speaker, turn.text, turn.start_ms, turn.duration_ms) == ("user", "typed", 100, 0)
