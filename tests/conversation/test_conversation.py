"""Whole talks in virtual time: turns, barge-ins, one decision per utterance, engines that die, watchers that fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from taker import Taker

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from workbench.conversation.conversation import Conversation
from workbench.engines.base import Availability, EngineBusy, EngineError, EngineSession, EngineSpec
from workbench.events import (
    AgentSpeech,
    AgentText,
    BargeIn,
    EngineChosen,
    EngineLost,
    Event,
    FrameTiming,
    Notice,
    SessionClosed,
    SessionOpened,
    StageTiming,
    TurnEnded,
    UserSpeech,
    UserText,
)
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import DyingEngine, EchoEngine, ScriptedEngine
from workbench.testing.talks import TalkResult, pause, run_talk, spoken
from workbench.testing.tts import ToneTts


def talk_of(*parts: Pcm) -> Pcm:
    return np.concatenate(parts)


HELLO = talk_of(pause(0.5), spoken(1.0), pause(0.5))


def said(result: TalkResult) -> str:
    return "".join(piece.text for piece in result.of(AgentText)).strip()


async def test_an_utterance_becomes_a_turn_an_answer_and_a_second_turn() -> None:
    result = await run_talk(HELLO, engines=[ScriptedEngine(["nice to meet you"])], asr=ScriptedAsr(["hello there"]), tones=True)
    user, agent = result.of(TurnEnded)
    assert (user.speaker, user.text, user.latency_ms) == ("user", "hello there", None)
    assert (agent.speaker, agent.text, agent.interrupted) == ("agent", "nice to meet you", False)
    assert agent.latency_ms == pytest.approx((agent.start_samples - user.end_samples) / 24)
    assert 400 < agent.latency_ms < 800
    assert result.reason == "completed"
    assert result.events[0].kind == "SessionOpened"
    assert result.events[-1].kind == "SessionClosed"


async def test_the_same_talk_gives_the_same_events_every_time() -> None:
    def shape(events: list[Event]) -> list[tuple[str, int, int]]:
        return [(event.kind, event.at_samples, event.noticed_samples) for event in events]

    runs = [await run_talk(HELLO, engines=[ScriptedEngine()], asr=ScriptedAsr(["hello"]), tones=True) for _ in range(2)]
    assert shape(runs[0].events) == shape(runs[1].events)


async def test_events_are_published_in_the_order_of_noticing() -> None:
    clip = talk_of(HELLO, pause(1.5), spoken(0.6), pause(0.3))
    result = await run_talk(clip, engines=[ScriptedEngine(["a b c d e f g h i j", "k l"])], asr=ScriptedAsr(["hello", "wait"]), tones=True)
    noticed = [event.noticed_samples for event in result.events]
    assert noticed == sorted(noticed)
    assert all(event.at_samples <= event.noticed_samples for event in result.events)


async def test_the_user_breaking_in_stops_a_half_duplex_agent_and_both_halves_are_kept() -> None:
    clip = talk_of(HELLO, pause(1.1), spoken(1.0), pause(0.5))
    result = await run_talk(
        clip,
        engines=[ScriptedEngine(["one two three four five six seven eight nine ten eleven twelve", "ok"])],
        asr=ScriptedAsr(["count", "stop"]),
        tones=True,
    )
    (barge_in,) = result.of(BargeIn)
    assert barge_in.outcome == "yielded"
    assert barge_in.stop_latency_ms is not None
    assert 0 < barge_in.stop_latency_ms <= 200
    assert (barge_in.heard_text + " " + barge_in.cancelled_text).split() == (
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
    interrupted = [turn for turn in result.of(TurnEnded) if turn.interrupted]
    assert [turn.text for turn in interrupted] == [barge_in.heard_text]
    # Nothing of the cancelled words is in the sound.
    onset = barge_in.at_samples + round(0.2 * SAMPLE_RATE)
    assert not np.any(np.abs(result.agent[onset : onset + SAMPLE_RATE // 2]) > 0.001)


async def test_a_pause_within_an_utterance_does_not_end_the_turn() -> None:
    clip = talk_of(pause(0.3), spoken(0.8), pause(0.35), spoken(0.8), pause(0.5))
    result = await run_talk(clip, engines=[ScriptedEngine(["fine"])], asr=ScriptedAsr(["first part", "second part"]), tones=True)
    finals = [event for event in result.of(UserText) if event.final]
    assert [event.text for event in finals] == ["first part second part"]
    assert len([turn for turn in result.of(TurnEnded) if turn.speaker == "user"]) == 1


async def test_each_utterance_is_offered_once_and_answered_by_the_actor_or_the_engine() -> None:
    clip = talk_of(HELLO, pause(2.0), spoken(0.8), pause(0.5))
    actor = Taker("tool")
    result = await run_talk(
        clip, engines=[ScriptedEngine(["engine answers"])], asr=ScriptedAsr(["just chat", "use the tool"]), actor=actor, tones=True
    )
    assert [utterance.text for utterance in actor.offered] == ["just chat", "use the tool"]
    assert [turn.text for turn in result.of(TurnEnded) if turn.speaker == "agent"] == ["engine answers", "taken by the actor"]
    assert actor.closed == ["completed"]


async def test_noise_without_words_is_answered_by_nobody() -> None:
    actor = Taker()
    result = await run_talk(
        talk_of(pause(0.5), spoken(0.2), pause(1.0)), engines=[ScriptedEngine()], asr=ScriptedAsr([""]), actor=actor, tones=True
    )
    assert actor.offered == []
    assert said(result) == ""


async def test_a_lost_engine_is_replaced_and_its_successor_answers() -> None:
    clip = talk_of(HELLO, pause(3.0))
    result = await run_talk(
        clip,
        engines=[DyingEngine(32, ["I die while I speak these many words"]), ScriptedEngine(["I took over"])],
        asr=ScriptedAsr(["hello"]),
        tones=True,
    )
    (lost,) = result.of(EngineLost)
    assert lost.engine == "dying"
    assert [chosen.engine for chosen in result.of(EngineChosen)] == ["dying", "scripted"]
    assert "I took over" in said(result)
    assert result.reason == "completed"


async def test_without_a_successor_the_talk_ends_and_says_why() -> None:
    result = await run_talk(talk_of(HELLO, pause(3)), engines=[DyingEngine(5)], asr=ScriptedAsr(["hello"]), tones=True)
    assert result.reason == "engine_failed"
    (closed,) = result.of(SessionClosed)
    assert "The dying engine died, as asked." in closed.detail


class BusyEngine(ScriptedEngine):
    name = "busy"

    async def probe(self) -> Availability:
        return Availability("busy", "All 4 places are taken.", capacity=4, in_use=4)


async def test_an_engine_asked_for_by_name_is_never_replaced_in_silence() -> None:
    result = await run_talk(HELLO, engines=[BusyEngine(), ScriptedEngine()], requested="busy", asr=ScriptedAsr([]), tones=True)
    assert result.reason == "engine_failed"
    assert isinstance(result.conversation.open_error, EngineBusy)
    assert result.of(EngineChosen) == []


class OddEngine(ScriptedEngine):
    async def open(self, spec: EngineSpec) -> EngineSession:
        raise TypeError("what the user said")


async def test_a_fault_that_nobody_foresaw_refuses_the_talk_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    result = await run_talk(HELLO, engines=[OddEngine()], asr=ScriptedAsr([]), tones=True)
    assert result.reason == "failed"
    assert "a fault in the server" in str(result.conversation.open_error)
    assert "what the user said" not in str(result.conversation.open_error)
    assert "failed" in caplog.text


async def test_auto_passes_over_a_full_engine_and_says_so() -> None:
    result = await run_talk(HELLO, engines=[BusyEngine(), ScriptedEngine()], asr=ScriptedAsr(["hi"]), tones=True)
    (chosen,) = result.of(EngineChosen)
    assert chosen.engine == "scripted"
    assert "All 4 places are taken." in chosen.reason


async def test_a_failing_observer_is_cut_off_and_the_talk_goes_on() -> None:
    class Broken:
        calls = 0

        def on_event(self, event: Event) -> None:
            self.calls += 1
            if isinstance(event, UserSpeech):
                raise RuntimeError("no more")

        def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
            pass

    broken = Broken()
    result = await run_talk(HELLO, engines=[ScriptedEngine(["fine"])], asr=ScriptedAsr(["hello"]), tones=True, observers=[broken])
    assert [notice.code for notice in result.of(Notice)] == ["failed_part"]
    calls = broken.calls
    assert said(result) == "fine"
    assert calls < len(result.events) // 2


async def test_stems_lie_side_by_side_on_session_time() -> None:
    stems: list[tuple[int, Pcm, Pcm]] = []

    class Stems:
        def on_event(self, event: Event) -> None:
            pass

        def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
            stems.append((start_samples, user, agent))

    result = await run_talk(HELLO, engines=[ScriptedEngine(["fine"])], asr=ScriptedAsr(["hello"]), tones=True, observers=[Stems()])
    assert [start for start, _, _ in stems] == [n * FRAME_SAMPLES for n in range(len(stems))]
    user = np.concatenate([frame for _, frame, _ in stems])
    agent = np.concatenate([frame for _, _, frame in stems])
    assert np.array_equal(user[: HELLO.size], HELLO)
    first = int(np.flatnonzero(np.abs(agent) > 0.005)[0])
    (began,) = [event.at_samples for event in result.of(AgentSpeech) if event.edge == "start"]
    assert abs(first - began) <= 240


async def test_an_echo_answers_a_frame_later_and_is_never_interrupted() -> None:
    result = await run_talk(HELLO, engines=[EchoEngine()], asr=ScriptedAsr(["hello"]), tones=True)
    assert np.array_equal(result.agent[FRAME_SAMPLES : HELLO.size], HELLO[:-FRAME_SAMPLES])
    assert all(turn.interrupted is False for turn in result.of(TurnEnded))


async def test_typed_text_is_an_utterance_for_an_engine_that_takes_text() -> None:
    actor = Taker()
    result = await run_talk(
        pause(1.0),
        engines=[ScriptedEngine(["typed answer"])],
        asr=ScriptedAsr([]),
        actor=actor,
        tones=True,
        on_start=lambda conversation: conversation.type("  hello \n typed "),
    )
    # Before the engine is open nothing takes text; the talk says so instead of dropping it.
    assert [notice.code for notice in result.of(Notice)] == ["cannot_type"]
    assert actor.offered == []


class At:
    """Does something once, when the talk has run for a while."""

    def __init__(self, at_samples: int, act: Callable[[Conversation], None]) -> None:
        self.at_samples, self.act = at_samples, act
        self.conversation: Conversation | None = None

    def start(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def on_event(self, event: Event) -> None:
        pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        if self.conversation is not None and start_samples >= self.at_samples:
            self.act(self.conversation)
            self.conversation = None


async def test_text_typed_in_mid_talk_is_offered_and_answered() -> None:
    typist = At(FRAME_SAMPLES * 5, lambda conversation: conversation.type("  what  is\nthis "))
    actor = Taker()

    result = await run_talk(
        pause(1.0),
        engines=[ScriptedEngine(["typed answer"])],
        asr=ScriptedAsr([]),
        actor=actor,
        tones=True,
        observers=[typist],
        on_start=typist.start,
    )
    assert [(u.text, u.source) for u in actor.offered] == [("what is this", "typed")]
    assert said(result) == "typed answer"


async def test_text_typed_to_an_engine_that_only_hears_is_spoken_into_the_user_stem() -> None:
    typist = At(FRAME_SAMPLES * 5, lambda conversation: conversation.type("three short words"))

    result = await run_talk(
        pause(1.5), engines=[EchoEngine()], asr=ScriptedAsr([""]), tones=True, host_tts=ToneTts(), observers=[typist], on_start=typist.start
    )
    # The echo engine gives the user stem back, so what was typed is heard.
    assert np.max(np.abs(result.agent)) > 0.05
    assert next(event.edge for event in result.of(UserSpeech)) == "start"


async def test_the_time_limit_ends_the_talk() -> None:
    result = await run_talk(pause(60), engines=[ScriptedEngine()], asr=ScriptedAsr([]), tones=True, max_s=2.0)
    assert result.reason == "time_limit"
    assert result.of(SessionClosed)[0].at_samples == 2 * SAMPLE_RATE


async def test_stages_of_an_answer_are_measured() -> None:
    result = await run_talk(HELLO, engines=[ScriptedEngine(["fine"])], asr=ScriptedAsr(["hello"]), tones=True)
    stages = {stage.stage: stage.ms for stage in result.of(StageTiming)}
    assert stages["asr"] == 20.0
    assert stages["end_of_turn"] >= 500.0


async def test_a_long_talk_leaves_no_growing_state() -> None:
    """Every 20 s somebody speaks. The talk's own memory of turns must not grow with its length."""
    part = talk_of(pause(0.5), spoken(1.0), pause(18.5))
    sizes: list[int] = []

    class Size:
        conversation: Conversation

        def on_event(self, event: Event) -> None:
            if isinstance(event, TurnEnded):
                tracker = self.conversation._tracker
                sizes.append(sum(len(track) for track in tracker._tracks.values()) + sum(len(words) for words in tracker._words.values()))

        def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
            pass

    size = Size()

    def start(conversation: Conversation) -> None:
        size.conversation = conversation

    repeats = 30
    result = await run_talk(
        np.tile(part, repeats),
        engines=[ScriptedEngine([f"reply number {n}" for n in range(repeats)])],
        asr=ScriptedAsr([f"utterance {n}" for n in range(repeats)]),
        tones=True,
        observers=[size],
        on_start=start,
    )
    assert result.reason == "completed"
    assert len([turn for turn in result.of(TurnEnded) if turn.speaker == "agent"]) == repeats
    assert max(sizes[-10:]) <= 4


