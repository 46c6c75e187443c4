"""The personaplex engine against a gateway on the tiny checkpoint: whole talks over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import threading
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from serving import Served, running
from waiting import until

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.clock import FastClock, fixed
from workbench.conversation.conversation import Conversation
from workbench.engines.base import AgentFrame, EngineBusy, EngineError, EngineSpec
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.engines.personaplex.session import PersonaPlexSession
from workbench.events import AgentText, EngineChosen, EngineLost, Event, Notice
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.server import ServerOptions
from workbench.personas import Persona
from workbench.talk import Saying
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import TEST_PERSONA, TalkResult, run_talk, spoken

PERSONA = Persona(
    persona_id="tiny",
    name="Tess",
    voice="TINYW1",
    role="casual",
    prompt="You enjoy having a good conversation.",
    sampling={"text_topk": 0, "audio_topk": 0},
)
SAYING = "one two three"


@pytest.fixture(scope="module")
def served(model: Model) -> Iterator[Served]:
    yield from running(model, ServerOptions(port=0, limits=Limits(waiting=1)))


@pytest.fixture
def engine(served: Served) -> PersonaPlexEngine:
    return PersonaPlexEngine(f"ws://127.0.0.1:{served.port}")


def spec(persona: Persona = PERSONA, *, voice: str = "", seed: int | None = None) -> EngineSpec:
    return EngineSpec("test", persona, voice or persona.voice, FastClock(fixed({})), seed)


async def opened(engine: PersonaPlexEngine, asked: EngineSpec) -> PersonaPlexSession:
    session = await engine.open(asked)
    assert isinstance(session, PersonaPlexSession)
    return session


async def steps(session: PersonaPlexSession, user: Pcm) -> list[AgentFrame]:
    return [await session.step(frame) for frame in user]


class AtFrame:
    """An observer that does something once, when a talk reaches a frame."""

    def __init__(self, frame: int, act: Callable[[Conversation], None]) -> None:
        self._left = frame
        self._act = act
        self.conversation: Conversation | None = None

    def on_event(self, event: Event) -> None:
        """Only frames matter."""

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self._left -= 1
        if self._left == 0:
            assert self.conversation is not None
            self._act(self.conversation)


async def talk(engine: PersonaPlexEngine, *acts: AtFrame, seconds: float = 6.0) -> TalkResult:
    """A whole talk in virtual time, with the scripted engine behind."""

    def begin(conversation: Conversation) -> None:
        for act in acts:
            act.conversation = conversation

    return await run_talk(
        spoken(seconds),
        engines=[engine, ScriptedEngine()],
        asr=ScriptedAsr(["hello"]),
        persona=PERSONA,
        tones=True,
        # The tiny model never falls silent, so the end of the clip would not end the talk.
        max_s=seconds,
        observers=acts,
        on_start=begin,
    )


async def test_a_whole_talk(engine: PersonaPlexEngine) -> None:
    result = await talk(engine)
    (chosen,) = result.of(EngineChosen)
    assert chosen.engine == "personaplex"
    assert chosen.parts["voice"]["name"] == "TINYW1.wav"
    assert chosen.parts["model"]["name"] == "personaplex"
    assert not result.of(EngineLost)
    assert not result.of(Notice)
    frames = result.agent[FRAME_SAMPLES:].reshape(-1, FRAME_SAMPLES)
    assert (np.sqrt((frames**2).mean(axis=1)) > 0.001).mean() > 0.8
    assert result.of(AgentText)
    assert not any(piece.forced for piece in result.of(AgentText))


async def test_words_that_it_is_given_come_out_in_order(engine: PersonaPlexEngine) -> None:
    sayings: list[Saying] = []
    result = await talk(engine, AtFrame(10, lambda conversation: sayings.append(conversation.say(SAYING))))
    (saying,) = sayings
    assert saying.done.is_set()
    assert (saying.words_asked, saying.words_heard, saying.interrupted) == (3, 3, False)
    forced = [piece for piece in result.of(AgentText) if piece.forced]
    assert "".join(piece.text for piece in forced) == f" {SAYING}"
    assert saying.started_samples is not None
    assert forced[0].at_samples <= saying.started_samples <= forced[-1].at_samples + 10 * FRAME_SAMPLES


async def test_a_hold_keeps_it_from_talking(engine: PersonaPlexEngine) -> None:
    result = await talk(
        engine, AtFrame(10, lambda conversation: conversation.hold(2_000)), AtFrame(45, lambda conversation: conversation.hold(0))
    )
    at = [piece.at_samples // FRAME_SAMPLES for piece in result.of(AgentText)]
    # The order goes with the next frame, and its reply is the first that is held: 25 frames of 80 ms.
    assert [frame for frame in at if 13 <= frame <= 35] == []
    assert [frame for frame in at if frame < 13]
    assert [frame for frame in at if frame > 40]


async def test_the_gateway_is_told_what_was_said_for_the_prompt_of_the_next_window(
    engine: PersonaPlexEngine, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(served.slots, "tell_account", lambda _seat, text: told.append(text))
    await run_talk(
        np.concatenate([spoken(1.0), silence(6 * 24_000)]),
        engines=[engine],
        asr=ScriptedAsr(["my name is Ann"]),
        persona=PERSONA,
        tones=True,
        max_s=7.0,
    )
    assert told
    assert "The user said: my name is Ann" in told[-1]
    assert "You said:" in told[-1]


async def test_an_interruption_tells_how_far_the_words_came(engine: PersonaPlexEngine, user: Pcm) -> None:
    session = await opened(engine, spec())
    first, second = session.say("one two three four five six"), session.say("seven")
    frames: list[AgentFrame] = []
    for frame in user:
        frames.append(await session.step(frame))
        if first.words_heard >= 2:
            break
    stopped = session.interrupt()
    heard = len(stopped.heard_text.split())
    assert stopped.heard_text.startswith("one two")
    assert f"{stopped.heard_text} {stopped.cancelled_text}" == "one two three four five six seven"
    assert not first.done.is_set()
    frames += await steps(session, user[:4])
    assert first.done.is_set()
    assert second.done.is_set()
    assert first.interrupted
    assert second.interrupted
    assert (first.words_heard, second.words_heard, second.started_samples) == (heard, 0, None)
    await session.close()


async def test_words_that_cannot_be_said_are_given_back(engine: PersonaPlexEngine, user: Pcm) -> None:
    session = await opened(engine, spec())
    saying = session.say("<>")
    for frame in user[:40]:
        await session.step(frame)
        if saying.done.is_set():
            break
    assert saying.done.is_set()
    assert (saying.words_heard, saying.started_samples, saying.interrupted) == (0, None, False)
    assert "no words" in session.notices[0]
    await session.close()


async def test_a_seed_repeats(engine: PersonaPlexEngine, user: Pcm) -> None:
    async def pieces(seed: int) -> list[str]:
        session = await opened(engine, spec(Persona("p", "P", "TINYW1", "casual", PERSONA.prompt), seed=seed))
        frames = await steps(session, user[:20])
        await session.close()
        return [piece.text for frame in frames for piece in frame.pieces]

    assert await pieces(5) == await pieces(5) != await pieces(6)


async def test_another_voice_is_taken_and_told(engine: PersonaPlexEngine) -> None:
    session = await opened(engine, spec(voice="rms"))
    assert session.notices == ["PersonaPlex has no voice rms; it speaks with the persona's own, TINYW1."]
    await session.close()
    session = await opened(engine, spec(TEST_PERSONA))
    assert session.notices == ["PersonaPlex has no voice NATF2; it speaks with TINYF0.pt."]
    await session.close()


async def test_a_gateway_that_cannot_keep_up_says_so(served: Served, engine: PersonaPlexEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there will be gaps" not in (await engine.probe()).reason
    monkeypatch.setattr(served.slots, "step_ms", 2_345.6)
    answer = await engine.probe()
    assert answer.state == "ready"
    assert answer.reason.endswith("Its step took 2346 ms when it started, and a talk needs one every 80 ms: there will be gaps.")
    session = await opened(engine, spec())
    assert any("runs on cpu. Its step took 2346 ms" in notice for notice in session.notices)
    await session.close()


async def test_a_prompts_size_is_what_a_talk_with_it_takes(
    engine: PersonaPlexEngine, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served.slots.owner.model
    monkeypatch.setattr(model, "prompt_frame_ms", 2.5)
    size = await engine.prompt_size(PERSONA)
    prompt = model.prompt(model.find_voice("TINYW1"), model.text_ids(PERSONA.prompt))
    assert size is not None
    assert (size.tokens, size.frames, size.error) == (len(prompt.text_ids), prompt.frames, "")
    assert size.ready_ms == pytest.approx(2.5 * prompt.frames)
    too_long = await engine.prompt_size(dataclasses.replace(PERSONA, prompt="conversation " * 2_000))
    assert too_long is not None
    assert "shorten it" in too_long.error
    other = await engine.prompt_size(dataclasses.replace(PERSONA, voice="NATF2"))
    assert other is not None
    assert (other.tokens, other.error) == (size.tokens, ""), "a talk would get another voice"


async def test_no_gateway_knows_no_size() -> None:
    assert await PersonaPlexEngine("ws://127.0.0.1:9").prompt_size(PERSONA) is None


async def test_a_gateway_tells_of_its_work(served: Served, engine: PersonaPlexEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = served.slots.owner
    monkeypatch.setattr(owner, "steps_s", deque())
    load = (await engine.probe()).load
    assert load is not None
    assert (load.device, load.waiting, load.step_n, load.step_p50_ms) == ("cpu", 0, 0, None), "nothing was stepped yet"
    assert load.memory_total_mib is None, "of a CPU nobody knows what is the gateway's"
    session = await opened(engine, spec())
    await steps(session, spoken(0.8).reshape(-1, FRAME_SAMPLES))
    await session.close()
    load = (await engine.probe()).load
    assert load is not None
    assert load.step_n == len(owner.steps_s) >= 5
    assert load.step_p50_ms == pytest.approx(1_000 * statistics.median(owner.steps_s))
    assert load.step_p95_ms is not None
    assert load.step_p95_ms >= load.step_p50_ms > 0


async def test_what_the_gateway_refuses_is_told(engine: PersonaPlexEngine) -> None:
    with pytest.raises(EngineError, match="at most 1000"):
        await engine.open(spec(Persona("p", "P", "TINYW1", "casual", "we " * 1_400)))
    with pytest.raises(EngineError, match="too long for an address"):
        await engine.open(spec(Persona("p", "P", "TINYW1", "casual", "word " * 2_000)))
    assert (await engine.probe()).state == "ready"


async def test_full_is_busy(served: Served, engine: PersonaPlexEngine) -> None:
    answer = await engine.probe()
    assert (answer.state, answer.capacity) == ("ready", 3)
    assert answer.handshake_ms is not None
    sessions = [await opened(engine, spec()) for _ in range(3)]
    answer = await engine.probe()
    assert (answer.state, answer.capacity, answer.in_use) == ("busy", 3, 3)
    impatient = PersonaPlexEngine(f"http://127.0.0.1:{served.port}", queue_patience_s=0.05)
    with pytest.raises(EngineBusy, match="number 1 in its queue"):
        await impatient.open(spec())
    waiting = asyncio.create_task(engine.open(spec()))
    await until(lambda: bool(served.slots.owner.waiting))
    with pytest.raises(EngineBusy, match="1 visitors wait"):
        await engine.open(spec())
    await sessions.pop().close()
    patient = await waiting
    assert patient.notices[0].endswith("as number 1 at first.")
    for session in (*sessions, patient):
        await session.close()


async def test_a_token_is_asked_for(model: Model) -> None:
    for served in running(model, ServerOptions(port=0, token="s3cret")):
        for token in (None, "wrong"):
            answer = await PersonaPlexEngine(f"127.0.0.1:{served.port}", token).probe()
            assert answer.state == "unavailable"
            assert "PERSONAPLEX_TOKEN" in answer.repair
        engine = PersonaPlexEngine(f"127.0.0.1:{served.port}", "s3cret")
        assert (await engine.probe()).state == "ready"
        await (await engine.open(spec())).close()


async def test_a_gateway_that_is_stopped_in_mid_talk(model: Model) -> None:
    """The scripted engine takes over, and words that were not yet out are given back."""
    for served in running(model, ServerOptions(port=0)):
        sayings: list[Saying] = []

        def stop(conversation: Conversation, served: Served = served, sayings: list[Saying] = sayings) -> None:
            sayings.append(conversation.say(SAYING))
            threading.Thread(target=served.slots.stop).start()

        result = await talk(PersonaPlexEngine(f"127.0.0.1:{served.port}"), AtFrame(20, stop))
        (lost,) = result.of(EngineLost)
        assert "the gateway is being stopped" in lost.reason
        assert [chosen.engine for chosen in result.of(EngineChosen)] == ["personaplex", "scripted"]
        assert sayings[0].done.is_set()
        assert result.reason == "time_limit"


async def test_a_session_closes_twice_and_its_row_is_free(served: Served, engine: PersonaPlexEngine) -> None:
    session = await opened(engine, spec())
    await session.step(silence())
    saying = session.say(SAYING)
    await session.close()
    await session.close()
    assert saying.done.is_set()
    await until(lambda: served.slots.owner.rows == [None] * 3)
