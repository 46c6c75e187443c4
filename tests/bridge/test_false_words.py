"""Words that sound like the user's agreement and are none: the question's own echo, a yes from before it, a yes to another tool."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from bridge_stage import BACKUP, MAIL, WIPE, Stage

from workbench.audio.frames import ms_to_samples
from workbench.bridge.echo import ECHO
from workbench.bridge.intent import Intent
from workbench.bridge.tool import Tool
from workbench.events import AgentText, DecisionMade, ToolRefused
from workbench.talk import Utterance

PACE_MS = 300


async def asked(wish: str) -> Stage:
    stage = Stage()
    await stage.hear(wish, wait_ms=2_000)
    assert stage.bridge.pending is not None
    assert not stage.called
    return stage


async def speak(stage: Stage, text: str, utterance_id: str, *, echo: bool) -> None:
    """The user's channel brings `text`, while the host reads the same words out (an echo) or not."""
    start = stage.talk.clock.now_samples
    for word in text.split():
        if echo:
            stage.talk.publish(AgentText, text=f" {word}", forced=True)
        await stage.talk.run_ms(PACE_MS)
    end = stage.talk.clock.now_samples
    await stage.bridge.offer(Utterance(utterance_id, text, start, end))
    await stage.talk.run_ms(2_000)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("delete all data", "confirm irreversible"),
        ("delete all data", "confirm irreversible action"),
        ("start the backup workflow", "confirm"),
        ("start the backup workflow", "proceed"),
        ("start the backup workflow", "and proceed"),
    ],
)
async def test_a_fragment_of_the_question_in_the_microphone_runs_nothing(wish: str, words: str) -> None:
    stage = await asked(wish)
    await speak(stage, words, "echo", echo=True)
    assert stage.called == []
    assert (stage.talk.of(DecisionMade)[-1].act, stage.talk.of(DecisionMade)[-1].reason) == ("ignore", ECHO)
    assert stage.bridge.pending is not None, "it still waits for the user"
    await stage.talk.run_ms(2_000)
    await speak(stage, words if wish.startswith("delete") else "yes", "user", echo=False)
    assert len(stage.called) == 1


async def test_the_users_no_is_taken_also_while_the_question_says_it() -> None:
    stage = await asked("delete all data")
    await speak(stage, "cancel", "user", echo=True)
    assert stage.bridge.pending is None
    assert stage.called == []


async def test_a_yes_from_before_the_question_confirms_nothing() -> None:
    stage = await asked("start the backup workflow")
    assert stage.bridge.pending is not None
    before = stage.bridge.pending.asked_samples - ms_to_samples(100)
    await stage.bridge.offer(Utterance("early", "yes", before - ms_to_samples(300), before))
    await stage.talk.run_ms(2_000)
    assert stage.called == []
    assert stage.talk.of(DecisionMade)[-1].act == "ask_again"
    await stage.hear("yes")
    assert stage.called == [BACKUP.name]


class Slow:
    """A classifier that needs long for one answer and none for the others."""

    name = "slow"

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def classify(self, text: str, pending: str | None) -> Intent:
        if text == "yes":
            await self.go.wait()
            return Intent("confirm", source=self.name)
        tool, arguments = (MAIL, {"to": "everyone"}) if "report" in text else (BACKUP, {})
        return Intent("command", tool=tool.name, arguments=arguments, source=self.name)


async def test_a_yes_that_is_still_being_read_does_not_confirm_what_was_asked_meanwhile() -> None:
    slow = Slow()
    stage = Stage(classifier=slow)
    await stage.hear("start the backup", wait_ms=2_000)
    yes = asyncio.ensure_future(stage.talk.hear(stage.bridge, "yes"))
    await stage.talk.run_ms(100)
    await stage.hear("send the report to everyone", wait_ms=2_000)
    slow.go.set()
    await yes
    await stage.talk.run_ms(2_000)
    assert stage.called == []
    assert stage.bridge.pending is not None
    assert stage.bridge.pending.tool == MAIL


@pytest.mark.parametrize("now", [(), (replace(BACKUP, tier="destructive"),)])
async def test_a_yes_runs_no_tool_that_changed_after_the_question(now: tuple[Tool, ...]) -> None:
    stage = await asked("start the backup workflow")
    stage.registry.refresh(stage.provider, [MAIL, WIPE, *now])
    await stage.hear("yes")
    assert stage.called == []
    assert stage.bridge.pending is None
    assert "changed after it was asked" in stage.talk.of(ToolRefused)[-1].reason
