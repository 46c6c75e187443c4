"""Scenarios held as whole talks through the workbench: every engine, the same seed the same talk, real time and virtual time agree."""

from __future__ import annotations

import asyncio
import ctypes.util
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from waiting import until

from evaluation.agreement import disagreements
from evaluation.expectations import judge
from evaluation.hold import HeldTalk, hold
from evaluation.measured import DYNAMICS
from evaluation.measures import measures
from evaluation.scenario import Scenario
from workbench.assembly import Workbench, assemble
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.clock import FastClock, RealtimeClock, fixed
from workbench.conversation.port import TalkRefused
from workbench.events import Event, FrameTiming, SessionOpened, UserText
from workbench.settings import Settings
from workbench.store import queries
from workbench.testing.asr import ScriptedAsr
from workbench.testing.duplex import DuplexEngine
from workbench.testing.talks import CHARGES
from workbench.testing.tts import ToneTts

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIPS = Path(__file__).parents[1] / "data" / "audio"
TIME, TIMES, STOP = "synthetic/time_tokyo.wav", "synthetic/times.wav", "synthetic/stop.wav"
HEARD = ("what time is it in tokyo", "what is seven times twelve")
"""What the recogniser understands of a talk's utterances, one after the other."""


class NamedDuplex(DuplexEngine):
    """In PersonaPlex's place: it talks of its own accord, without an end."""

    name = "personaplex"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    folder = tmp_path_factory.mktemp("held")
    settings = Settings(data_dir=folder, test_engines=True, personas_dir=None, turn_fixed_hold_ms=300, _env_file=None)  # type: ignore[call-arg]
    parts = {"recogniser": ScriptedAsr(HEARD), "synthesisers": [ToneTts()], "personaplex": NamedDuplex(["So", "on."])}
    made = await assemble(settings, **parts)  # type: ignore[arg-type]
    yield made
    await made.close()


def clip(name: str, file: str, **when: Any) -> dict[str, Any]:
    return {"do": "clip", "id": name, "clip": file, **({"when": when} if when else {})}


def scenario(steps: Sequence[Mapping[str, Any]], *expect: Mapping[str, Any], **rest: Any) -> Scenario:
    content = {"id": "s", "category": "tools", "about": "a", "user": steps, "expect": expect or [{"expect": "no_tool"}], **rest}
    return Scenario.model_validate(content).read_from(CLIPS, "test")


async def held(bench: Workbench, script: Scenario, engine: str, *, seed: int = 1) -> HeldTalk:
    clock = FastClock(fixed(CHARGES), latency_model="test")
    return await hold(bench, script, persona="myca", engine=engine, seed=seed, clock=clock)


ASK = scenario(
    [clip("ask", TIME)],
    {"expect": "answers", "after": "ask", "within_ms": 2_000},
    {"expect": "tool", "tool": "time_in_place", "delivered": True},
    {"expect": "says", "after": "ask", "all_of": ["tokyo"]},
    {"expect": "turns", "speaker": "user", "at_least": 1, "at_most": 1},
)


@pytest.mark.parametrize("engine", ["classic", "scripted"])
async def test_a_question_is_asked_a_tool_answers_and_all_is_recorded(bench: Workbench, engine: str) -> None:
    talk = await held(bench, ASK, engine)
    assert [v for v in judge(ASK, talk) if not v.passed] == []
    assert (talk.ended_reason, talk.missed) == ("completed", ())
    assert talk.user.size == talk.agent.size == sum(isinstance(event, FrameTiming) for event in talk.events) * FRAME_SAMPLES
    span = talk.spans["ask"]
    sounding = np.flatnonzero(talk.user)
    assert span.start == SAMPLE_RATE // 2
    assert span.start <= sounding[0] <= sounding[-1] < span.end
    found = measures(talk)
    assert found.keys() == {measure.name for measure in DYNAMICS}
    assert (found["tools_succeeded_count"], found["tool_results_said_share"], found["user_turns_count"]) == (1, 1, 1)
    assert found["tool_total_p50_ms"] is not None
    assert found["tool_total_p50_ms"] > 0
    bench.store.flush()
    (row,) = bench.store.query("SELECT * FROM voice_sessions WHERE session_id = ?", [talk.session_id])
    assert (row["transport"], row["engine"], row["ended_reason"], row["persona"]) == ("scenario", engine, "completed", "myca")
    recorded = [event.kind for event in queries.read_events(bench.store, talk.session_id)]
    assert recorded == [event.kind for event in talk.events]


