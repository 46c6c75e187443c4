"""Traces of talks in virtual time: which spans there are, where they lie, and what is in none of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from opentelemetry.sdk.trace import ReadableSpan
from spans_kept import KeptSpans, everything, notes, told

from workbench import events
from workbench.audio.frames import SAMPLE_RATE
from workbench.bridge.bridge import Bridge
from workbench.bridge.invocation import Timing
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool
from workbench.clock import FastClock, fixed
from workbench.events import Event
from workbench.telemetry.session_time import NS_PER_S, SessionTime
from workbench.telemetry.talk_spans import TalkSpans
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine, ScriptedEngine
from workbench.testing.talks import CHARGES, TalkResult, pause, run_talk, spoken
from workbench.testing.tools import Script, ScriptedProvider

BEGAN_NS = 1_800_000_000 * NS_PER_S
ONE = np.concatenate([pause(0.5), spoken(1.0), pause(8.0)])
TWO = np.concatenate([pause(0.5), spoken(1.0), pause(4.0), spoken(1.0), pause(8.0)])
TOOLS = (
    Tool("weather", "Tell the weather", phrases=("what is the weather",), provider="scripted"),
    Tool("lights", "Turn on the lights", phrases=("turn on the lights",), tier="write", provider="scripted"),
    Tool("broken", "Tell the news", phrases=("what is new",), provider="scripted"),
)


class Traced:
    """A talk in virtual time with scripted tools, and its spans."""

    def __init__(self) -> None:
        self.kept = KeptSpans()
        self.spans = TalkSpans(self.kept.tracer, engine=str, tool=str, time=SessionTime(lambda: BEGAN_NS))

    async def hold(self, clip: object, *said: str, engine: ScriptedEngine | EchoEngine | None = None, filler: str = "") -> TalkResult:
        clock = FastClock(fixed(CHARGES), latency_model="test")
        scripts = {
            "weather": Script("It is sunny outside, and so it will stay for the whole of the afternoon.", slow_ms=700.0),
            "lights": Script("They are on."),
            "broken": Script(error="BOOM"),
        }
        registry = Registry()
        registry.add(ScriptedProvider(scripts, clock=clock), *TOOLS)
        return await run_talk(
            clip,  # type: ignore[arg-type]
            engines=[engine or ScriptedEngine(["I do not know"])],
            asr=ScriptedAsr(said),
            actor=Bridge(registry, timing=Timing(filler=filler)),
            tones=True,
            clock=clock,
            observers=[self.spans],
        )


def at_ms(span: ReadableSpan) -> tuple[float, float]:
    """Its beginning and end in session time."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.start_time - BEGAN_NS) / 1e6, (span.end_time - BEGAN_NS) / 1e6


def ms(samples: int) -> float:
    return samples / SAMPLE_RATE * 1_000


async def test_a_talk_is_one_trace_whose_times_are_those_of_its_events() -> None:
    traced = Traced()
    result = await traced.hold(ONE, "what is the weather")
    talk = traced.kept.one("talk")
    (opened,), (closed,) = result.of(events.SessionOpened), result.of(events.SessionClosed)
    assert told(talk) == {
        "session_id": "test-session",
        "persona": "tester",
        "persona_hash": opened.persona_hash,
        "voice": "NATF2",
        "transport": "clip",
        "pace": "fast",
        "latency_model": "test",
        "recording": False,
        "engine": "scripted",
        "ended_reason": closed.reason,
    }
    assert at_ms(talk)[1] == ms(closed.at_samples)
    assert {span.context.trace_id for span in traced.kept.all if span.context} == {int(traced.spans.trace_id, 16)}
    assert notes(talk)[0] == "EngineChosen"

    (words,) = [event for event in result.of(events.UserText) if event.final]
    utterance = traced.kept.one("UserText")
    assert at_ms(utterance) == (ms(words.start_samples), ms(words.noticed_samples))
    assert notes(utterance) == ["UserSpeech", "UserSpeech"]
    stages = {f"{stage.stage}_ms": stage.ms for stage in result.of(events.StageTiming) if stage.utterance_id == words.utterance_id}
    assert {"asr_ms", "end_of_turn_ms", "intent_ms", "dispatch_ms", "tool_ms", "delivery_ms"} <= stages.keys()
    assert {name: value for name, value in told(utterance).items() if name in stages} == stages

    turns = {told(span)["turn_id"]: span for span in traced.kept.named("TurnEnded")}
    assert turns.keys() == {turn.turn_id for turn in result.of(events.TurnEnded)}
    for turn in result.of(events.TurnEnded):
        assert at_ms(turns[turn.turn_id]) == (ms(turn.start_samples), ms(turn.end_samples))
        assert told(turns[turn.turn_id]).get("latency_ms") == turn.latency_ms


async def test_a_tools_stages_follow_each_other_from_the_words_to_the_answer() -> None:
    traced = Traced()
    result = await traced.hold(ONE, "what is the weather")
    tool = traced.kept.one("tool")
    stages = traced.kept.children(tool)
    assert [stage.name for stage in stages] == ["IntentFound", "ToolStarted", "ToolFinished", "ResultDelivered", "AgentText"]
    for before, after in itertools.pairwise(stages):
        assert before.end_time == after.start_time
    (words,) = [event for event in result.of(events.UserText) if event.final]
    (finished,), (delivered,) = result.of(events.ToolFinished), result.of(events.ResultDelivered)
    assert at_ms(stages[0])[0] == ms(words.at_samples)
    begun, ended = at_ms(stages[2])
    assert ended - begun == finished.latency_ms == 700.0
    assert at_ms(stages[3]) == (ms(finished.at_samples), ms(delivered.at_samples))
    assert told(tool) == {
        "invocation_id": finished.invocation_id,
        "tool": "weather",
        "act": "run",
        "tier": "read",
        "provider": "scripted",
        "status": "success",
    }