async def test_every_frame_leaves_its_timing() -> None:
    result = await run_talk(HELLO, engines=[ScriptedEngine([])], asr=ScriptedAsr(["hello"]), tones=True)
    timings = result.of(FrameTiming)
    assert [timing.frame for timing in timings] == list(range(1, len(timings) + 1))
    assert all(timing.total_ms >= timing.engine_ms >= 0 for timing in timings)


async def test_the_opening_tells_what_the_talk_is() -> None:
    result = await run_talk(HELLO, engines=[ScriptedEngine([])], asr=ScriptedAsr(["hello"]), tones=True)
    (opened,) = result.of(SessionOpened)
    assert (opened.pace, opened.latency_model, opened.recording) == ("fast", "test", False)
    assert opened.persona_hash


def test_engine_errors_are_of_one_family() -> None:
    assert issubclass(EngineBusy, EngineError)


async def test_a_late_watcher_is_told_how_the_talk_was_opened() -> None:
    late: list[Event] = []

    class Late:
        def on_event(self, event: Event) -> None:
            late.append(event)

        def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
            pass

    join = At(FRAME_SAMPLES * 5, lambda conversation: conversation.observe(Late()))
    result = await run_talk(
        HELLO, engines=[ScriptedEngine(["fine"])], asr=ScriptedAsr(["hello"]), tones=True, observers=[join], on_start=join.start
    )
    assert [event.kind for event in late[:2]] == ["SessionOpened", "EngineChosen"]
    assert late[2:] == result.events[-len(late) + 2 :]
    assert 0 < len(late) < len(result.events)


async def test_typing_over_the_agent_stops_it_and_says_what_was_cut() -> None:
    typist = At(FRAME_SAMPLES * 35, lambda conversation: conversation.type("enough"))
    result = await run_talk(
        talk_of(HELLO, pause(3.0)),
        engines=[ScriptedEngine(["one two three four five six seven eight nine ten", "ok"])],
        asr=ScriptedAsr(["count"]),
        tones=True,
        observers=[typist],
        on_start=typist.start,
    )
    (barge_in,) = result.of(BargeIn)
    assert (barge_in.outcome, barge_in.stop_latency_ms) == ("yielded", None)
    assert barge_in.heard_text.startswith("one")
    assert barge_in.cancelled_text.endswith("ten")
    assert said(result).endswith("ok")


async def test_a_clip_ends_the_talk_even_when_the_agent_never_falls_silent() -> None:
    words = " ".join(["on"] * 600)
    result = await run_talk(HELLO, engines=[ScriptedEngine([words])], asr=ScriptedAsr(["hello"]), tones=True)
    assert result.reason == "time_limit"
    assert 120 < result.of(SessionClosed)[0].at_samples / SAMPLE_RATE < 125