async def test_the_same_scenario_fails_where_the_agent_is_another(bench: Workbench) -> None:
    talk = await held(bench, ASK, "echo")
    failed = {verdict.name for verdict in judge(ASK, talk) if not verdict.passed}
    # An echo answers before the question is over, and cannot say what the tool found; its host does that.
    assert "answers ask" in failed


async def test_a_full_duplex_agent_is_broken_into_at_its_words_and_talks_on(bench: Workbench) -> None:
    script = scenario(
        [clip("stop", STOP, cue="agent_words", nth=3, offset_ms=100)],
        {"expect": "talks_on", "step": "stop", "for_ms": 1_000},
        {"expect": "yields", "step": "stop", "within_ms": 1_000},
        {"expect": "silent", "between": ["stop", "stop"]},
    )
    talk = await held(bench, script, "personaplex")
    verdicts = {verdict.name: verdict.passed for verdict in judge(script, talk)}
    assert verdicts == {"talks_on stop": True, "yields stop": False, "silent stop stop": False}
    assert talk.ended_reason == "time_limit"


async def test_a_half_duplex_agent_is_stopped_by_the_user(bench: Workbench) -> None:
    script = scenario(
        [clip("ask", TIME), clip("stop", STOP, cue="agent_starts", offset_ms=600)],
        {"expect": "yields", "step": "stop", "within_ms": 1_000},
        {"expect": "talks_on", "step": "stop", "for_ms": 1_000},
    )
    talk = await held(bench, script, "classic")
    assert {verdict.name: verdict.passed for verdict in judge(script, talk)} == {"yields stop": True, "talks_on stop": False}
    assert measures(talk)["barge_ins_yielded_count"] == 1


async def test_typed_words_are_answered_and_a_cue_that_never_comes_is_told(bench: Workbench) -> None:
    script = scenario(
        [
            {"do": "type", "id": "note", "text": "What time is it in Tokyo?", "when": {"at_ms": 300}},
            clip("late", STOP, cue="agent_starts", nth=9, within_ms=4_000),
        ],
        {"expect": "answers", "after": "note", "within_ms": 2_000},
        {"expect": "ignores", "step": "late", "for_ms": 500},
    )
    talk = await held(bench, script, "scripted")
    answers, ignores = judge(script, talk)
    assert (answers.passed, talk.missed, ignores.passed) == (True, ("late",), False)
    assert "was missed" in ignores.found
    assert [event.source for event in talk.events if isinstance(event, UserText) and event.final] == ["typed"]


async def test_an_unknown_persona_is_refused_before_anything_is_played(bench: Workbench) -> None:
    with pytest.raises(TalkRefused, match="nobody"):
        await hold(bench, ASK, persona="nobody", engine="scripted", seed=1, clock=FastClock(fixed(CHARGES)))


async def test_a_talk_that_nobody_waits_for_any_more_is_ended(bench: Workbench) -> None:
    script = scenario([clip("late", STOP, at_ms=60_000)])
    task = asyncio.create_task(hold(bench, script, persona="myca", engine="scripted", seed=1, clock=RealtimeClock()))
    await until(lambda: bench.sessions.live)
    (live,) = bench.sessions.live.values()
    await live.conversation.opened()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await live.closed() == "hung_up"