async def test_a_word_of_confirmation_is_a_stage_of_its_own() -> None:
    traced = Traced()
    await traced.hold(TWO, "turn on the lights", "confirm and proceed")
    stages = [stage.name for stage in traced.kept.children(traced.kept.one("tool"))]
    assert stages[:4] == ["IntentFound", "ToolConfirmed", "ToolStarted", "ToolFinished"]
    assert notes(traced.kept.one("tool")) == ["ToolProposed", "NoticeDelivered"]


async def test_a_failure_and_a_refusal_end_their_spans() -> None:
    traced = Traced()
    await traced.hold(TWO, "what is new", "turn on the lights")
    failed, refused = traced.kept.named("tool")
    assert (told(failed)["status"], failed.status.is_ok) == ("error", False)
    assert [stage.name for stage in traced.kept.children(failed)] == ["IntentFound", "ToolStarted", "ToolFailed"]
    assert told(refused)["status"] == "refused", "the talk ended before a word was given"
    assert traced.kept.children(refused)[-1].name == "ToolRefused"


async def test_a_barge_in_is_as_long_as_the_agent_took_to_stop() -> None:
    traced = Traced()
    breaks_in = np.concatenate([pause(0.5), spoken(1.0), pause(2.4), spoken(1.0), pause(6.0)])
    result = await traced.hold(breaks_in, "what is the weather", "thank you")
    found = [event for event in result.of(events.BargeIn) if event.stop_latency_ms is not None]
    assert found, "the test's user broke in too late"
    span = traced.kept.named("BargeIn")[0]
    begun, ended = at_ms(span)
    assert ended - begun == told(span)["stop_latency_ms"] == found[0].stop_latency_ms


async def test_an_engine_that_is_lost_is_noted_with_its_successor() -> None:
    traced = Traced()
    kept = traced.kept
    for event in (
        events.SessionOpened(
            at_samples=0,
            noticed_samples=0,
            session_id="s",
            conversation_id="c",
            persona="p",
            persona_hash="h",
            voice="v",
            transport="websocket",
            recording=False,
            pace="fast",
            latency_model="measured",
        ),
        events.EngineChosen(at_samples=0, noticed_samples=0, engine="personaplex", requested="auto", reason=""),
        events.EngineLost(at_samples=9, noticed_samples=9, engine="personaplex", reason="SECRET WORDS"),
        events.EngineChosen(at_samples=9, noticed_samples=9, engine="classic", requested="auto", reason=""),
        events.SessionClosed(at_samples=99, noticed_samples=99, reason="hung_up"),
    ):
        traced.spans.on_event(event)
    talk = kept.one("talk")
    assert [(event.name, (event.attributes or {})["engine"]) for event in talk.events] == [
        ("EngineChosen", "personaplex"),
        ("EngineLost", "personaplex"),
        ("EngineChosen", "classic"),
    ]
    assert told(talk)["engine"] == "classic"
    assert "SECRET" not in everything(kept.all)


async def test_no_word_of_anybody_is_in_any_span() -> None:
    traced = Traced()
    await traced.hold(TWO, "what is the weather", "what is new", filler="One moment.")
    text = everything(traced.kept.all).lower()
    assert "weather" in text, "the name of the tool is there"
    for word in ("what is", "sunny", "outside", "boom", "one moment", "sorry", "i do not know"):
        assert word not in text, word


def test_in_real_time_the_first_frame_says_where_session_time_lies() -> None:
    now = [BEGAN_NS]
    kept = KeptSpans()
    spans = TalkSpans(kept.tracer, engine=str, tool=str, time=SessionTime(lambda: now[0]))

    def show(event: Callable[..., Event], at: int, **fields: object) -> None:
        spans.on_event(event(at_samples=at, noticed_samples=at, **fields))

    names = {"session_id": "s", "conversation_id": "c", "persona": "p", "persona_hash": "h", "voice": "v", "transport": "webrtc"}
    show(events.SessionOpened, 0, **names, recording=False, pace="realtime", latency_model="wall")
    # The engine takes 3 s to open, while session time stands still; then 80 ms later the first frame is there.
    now[0] += 3 * NS_PER_S
    show(events.EngineChosen, 0, engine="classic", requested="auto", reason="")
    now[0] += 80_000_000
    show(events.FrameTiming, 1_920, frame=1, late_ms=0.0, listen_ms=1.0, engine_ms=1.0, total_ms=2.0)
    now[0] += 10 * NS_PER_S
    turn = {
        "turn_id": "t",
        "speaker": "user",
        "text": "x",
        "start_samples": SAMPLE_RATE,
        "end_samples": 2 * SAMPLE_RATE,
        "latency_ms": None,
    }
    show(events.TurnEnded, 2 * SAMPLE_RATE, **turn)
    show(events.SessionClosed, 10 * SAMPLE_RATE, reason="hung_up")
    assert at_ms(kept.one("TurnEnded")) == (4_000.0, 5_000.0)
    assert at_ms(kept.one("talk"))[1] == 13_000.0
    assert kept.one("talk").events[0].timestamp == BEGAN_NS + 3 * NS_PER_S
    assert datetime.fromtimestamp(BEGAN_NS / NS_PER_S, UTC).year == 2027
