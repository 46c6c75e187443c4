import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.clock import FastClock, fixed
from workbench.engines.base import Engine, EngineBusy, EngineSession, EngineSpec, Stage
from workbench.engines.classic.engine import ClassicEngine
from workbench.engines.classic.responder import ResponderError
from workbench.engines.classic.session import ClassicSession
from workbench.engines.speech.base import Tts
from workbench.personas import Persona
from workbench.talk import Utterance
from workbench.testing.responder import ScriptedResponder
from workbench.testing.tts import ToneTts

PERSONA = Persona("ada", "Ada", "NATF2", "assistant", "You are Ada.")


def no_note(_tts: Tts, _voice: str) -> tuple[str | None, str | None]:
    return None, None


class Talk:
    """A little talk in virtual time: 80 ms a tick, the responder and the voice charged by a table."""

    def __init__(
        self,
        *replies: list[str],
        responder: ScriptedResponder | None = None,
        tts: ToneTts | None = None,
        charges: dict[str, float] | None = None,
    ) -> None:
        self.clock = FastClock(fixed(charges or {}))
        self.failures: list[str] = []
        self.clock.on_failure = lambda name, error: self.failures.append(f"{name}: {error!r}")
        self.responder = responder or ScriptedResponder(*replies)
        self.tts = tts or ToneTts()
        self.engine = ClassicEngine(self.tts, lambda _persona: self.responder, no_note, max_sessions=1)
        self.words: list[tuple[str, int]] = []
        """Words and the session time in ms at which each began."""
        self.last_audible_ms: float | None = None

    async def __aenter__(self) -> "Talk":
        self.session = await self.engine.open(EngineSpec("s1", PERSONA, PERSONA.voice, self.clock))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.session.close()
        await self.clock.cancel_all()
        assert self.failures == []

    async def run(self, ms: int) -> Pcm:
        """Lets `ms` of the talk pass; gives what the agent said in it."""
        frames = []
        for _ in range(ms // 80):
            await self.clock.next_tick()
            await asyncio.sleep(0)  # tasks cancelled since the last tick come to their end
            start = self.clock.now_samples
            frame = await self.session.step(silence())
            assert frame.pcm.shape == (FRAME_SAMPLES,)
            self.words += [(piece.text.strip(), (start + piece.offset_samples) // 24) for piece in frame.pieces]
            if frame.pcm.any():
                self.last_audible_ms = (start + int(np.flatnonzero(frame.pcm)[-1])) / 24
            frames.append(frame.pcm)
        return np.concatenate(frames)

    @property
    def heard(self) -> str:
        return " ".join(word for word, _ms in self.words)

    def asks(self, text: str) -> Utterance:
        now = self.clock.now_samples
        return Utterance(f"u{now}", text, now, now)


async def test_an_answer_is_spoken_and_remembered() -> None:
    async with Talk(["aaaa bbbb.", "cccc."]) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(2_000)
        assert talk.heard == "aaaa bbbb. cccc."
        assert talk.session.history == [("user", "hello"), ("agent", "aaaa bbbb. cccc.")]
        assert talk.session.underruns == 0


async def test_words_heard_at_an_interruption() -> None:
    async with Talk(["aaaa bbbb cccc.", "dddd eeee."]) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(480)
        stopped = talk.session.interrupt()
        await talk.run(800)
        assert (stopped.heard_text, stopped.cancelled_text) == ("aaaa bbbb", "cccc. dddd eeee.")
        assert talk.heard == "aaaa bbbb"
        assert talk.last_audible_ms is not None
        assert talk.last_audible_ms <= 560 + 10
        assert talk.session.history[-1] == ("agent", "aaaa bbbb")
        talk.session.answer(talk.asks("go on"))
        await talk.run(80)
        assert talk.responder.asked[-1] == ("go on", [("user", "hello"), ("agent", "aaaa bbbb")])


async def test_an_interruption_stops_the_thinking() -> None:
    responder = ScriptedResponder(["aaaa.", "bbbb.", "cccc."])
    async with Talk(responder=responder, charges={"responder": 500}) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(800)
        talk.session.interrupt()
        await talk.run(2_000)
        assert talk.heard == "aaaa."
        assert responder.closed_early == 1


async def test_a_prepared_reply_is_used() -> None:
    async with Talk(["aaaa."], charges={"responder": 300, "tts": 100}) as talk:
        talk.session.prepare(talk.asks("What time is it?"))
        assert not (await talk.run(480)).any()
        talk.session.answer(talk.asks("what time is it"))
        await talk.run(480)
        assert talk.words == [("aaaa.", 560)]
        assert (talk.session.guesses_used, talk.session.guesses_dropped) == (1, 0)
        assert len(talk.responder.asked) == 1
        assert talk.tts.said == ["aaaa."]
        assert talk.session.stages == [Stage("u11520", "responder", 300.0), Stage("u11520", "tts", 100.0)]


async def test_without_preparation_the_user_waits() -> None:
    async with Talk(["aaaa."], charges={"responder": 300, "tts": 100}) as talk:
        await talk.run(480)
        talk.session.answer(talk.asks("what time is it"))
        await talk.run(960)
        # 480 + 300 + 100 = 880 ms: begins with the frame at 880.
        assert talk.words == [("aaaa.", 880)]


async def test_a_prepared_reply_to_other_words_is_dropped() -> None:
    async with Talk(["aaaa."], ["bbbb."]) as talk:
        talk.session.prepare(talk.asks("what time"))
        await talk.run(160)
        talk.session.answer(talk.asks("what time is it in Tokyo"))
        await talk.run(800)
        assert talk.heard == "bbbb."
        assert (talk.session.guesses_used, talk.session.guesses_dropped) == (0, 1)
        assert talk.session.history[0] == ("user", "what time is it in Tokyo")


async def test_a_dropped_guess_stops_thinking() -> None:
    async with Talk(["aaaa.", "bbbb.", "cccc."], ["dddd."], charges={"responder": 200}) as talk:
        talk.session.prepare(talk.asks("what time"))
        await talk.run(320)
        talk.session.answer(talk.asks("what time is it"))
        await talk.run(1_200)
        assert talk.responder.closed_early == 1
        assert talk.heard == "dddd."


async def test_a_guess_from_before_the_last_words_is_dropped() -> None:
    async with Talk(["aaaa."], ["bbbb."], ["cccc."]) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(160)
        talk.session.prepare(talk.asks("say that again"))
        await talk.run(480)
        talk.session.answer(talk.asks("say that again"))
        await talk.run(480)
        assert talk.heard == "aaaa. cccc."
        assert talk.responder.asked[-1] == ("say that again", [("user", "hello"), ("agent", "aaaa.")])


async def test_a_prepared_reply_is_made_once_for_the_same_words() -> None:
    async with Talk(["aaaa."]) as talk:
        for _ in range(3):
            talk.session.prepare(talk.asks("what time"))
            await talk.run(80)
        assert len(talk.responder.asked) == 1
        talk.session.prepare(talk.asks("what time is"))
        await talk.run(80)
        assert len(talk.responder.asked) == 2


async def test_a_tool_result_replaces_a_prepared_reply() -> None:
    async with Talk(["aaaa."]) as talk:
        talk.session.prepare(talk.asks("what time is it"))
        await talk.run(160)
        saying = talk.session.say("bbbb cccc.")
        await talk.run(1_200)
        assert talk.heard == "bbbb cccc."
        assert (saying.words_asked, saying.words_heard, saying.started_samples) == (2, 2, 240 * 24)


async def test_what_a_tool_took_is_remembered_and_not_answered() -> None:
    async with Talk(["hello."]) as talk:
        asked = talk.asks("what time is it")
        talk.session.prepare(asked)
        talk.session.took(asked)
        talk.session.say("noon.")
        await talk.run(2_000)
        assert talk.heard == "noon."
        assert talk.session.history == [("user", "what time is it"), ("agent", "noon.")]


async def test_say_comes_after_the_current_reply() -> None:
    async with Talk(["aaaa.", "bbbb."]) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(160)
        saying = talk.session.say("cccc.")
        await talk.run(480)
        assert not saying.done.is_set()
        await talk.run(800)
        assert talk.heard == "aaaa. bbbb. cccc."
        assert saying.done.is_set()
        assert saying.started_samples is not None
        assert saying.started_samples >= (80 + 600) * 24
        assert talk.session.history[1:] == [("agent", "aaaa. bbbb."), ("agent", "cccc.")]


async def test_a_cut_off_saying_tells_how_far_it_got() -> None:
    async with Talk() as talk:
        saying = talk.session.say("aaaa bbbb cccc dddd.")
        waiter = talk.clock.spawn(saying.done.wait(), "waiter")
        await talk.run(480)
        assert not waiter.done()
        talk.session.interrupt()
        await talk.run(80)
        assert waiter.done()
        assert (saying.words_heard, saying.words_asked, saying.interrupted) == (2, 4, True)


async def test_hold_keeps_quiet_until_its_time_is_over() -> None:
    async with Talk(["aaaa."]) as talk:
        talk.session.say("bbbb.")
        talk.session.hold(400)
        assert not (await talk.run(320)).any()
        await talk.run(800)
        assert talk.words[0] == ("bbbb.", 400)


@pytest.mark.parametrize("way", ["say", "answer"])
def test_hold_is_ended(way: str) -> None:
    async def talk_it() -> None:
        async with Talk(["aaaa."]) as talk:
            talk.session.hold(60_000)
            await talk.run(160)
            if way == "say":
                talk.session.say("aaaa.")
            else:
                talk.session.answer(talk.asks("hello"))
            await talk.run(400)
            assert talk.heard == "aaaa."

    asyncio.run(talk_it())


async def test_two_answers_are_said_in_order() -> None:
    async with Talk(["aaaa."], ["bbbb."], charges={"responder": 100}) as talk:
        talk.session.answer(talk.asks("one"))
        talk.session.answer(talk.asks("two"))
        await talk.run(1_600)
        assert talk.heard == "aaaa. bbbb."


async def test_a_broken_responder_apologises_and_tells_why() -> None:
    error = ResponderError("the model is down; start it", "Sorry, my thoughts are gone.")
    async with Talk(responder=ScriptedResponder(["aaaa.", "bbbb."], fail_after=1, error=error)) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(3_000)
        assert talk.heard == "aaaa. Sorry, my thoughts are gone."
        assert talk.session.notices == ["the model is down; start it"]


async def test_a_failed_guess_is_told_only_when_it_is_used() -> None:
    async with Talk(responder=ScriptedResponder(["aaaa."], fail_after=0)) as talk:
        talk.session.prepare(talk.asks("hello"))
        await talk.run(160)
        assert talk.session.notices == []
        talk.session.answer(talk.asks("hello"))
        assert len(talk.session.notices) == 1
        await talk.run(2_000)
        assert talk.heard == "Sorry, that went wrong."


async def test_a_dead_voice_is_told() -> None:
    async with Talk(["aaaa."], tts=ToneTts(fail_after_chunks=0)) as talk:
        talk.session.answer(talk.asks("hello"))
        await talk.run(400)
        assert "told to fail" in talk.session.notices[0]
        assert talk.session.history == [("user", "hello")]


async def test_history_is_bounded() -> None:
    async with Talk(["aaaa."]) as talk:
        for number in range(30):
            talk.session.answer(talk.asks(f"question {number}"))
            await talk.run(480)
        assert len(talk.session.history) == 40
        assert talk.session.history[-2:] == [("user", "question 29"), ("agent", "aaaa.")]


async def test_engine_keeps_the_protocols() -> None:
    engine: Engine = ClassicEngine(ToneTts(), lambda _persona: ScriptedResponder(), no_note, max_sessions=1)
    session: EngineSession = await engine.open(EngineSpec("s1", PERSONA, "NATF2", FastClock()))
    assert isinstance(session, ClassicSession)
    assert {name: part.name for name, part in session.parts.items()} == {"tts": "tone", "responder": "scripted"}
    await session.close()


async def test_a_full_engine_says_so() -> None:
    engine = ClassicEngine(ToneTts(), lambda _persona: ScriptedResponder(), no_note, max_sessions=1)
    spec = EngineSpec("s1", PERSONA, "NATF2", FastClock())
    first = await engine.open(spec)
    with pytest.raises(EngineBusy, match="All 1 places"):
        await engine.open(spec)
    found = await engine.probe()
    assert (found.state, found.capacity, found.in_use, found.handshake_ms) == ("busy", 1, 1, None)
    await first.close()
    await first.close()
    found = await engine.probe()
    assert (found.state, found.in_use) == ("ready", 0)
    assert found.handshake_ms is not None
    await (await engine.open(spec)).close()


class BrokenTts(ToneTts):
    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        for _ in text:
            raise OSError("no such library")
        yield silence()


class MuteTts(ToneTts):
    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        for _ in range(0):
            yield silence()


@pytest.mark.parametrize(
    ("tts", "reason"),
    [
        (ToneTts(fail_after_chunks=0), "told to fail"),
        (BrokenTts(), "no such library"),
        (MuteTts(), "no sound"),
        (ToneTts(first_chunk_delay_ms=60_000), "within 0.05 s"),
    ],
)
async def test_probe_tells_what_is_wrong(tts: ToneTts, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engines.classic.engine.PROBE_TIMEOUT_S", 0.05)
    engine = ClassicEngine(tts, lambda _persona: ScriptedResponder(), no_note, max_sessions=1)
    found = await engine.probe()
    assert found.state == "unavailable"
    assert reason in found.reason


async def test_the_voice_and_its_note() -> None:
    tts = ToneTts(voices=("low", "high"))
    engine = ClassicEngine(tts, lambda _persona: ScriptedResponder(), lambda _tts, voice: ("high", f"{voice} is not here"), max_sessions=2)
    clock = FastClock()
    other = await engine.open(EngineSpec("s1", PERSONA, "NATF2", clock))
    same = await engine.open(EngineSpec("s2", PERSONA, "low", clock))
    assert other.notices == ["NATF2 is not here"]
    assert same.notices == []
    other.say("aaaa")
    await clock.next_tick()
    same.say("bbbb")
    await clock.next_tick()
    assert tts.voices_used == ["high", "low"]
    engine.announce("the voice has changed")
    assert same.notices == ["the voice has changed"]
    await other.close()
    await same.close()
