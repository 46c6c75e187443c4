"""The vllm-omni engine against a server that speaks the documented messages. The real server has not been tried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omni_stub import MODEL, OmniStub

from workbench.assembly import AssemblyError, assemble, vllm_omni_engine
from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.clock import FastClock, RealtimeClock, fixed
from workbench.commands.checks.services import vllm_omni
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.engines.base import AgentFrame, EngineBusy, EngineError, EngineSpec
from workbench.engines.vllm_omni.connection import Address
from workbench.engines.vllm_omni.engine import VllmOmniEngine
from workbench.engines.vllm_omni.events import BadEvent, Event, parse, readable, sound
from workbench.engines.vllm_omni.session import VllmOmniSession
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.serving import serving
from workbench.testing.talks import TEST_PERSONA, spoken
from workbench.testing.tts import ToneTts
from workbench.transports.clip import ClipDriver


@asynccontextmanager
async def engine_of(stub: OmniStub, **given: Any) -> AsyncIterator[VllmOmniEngine]:
    async with serving(stub.app) as url:
        yield VllmOmniEngine(url, **given)


def spec(**given: Any) -> EngineSpec:
    return EngineSpec("test", TEST_PERSONA, "NATF2", RealtimeClock(), **given)


async def opened(engine: VllmOmniEngine, **given: Any) -> VllmOmniSession:
    session = await engine.open(spec(**given))
    assert isinstance(session, VllmOmniSession)
    return session


def tone(frame: int) -> Pcm:
    """A frame that can be told from every other by its level."""
    return np.full(FRAME_SAMPLES, (frame + 1) / 100, np.float32)


async def played(session: VllmOmniSession, frames: int, *, of: Any = tone) -> list[AgentFrame]:
    """Sends tones until so many frames of sound were heard."""
    heard: list[AgentFrame] = []
    async with asyncio.timeout(30):
        for sent in range(10_000):
            frame = await session.step(of(sent % 90))
            if np.any(frame.pcm):
                heard.append(frame)
            if len(heard) >= frames:
                return heard
            await asyncio.sleep(0.005)
    raise AssertionError("unreachable")


async def test_the_handshake_says_what_it_did_not_prove() -> None:
    stub = OmniStub(key="k1")
    async with engine_of(stub, key="k1") as engine:
        answer = await engine.probe()
        assert (answer.state, answer.capacity) == ("ready", None)
        assert answer.handshake_ms is not None
        assert f"serves {MODEL} and takes WebSockets" in answer.reason
        assert stub.events == [], "no session is opened by asking"
    async with engine_of(stub) as engine:
        answer = await engine.probe()
        assert answer.state == "unavailable"
        assert "HTTP 401; it wants its --api-key (WORKBENCH_VLLM_OMNI_KEY)" in answer.reason
    answer = await engine.probe()
    assert answer.state == "unavailable"
    assert "cannot be reached" in answer.reason
    assert "--deploy-config" in answer.repair


async def test_what_is_asked_of_the_server_and_what_the_engine_can() -> None:
    stub = OmniStub()
    async with engine_of(stub) as engine:
        session = await opened(engine, account="You are in the middle of a talk.", seed=7)
        (config,) = [event["session"] for event in stub.got("session.update")]
        assert config["instructions"] == f"{TEST_PERSONA.prompt} You are in the middle of a talk."
        assert (config["model"], config["voice"]) == (MODEL, "NATF2.pt")
        assert (config["input_audio_format"], config["output_audio_format"]) == ("pcm_f32le", "pcm16")
        able = session.capabilities
        assert (able.full_duplex, able.can_say, able.can_interrupt, able.can_hold, able.takes_text) == (True, False, False, False, False)
        assert session.parts["model"].name == MODEL
        assert "the seed are not used" in session.notices[0]
        for order in (lambda: session.say("no"), session.interrupt, lambda: session.hold(1.0)):
            with pytest.raises(EngineError, match="Ask the capabilities first"):
                order()
        await session.close()
        await session.close()
        assert stub.got("session.close")
        assert stub.sessions == {}


async def test_sound_and_words_both_ways_in_step_and_acknowledged_as_heard() -> None:
    stub = OmniStub(words={2: " caf<0xC3><0xA9> <0xE2><0x82>", 3: "<0xAC>5"})
    async with engine_of(stub) as engine:
        session = await opened(engine)
        heard = await played(session, 16)
        levels = [round(float(frame.pcm[0]) * 100) - 1 for frame in heard]
        assert levels == sorted(levels), "no frame is played before another"
        assert levels[:6] == [0, 1, 2, 3, 4, 5]
        words = {index: "".join(piece.text for piece in frame.pieces) for index, frame in enumerate(heard) if frame.pieces}
        assert words == {0: " word1", 1: " café ", 6: "€5", 11: " word4"}, "words begin with their sound"
        while not any(ack["played_ms"] >= 880 for ack in stub.got("playback.ack")):
            await session.step(silence())
            await asyncio.sleep(0.005)
        acks = stub.got("playback.ack")
        assert [ack["played_ms"] for ack in acks[:3]] == [80, 480, 880]
        assert {(ack["response_id"], ack["item_id"]) for ack in acks} == {("resp_1", "item_resp_1")}
        assert all(ack["played_ms"] == ack["committed_ms"] for ack in acks)
        await session.close()


@pytest.mark.parametrize(
    ("stub", "error", "why"),
    [
        (OmniStub(places=0), EngineBusy, r"duplex_session_capacity_exhausted: limit=0 \(resource_exhausted\)"),
        (OmniStub(duplex=False), EngineError, "answers turn by turn.*session_mode: duplex"),
        (OmniStub(unit_ms=1_000), EngineError, "units of 1000 ms; PersonaPlex has 80. Serve PersonaPlex"),
    ],
    ids=["busy", "turns", "units"],
)
async def test_a_talk_that_cannot_be_is_refused(stub: OmniStub, error: type[EngineError], why: str) -> None:
    async with engine_of(stub) as engine:
        with pytest.raises(error, match=why) as raised:
            await engine.open(spec())
        assert type(raised.value) is error


async def test_time_that_stands_still_is_refused_and_another_model_too() -> None:
    stub = OmniStub()
    async with engine_of(stub) as engine:
        with pytest.raises(EngineError, match="--realtime"):
            await engine.open(EngineSpec("test", TEST_PERSONA, "NATF2", FastClock(fixed({}))))
    async with engine_of(stub, model="another/model") as engine:
        assert "does not serve another/model (WORKBENCH_VLLM_OMNI_MODEL); it serves nvidia/personaplex" in (await engine.probe()).reason
    with pytest.raises(ValueError, match="no address of a server"):
        VllmOmniEngine("ftp://x")


async def test_a_broken_connection_is_taken_up_where_it_was() -> None:
    stub = OmniStub(resumable=True, breaks_after=12, swallows=2)
    async with engine_of(stub) as engine:
        session = await opened(engine)
        heard = await played(session, 30)
        levels = [round(float(frame.pcm[0]) * 100) - 1 for frame in heard]
        assert len(set(levels)) == len(levels), "nothing that came again is played again"
        (resumed,) = stub.got("session.resume")
        assert resumed["resume_token"] == "rt_1"
        assert levels[:11] == list(range(11)), "what was sent while nobody listened is replayed"
        notice = next(notice for notice in session.notices if "taken up again" in notice)
        assert "ms of your sound were lost" in notice
        words = [piece.text for frame in heard for piece in frame.pieces]
        assert len(set(words)) == len(words)
        await session.close()


async def test_a_server_that_cannot_resume_loses_the_talk_with_the_reason() -> None:
    async with engine_of(OmniStub(breaks_after=6)) as engine:
        session = await opened(engine)
        with pytest.raises(EngineError, match=r"ended the talk: the connection broke \(1011\)"):
            await played(session, 100)
        await session.close()


async def test_a_session_that_is_gone_meanwhile_is_told() -> None:
    stub = OmniStub(resumable=True, breaks_after=6)
    async with engine_of(stub) as engine:
        session = await opened(engine)
        stub.sessions.clear()
        with pytest.raises(EngineError, match=r"could not be taken up again: .*Unknown or expired duplex session.*session_resume_expired"):
            await played(session, 100)
        await session.close()


async def test_a_server_without_sound_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engines.vllm_omni.session.FIRST_SOUND_S", 0.1)
    async with engine_of(OmniStub(mute=True)) as engine:
        session = await opened(engine)
        with pytest.raises(EngineError, match="gave no sound for"):
            await played(session, 1)
        await session.close()


HOSTILE = (
    b"\x00\x01",
    "no json",
    "[" * 100_000,
    "[]",
    "{}",
    '{"type": 7}',
    '{"type": "response.output_audio.delta", "delta": 5}',
    '{"type": "response.output_audio.delta", "delta": "%%%"}',
    '{"type": "response.output_audio.delta", "delta": "AAA="}',
    '{"type": "response.output_audio.delta", "delta": "AAAA", "format": "opus"}',
    '{"type": "response.output_audio.delta", "delta": "", "response_id": {"a": 1}, "server_event_seq": true}',
    '{"type": "response.output_audio_transcript.delta", "delta": "\\u0000\\ud800"}',
    '{"type": "response.output_audio_transcript.delta", "delta": {"x": "y"}}',
    '{"type": "response.done", "response": "none", "server_event_seq": "9"}',
    '{"type": "error", "error": ["x"], "code": null}',
    '{"type": "error", "error": {"code": "boo\\u0007", "message": "line\\nbreak \\u001b[31m"}}',
    '{"type": "nobody.knows", "deep": {"er": {}}}',
)


async def test_hostile_messages_end_nothing_and_are_told_in_clean_words() -> None:
    async with engine_of(OmniStub(hostile=HOSTILE)) as engine:
        session = await opened(engine)
        heard = await played(session, 6)
        assert "".join(piece.text for frame in heard for piece in frame.pieces).startswith("�? word1")
        told = "\n".join(session.notices)
        assert "sent what is no event (binary, where events are text)" in told
        assert "told an error: line break  [31m (boo)" in told
        assert "could not be played" in told
        assert not any(char in told for char in "\x00\x07\x1b")
        await session.close()


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_message_is_more_than_a_bad_event(data: Any) -> None:
    for document in (data, {"type": "response.output_audio.delta", "delta": data}, {"type": "error", "error": data, "code": data}):
        try:
            event = parse(json.dumps(document))
            assert isinstance(event, Event)
            assert all(isinstance(word, str) for word in event.error)
            pcm = sound(event)
            assert pcm.dtype == np.float32
        except BadEvent:
            pass


@given(st.text(st.characters(exclude_categories=())))
def test_words_are_what_any_database_takes(text: str) -> None:
    assert "\0" not in readable(text)
    readable(text).encode()


@pytest.mark.parametrize(
    ("url", "realtime", "models"),
    [
        ("127.0.0.1:8099", "ws://127.0.0.1:8099/v1/realtime?duplex=1", "http://127.0.0.1:8099/v1/models"),
        ("https://gpu/omni/v1/realtime/", "wss://gpu/omni/v1/realtime?duplex=1", "https://gpu/omni/v1/models"),
    ],
    ids=["bare", "prefixed"],
)
def test_addresses(url: str, realtime: str, models: str) -> None:
    address = Address.of(url)
    assert (address.realtime(), address.http("/v1/models")) == (realtime, models)


async def test_a_whole_talk_is_in_the_store(tmp_path: Path) -> None:
    async with serving(OmniStub().app) as url:
        bench = await assemble(
            Settings(data_dir=tmp_path, vllm_omni_url=url, turn_fixed_hold_ms=500, recording=False, _env_file=None),
            recogniser=ScriptedAsr(["hello"]),
            synthesisers=[ToneTts()],
        )
        try:
            user, live = ClipInput(spoken(1.2)), []
            driver = ClipDriver(user, lambda reason: live[0].conversation.hang_up(reason), longest_tail_ms=2_000)
            live.append(
                await bench.sessions.open(
                    TalkRequest(engine="auto", transport="file"), clip=user, clock=RealtimeClock(), observers=[driver]
                )
            )
            await live[0].closed()
            await asyncio.to_thread(bench.store.flush)
            (row,) = bench.store.query("SELECT engine, ended_reason FROM voice_sessions")
            assert row["engine"] == "vllm-omni"
            turns = bench.store.query("SELECT speaker, text FROM voice_turns WHERE speaker = 'agent'")
            assert "word1" in " ".join(turn["text"] for turn in turns)
        finally:
            await bench.close()


async def test_without_an_address_it_is_missing_with_its_mend() -> None:
    nowhere = Settings(_env_file=None)
    answer = await vllm_omni_engine(nowhere).probe()
    assert (answer.state, answer.reason) == ("unavailable", "No vLLM-Omni address is configured.")
    assert (await vllm_omni(nowhere)).state == "ok"
    with pytest.raises(AssemblyError, match="WORKBENCH_VLLM_OMNI_URL: 'ftp://x' is no address"):
        vllm_omni_engine(Settings(vllm_omni_url="ftp://x", _env_file=None))
    assert (await vllm_omni(Settings(vllm_omni_url="ftp://x", _env_file=None))).state == "error"
    async with serving(OmniStub(key="secret").app) as url:
        found = await vllm_omni(Settings(vllm_omni_url=url, vllm_omni_key="secret", _env_file=None))
        assert (found.state, found.ms is not None) == ("ok", True)
        found = await vllm_omni(Settings(vllm_omni_url=url, _env_file=None))
        assert found.state == "warning"