async def test_a_recogniser_that_is_slower_than_speech_answers_later_in_virtual_time_too(bench: Workbench) -> None:
    offsets = []
    for feed_ms in (0.0, 100.0):
        clock = FastClock(fixed({**CHARGES, "asr_feed": feed_ms}), latency_model="test")
        talk = await hold(bench, ASK, persona="myca", engine="scripted", seed=1, clock=clock)
        offsets.append(measures(talk)["reply_fto_p50_ms"] or 0.0)
    # Some 30 frames of speech take 20 ms longer to be heard than to be spoken.
    assert offsets[1] - offsets[0] > 400


MACHINE = {
    *("session_id", "conversation_id", "utterance_id", "turn_id", "barge_in_id", "invocation_id", "pending_id"),
    *("ms", "decode_ms", "duration_ms", "handshake_ms", "result", "spoken", "cancelled_text"),
}
"""Names that are drawn for each talk, and what the machine's own clock decides (how long work took, what time it is in Tokyo)."""


def repeatable(talk: HeldTalk) -> list[Any]:
    def kept(event: Event) -> dict[str, Any]:
        return {name: value for name, value in event.payload().items() if name not in MACHINE}

    return [(e.kind, e.at_samples, e.noticed_samples, kept(e)) for e in talk.events if not isinstance(e, FrameTiming)]


NOISY = scenario(
    [clip("one", STOP, at_ms=500, jitter_ms=200), clip("two", STOP, after="one", offset_ms=1_500, jitter_ms=300)],
    noise=[{"kind": "pink", "snr_db": 25}],
    echo={"delay_ms": 90, "gain_db": -40},
)


async def test_the_same_seed_is_the_same_talk_and_another_seed_another(bench: Workbench) -> None:
    one, again, other = [await held(bench, NOISY, "scripted", seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(one.user, again.user)
    assert np.array_equal(one.agent, again.agent)
    assert repeatable(one) == repeatable(again)
    assert one.spans == again.spans
    assert one.spans["one"].start != other.spans["one"].start
    assert repeatable(one) != repeatable(other)


@pytest.mark.slow
@pytest.mark.skipif(ctypes.util.find_library("flite") is None, reason="libflite1 is not installed")
async def test_real_parts_repeat_a_talk_as_well(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, personas_dir=None, tts="flite", _env_file=None)  # type: ignore[call-arg]
    real = await assemble(settings)
    try:
        one, again = [await held(real, scenario([clip("sum", TIMES)]), "classic") for _ in range(2)]
    finally:
        await real.close()
    assert np.array_equal(one.agent, again.agent)
    assert repeatable(one) == repeatable(again)


async def test_real_time_and_virtual_time_agree(bench: Workbench) -> None:
    script = scenario(
        [clip("ask", TIME), clip("sum", TIMES, cue="agent_starts", offset_ms=600)],
        {"expect": "answers", "after": "ask", "within_ms": 3_000},
        {"expect": "yields", "step": "sum", "within_ms": 1_500},
        {"expect": "answers", "after": "sum", "within_ms": 3_000},
        {"expect": "says", "after": "sum", "any_of": ["84"]},
        {"expect": "tool", "tool": "time_in_place", "delivered": False},
        {"expect": "talks_on", "step": "sum", "for_ms": 4_000},
    )
    # The scripted parts need next to no time, so none is charged: a busy machine then delays the talk in real time only, which is told.
    virtual = await hold(bench, script, persona="myca", engine="classic", seed=1, clock=FastClock(fixed({}), latency_model="free"))
    realtime = await hold(bench, script, persona="myca", engine="classic", seed=1, clock=RealtimeClock())
    (opened,) = [event for event in realtime.events if isinstance(event, SessionOpened)]
    assert (opened.pace, opened.latency_model) == ("realtime", "wall")
    assert realtime.user.size <= 12 * SAMPLE_RATE
    assert disagreements(script, realtime, virtual) == []
    # An agreement that cannot be missed would be none: another talk does not agree.
    other = await held(bench, ASK, "classic")
    assert disagreements(script, other, virtual) != []
