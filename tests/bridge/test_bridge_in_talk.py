"""The bridge in a whole conversation, with engines that can and cannot speak given words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np

from workbench.bridge.bridge import Bridge
from workbench.bridge.registry import Registry
from workbench.bridge.tools import register_builtin
from workbench.events import AgentText, IntentFound, NoticeDelivered, ResultDelivered, ToolEvent, ToolRefused, TurnEnded
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine, ScriptedEngine
from workbench.testing.talks import TalkResult, pause, run_talk, spoken
from workbench.testing.tts import ToneTts

ASKS = np.concatenate([pause(0.5), spoken(1.0), pause(8.0)])
BREAKS_IN = np.concatenate([pause(0.5), spoken(1.0), pause(1.5), spoken(1.0), pause(6.0)])


def bridge(now: Callable[[], datetime], allowed: tuple[str, ...] = ("*",)) -> Bridge:
    registry = Registry()
    register_builtin(registry, stats=dict, now=now)
    return Bridge(registry, allowed=allowed)


def words(result: TalkResult) -> str:
    return "".join(piece.text for piece in result.of(AgentText)).strip()


def story(result: TalkResult) -> list[str]:
    return [event.kind for event in result.events if isinstance(event, ToolEvent) and not isinstance(event, NoticeDelivered)]


async def test_a_question_is_answered_by_the_engine_with_the_tools_words_and_no_others(noon: Callable[[], datetime]) -> None:
    asr = ScriptedAsr(["what time is it in tokyo"])
    result = await run_talk(ASKS, engines=[ScriptedEngine(["an invented time"])], asr=asr, actor=bridge(noon), tones=True)
    assert words(result) == "It is nine oh five in the evening on Friday in Tokyo."
    assert story(result) == ["ToolStarted", "ToolFinished", "ResultDelivered"]
    (delivered,) = result.of(ResultDelivered)
    assert (delivered.how, delivered.words_heard, delivered.interrupted) == ("engine", 12, False)
    assert [turn.speaker for turn in result.of(TurnEnded)] == ["user", "agent"]
    assert "what time is it in tokyo" in asr.phrases[0]


async def test_chitchat_is_the_engines_to_answer(noon: Callable[[], datetime]) -> None:
    asr = ScriptedAsr(["the sunset was beautiful"])
    result = await run_talk(ASKS, engines=[ScriptedEngine(["it really was"])], asr=asr, actor=bridge(noon), tones=True)
    assert words(result) == "it really was"
    assert [intent.intent for intent in result.of(IntentFound)] == ["chitchat"]
    assert story(result) == []


async def test_an_engine_that_cannot_say_it_leaves_it_to_the_host(noon: Callable[[], datetime]) -> None:
    result = await run_talk(
        ASKS, engines=[EchoEngine()], asr=ScriptedAsr(["what is twelve times seven"]), actor=bridge(noon), host_tts=ToneTts(), tones=True
    )
    (delivered,) = result.of(ResultDelivered)
    assert (delivered.how, delivered.words_heard) == ("host", 6)


async def test_without_any_voice_the_card_remains(noon: Callable[[], datetime]) -> None:
    result = await run_talk(ASKS, engines=[EchoEngine()], asr=ScriptedAsr(["what is twelve times seven"]), actor=bridge(noon), tones=True)
    assert [delivered.how for delivered in result.of(ResultDelivered)] == ["card"]


async def test_the_user_breaks_into_the_result(noon: Callable[[], datetime]) -> None:
    asr = ScriptedAsr(["what time is it in tokyo", "okay thank you"])
    result = await run_talk(BREAKS_IN, engines=[ScriptedEngine(["you are welcome"])], asr=asr, actor=bridge(noon), tones=True)
    (delivered,) = result.of(ResultDelivered)
    assert delivered.interrupted
    assert 0 < delivered.words_heard < delivered.words_asked == 12


async def test_a_persona_without_the_tool_answers_itself(noon: Callable[[], datetime]) -> None:
    result = await run_talk(
        ASKS,
        engines=[ScriptedEngine(["I have no clock"])],
        asr=ScriptedAsr(["what time is it in tokyo"]),
        actor=bridge(noon, allowed=("arithmetic",)),
        tones=True,
    )
    assert words(result) == "I have no clock"
    assert [refused.reason for refused in result.of(ToolRefused)] == ["this persona may not use time_in_place"]
