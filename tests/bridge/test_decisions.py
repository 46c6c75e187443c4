"""Decisions and what leads to them: their rows, echoes, promises, words read ahead; and the words about actions."""

from __future__ import annotations

import asyncio

from bridge_stage import Liar, Stage

from workbench.bridge.heard import content_before_results
from workbench.bridge.intent import Intent
from workbench.events import AgentText, DecisionMade, IntentFound, ResultDelivered
from workbench.talk import Utterance
from workbench.testing.tools import Script


async def test_every_decision_has_its_reason_its_tool_and_what_waited() -> None:
    stage = Stage()
    for text in ("the sunset was beautiful", "delete all data", "yes", "how is the weather", "confirm irreversible action", "no"):
        await stage.hear(text, wait_ms=4_000)
    assert stage.decisions == [
        ("leave", None, None, None),
        ("propose", "delete_data", "i1", None),
        ("ask_again", "delete_data", "i1", "i1"),
        ("run", "weather", "i2", "i1"),
        ("confirm", "delete_data", "i1", "i1"),
        ("leave", None, None, None),
    ]
    made = stage.talk.of(DecisionMade)
    assert [decision.tier for decision in made] == [None, "destructive", "destructive", "read", "destructive", None]
    assert all(decision.reason for decision in made)
    assert [decision.text for decision in made][:2] == ["the sunset was beautiful", "delete all data"]
    order = [event.kind for event in stage.talk.events]
    assert order.index("DecisionMade") < order.index("ToolProposed")


async def test_words_about_actions_leave_a_row_each() -> None:
    stage = Stage({"weather": Script("It rains.", slow_ms=2_000)}, allowed=("weather", "start_backup"))
    await stage.hear("delete all data")
    await stage.hear("start backup")
    await stage.hear("no")
    await stage.hear("how is the weather")
    assert stage.notices == [
        ("i1", "refusal", "engine", 7),
        ("i2", "question", "engine", 15),
        ("i2", "called_off", "engine", 6),
        ("i3", "filler", "engine", 2),
    ]


async def test_a_promise_of_the_agent_takes_the_fillers_place_and_nothing_else() -> None:
    stage = Stage({"weather": Script("It rains.", slow_ms=3_000)})
    await stage.talk.hear(stage.bridge, "how is the weather")
    stage.talk.publish(AgentText, text=" Let me check.")
    await stage.talk.run_ms(10_000)
    assert stage.talk.texts == ["It rains."]
    assert stage.talk.of(ResultDelivered)[0].words_before == 0
    idle = Stage()
    idle.talk.publish(AgentText, text=" One moment, I'll look at the weather.")
    await idle.talk.run_ms(5_000)
    assert (idle.called, idle.story) == ([], [])


async def test_what_the_agent_invents_before_the_result_is_counted() -> None:
    stage = Stage({"weather": Script("It rains.", slow_ms=1_000)})
    await stage.talk.hear(stage.bridge, "how is the weather")
    stage.talk.publish(AgentText, text=" It is sunny.")
    await stage.talk.run_ms(10_000)
    assert stage.talk.of(ResultDelivered)[0].words_before == 3
    assert content_before_results(stage.talk.events) == {"i1": 3}


async def test_an_echo_of_the_question_confirms_nothing() -> None:
    stage = Stage()
    await stage.hear("delete all data", wait_ms=0)
    question = "This cannot be undone. Say confirm irreversible action, or cancel that."
    for index, word in enumerate(question.split()):
        stage.talk.publish(AgentText, at_samples=24_000 + index * 7_200, text=f" {word}", forced=True)
    begins = 24_000 + 5 * 7_200 + 4_800
    await stage.talk.run_ms(5_000)
    echo = Utterance("echo", "confirm irreversible action", begins, begins + 3 * 7_200)
    assert await stage.bridge.offer(echo) == "ignored"
    assert await stage.bridge.offer(echo) == "ignored"
    assert stage.called == []
    assert stage.decisions[-1] == ("ignore", None, None, "i1")
    assert stage.talk.of(DecisionMade)[-1].reason == "echo of the agent's own words"
    assert len(stage.talk.of(IntentFound)) == 1
    typed = Utterance("typed", "confirm irreversible action", begins, begins + 3 * 7_200, source="typed")
    assert await stage.bridge.offer(typed) == "taken"
    await stage.talk.run_ms(5_000)
    assert stage.called == ["delete_data"]


class Slow(Liar):
    """Counts what it is asked, and answers when it is let."""

    def __init__(self, *answers: Intent) -> None:
        super().__init__(*answers)
        self.asked: list[str] = []
        self.go = asyncio.Event()

    async def classify(self, text: str, pending: str | None) -> Intent:
        self.asked.append(text)
        await self.go.wait()
        return await super().classify(text, pending)


def guess(text: str, utterance_id: str = "u") -> Utterance:
    return Utterance(utterance_id, text, 0, 1_000)


async def test_a_probable_end_is_read_ahead_and_acts_on_nothing() -> None:
    slow = Slow(Intent("query", "weather"))
    slow.go.set()
    stage = Stage(classifier=slow)
    stage.bridge.prepare(guess("how is the weather"))
    stage.bridge.prepare(guess("how is the weather"))
    await stage.talk.run_ms(1_000)
    assert slow.asked == ["how is the weather"]
    assert stage.talk.events == []
    assert await stage.bridge.offer(guess("how is the weather")) == "taken"
    await stage.talk.run_ms(5_000)
    assert slow.asked == ["how is the weather"]
    assert stage.called == ["weather"]
    stage.bridge.prepare(guess("how is the weather"))
    await stage.talk.run_ms(1_000)
    assert len(slow.asked) == 1, "an utterance that is decided is not read again"


async def test_other_words_than_those_read_ahead_are_read_anew() -> None:
    slow = Slow(Intent("command", "start_backup"))
    stage = Stage(classifier=slow)
    stage.bridge.prepare(guess("delete all"))
    stage.bridge.prepare(guess("delete all data"))
    slow.go.set()
    assert await stage.bridge.offer(guess("start backup")) == "taken"
    await stage.talk.run_ms(1_000)
    assert slow.asked[-1] == "start backup"
    assert [intent.tool for intent in stage.talk.of(IntentFound)] == ["start_backup"]


async def test_a_talk_that_ends_in_the_middle_of_a_delivery_keeps_how_far_it_got() -> None:
    stage = Stage({"weather": Script("It will rain all day long in the north.")})
    await stage.hear("how is the weather", wait_ms=1_040)
    await stage.bridge.close("hung_up")
    (delivered,) = stage.talk.of(ResultDelivered)
    assert (delivered.how, delivered.words_heard, delivered.words_asked, delivered.interrupted) == ("engine", 3, 9, True)
    asking = Stage()
    await asking.hear("start backup", wait_ms=640)
    await asking.bridge.close("hung_up")
    assert asking.notices == [("i1", "question", "engine", 2)]
