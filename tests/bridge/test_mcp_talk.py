"""Whole talks, in virtual time, with the tools of real MCP servers behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp_servers import SECRET, Linked
from waiting import until

from workbench.bridge.bridge import STOPPED, Bridge
from workbench.bridge.fleet import Fleet, Waits
from workbench.bridge.guard import Limits
from workbench.bridge.invocation import NOT_WORKED, TOO_LATE, Timing
from workbench.bridge.redact import Redactor
from workbench.bridge.registry import Registry
from workbench.events import ToolCancelled, ToolEvent, ToolFailed, ToolFinished, ToolProgressed, ToolStarted
from workbench.testing.talk import FakeTalk


class Scene:
    """A talk beside a fleet with one MCP server."""

    def __init__(self, linked: Linked) -> None:
        self.linked = linked
        self.told: list[str] = []
        self.registry = Registry()
        redactor = Redactor([SECRET])
        self.fleet = Fleet(
            self.registry,
            [linked.provider],
            limits=Limits(attempts=1),
            waits=Waits(first_s=0.01, most_s=0.05),
            tell=self.told.append,
            redactor=redactor,
        )
        self.talk = FakeTalk()
        ids = iter(range(1, 100))
        self.bridge = Bridge(self.registry, timing=Timing(filler=""), new_id=lambda: f"i{next(ids)}")
        self.bridge.attach(self.talk)

    async def hear(self, text: str, wait_ms: float = 12_000) -> bool:
        taken = await self.talk.hear(self.bridge, text)
        await self.talk.run_ms(wait_ms)
        return taken


@pytest.fixture(params=["in-process", "stdio"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(Linked(request.param, tmp_path / "tools.log", timeout_s=20.0))
    yield made
    await made.bridge.close("test")
    await made.fleet.close()


async def test_tools_that_appear_in_mid_talk_are_used_and_a_change_of_mind_reaches_the_server(scene: Scene) -> None:
    linked, talk = scene.linked, scene.talk
    assert not await scene.hear("which slots are free on monday"), "nobody has that tool yet"
    scene.fleet.start()
    await scene.fleet.settled(60.0)

    assert await scene.hear("which slots are free on monday")
    assert talk.texts == ["day: monday; free: nine o'clock in the morning, ten thirty in the morning, two o'clock in the afternoon."]

    assert await scene.hear("keep the note milk")
    assert linked.written("kept milk under i2") == 0
    assert await scene.hear("confirm and proceed")
    assert linked.written("kept milk under i2") == 1, "the key is that of the proposal"

    assert await talk.hear(scene.bridge, "wait for sixty seconds")
    await until(lambda: linked.written("slow began") == 1 and bool(talk.of(ToolProgressed)))
    assert await talk.hear(scene.bridge, "never mind")
    await talk.run_ms(2_000)
    await until(lambda: linked.written("slow saw CancelledError") == 1)
    (cancelled,) = talk.of(ToolCancelled)
    assert cancelled.reason == "the user called it off"
    assert talk.texts[-1] == STOPPED
    assert not [event for event in talk.of(ToolFailed) if event.invocation_id == cancelled.invocation_id]

    assert await scene.hear("how is the roof today")
    (failed,) = talk.of(ToolFailed)
    assert "upstream said 401 for [hidden]" in failed.error
    assert talk.texts[-1] == NOT_WORKED
    assert SECRET not in repr(talk.events)
    assert "geheim" not in repr(talk.events)


async def test_a_server_that_dies_in_mid_talk_is_there_again_for_the_next_question(tmp_path: Path) -> None:
    scene = Scene(Linked("stdio", tmp_path / "tools.log", timeout_s=20.0))
    scene.fleet.start()
    await scene.fleet.settled(60.0)
    assert await scene.hear("how is the engine today")
    (failed,) = scene.talk.of(ToolFailed)
    assert "ended the connection in the middle of the call" in failed.error
    assert scene.talk.texts == [NOT_WORKED]
    await until(lambda: len([text for text in scene.told if text.startswith("Tools of box: ")]) == 2, limit_s=60.0)
    assert await scene.hear("which slots are free on monday")
    assert len(scene.talk.of(ToolFinished)) == 1
    await scene.bridge.close("test")
    await scene.fleet.close()


async def test_a_call_that_takes_too_long_is_ended_at_the_server_too(tmp_path: Path) -> None:
    scene = Scene(Linked("in-process", tmp_path / "tools.log", timeout_s=0.5))
    scene.fleet.start()
    await scene.fleet.settled(60.0)
    assert await scene.hear("wait for sixty seconds")
    await until(lambda: scene.linked.written("slow saw CancelledError") == 1)
    (failed,) = scene.talk.of(ToolFailed)
    assert (failed.error, failed.timed_out) == ("no answer within 0.5 s", True)
    assert scene.talk.texts == [TOO_LATE]
    kinds = [event.kind for event in scene.talk.events if isinstance(event, ToolEvent)]
    assert kinds.count(ToolStarted.__name__) == 1
    view = (await scene.fleet.states())[0].calls
    assert view is not None
    assert (view.failures, view.running) == (1, 0)
    await scene.bridge.close("test")
    await scene.fleet.close()
