"""An engine that lost a talk and may take it up again: once more, refused, silent, and asked for by name."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from workbench.audio.frames import FRAME_SAMPLES
from workbench.conversation.conversation import Conversation
from workbench.engines.base import EngineBusy, EngineSession, EngineSpec
from workbench.events import EngineChosen, EngineLost, Notice
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import DyingEngine, ScriptedEngine
from workbench.testing.talks import TalkResult, pause, run_talk


class Returning(DyingEngine):
    """Dies as `DyingEngine` does, and may be opened again; `refuses` says how that goes."""

    def __init__(self, frames: int, *, refuses: str = "") -> None:
        super().__init__(frames)
        self.refuses = refuses
        self.specs: list[EngineSpec] = []

    async def open(self, spec: EngineSpec) -> EngineSession:
        if self.specs and self.refuses == "busy":
            raise EngineBusy("Every place is taken.")
        if self.specs and self.refuses == "silent":
            await asyncio.Event().wait()
        session = await super().open(spec)
        session.capabilities = dataclasses.replace(session.capabilities, can_resume=True)
        self.specs.append(spec)
        return session


async def talk(engine: Returning, *, requested: str = "auto", seconds: float = 4.0) -> TalkResult:
    return await run_talk(
        pause(seconds), engines=[engine, ScriptedEngine(["I stand in"])], requested=requested, asr=ScriptedAsr([]), tones=True
    )


@pytest.mark.parametrize("requested", ["auto", "dying"])
async def test_the_same_engine_is_asked_first_with_the_same_spec_and_an_account(requested: str) -> None:
    engine = Returning(20)
    result = await talk(engine, requested=requested)
    chosen = result.of(EngineChosen)
    assert [(one.engine, one.resumed, one.requested) for one in chosen[:2]] == [("dying", False, requested), ("dying", True, requested)]
    first, again = engine.specs[:2]
    assert (first.account, again.account != "") == ("", True)
    assert dataclasses.replace(again, account="") == first, "persona, voice, seed and sampling are the same"
    assert len(result.of(EngineLost)) == len(engine.specs) - 1, "every loss is told"


async def test_one_that_dies_again_and_again_is_given_up() -> None:
    engine = Returning(5)
    result = await talk(engine)
    assert [one.engine for one in result.of(EngineChosen)] == ["dying"] * 4 + ["scripted"]


@pytest.mark.parametrize("refuses", ["busy", "silent"])
async def test_a_refusal_is_told_and_the_next_engine_has_the_talk_at_once(refuses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.conversation.agent_side.RESUME_WITHIN_S", 0.05)
    result = await talk(Returning(10, refuses=refuses))
    (lost,) = result.of(EngineLost)
    (notice,) = [one for one in result.of(Notice) if one.code == "engine_not_resumed"]
    assert ("Every place is taken." if refuses == "busy" else "no answer within 0.05 s") in notice.message
    first, second = result.of(EngineChosen)
    assert (first.engine, second.engine, second.resumed) == ("dying", "scripted", False)
    assert second.noticed_samples - lost.noticed_samples <= FRAME_SAMPLES


async def test_the_user_who_switches_meanwhile_is_obeyed() -> None:
    engine = Returning(10, refuses="late")
    may_open = asyncio.Event()
    opened = engine.open

    async def late(spec: EngineSpec) -> EngineSession:
        if engine.specs:
            conversations[0].switch_engine("scripted")
            await may_open.wait()
        return await opened(spec)

    engine.open = late  # type: ignore[method-assign]

    class Switch:
        def on_event(self, event: object) -> None:
            if isinstance(event, EngineChosen) and event.engine == "scripted":
                may_open.set()

        def on_frame(self, *_frame: object) -> None:
            """Only events matter."""

    conversations: list[Conversation] = []
    result = await run_talk(
        pause(3.0),
        engines=[engine, ScriptedEngine()],
        asr=ScriptedAsr([]),
        tones=True,
        observers=[Switch()],
        on_start=conversations.append,
    )
    assert [one.engine for one in result.of(EngineChosen)] == ["dying", "scripted"]
    assert len(engine.specs) == 2, "it had come back, and was sent away"
