"""The personaplex engine against servers that are no gateway of ours: one that speaks like NVIDIA's, dead ones, wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from waiting import until
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.audio.opus import OpusReader, OpusWriter
from workbench.clock import FastClock, RealtimeClock, SessionClock, fixed
from workbench.engines.base import Capabilities, EngineBusy, EngineError, EngineSpec
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.engines.personaplex.session import PersonaPlexSession
from workbench.events import AgentText, EngineChosen, EngineLost, Notice
from workbench.protocol import Audio, ErrorMessage, Handshake, Message, Metadata, Text, decode, encode
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import TEST_PERSONA, run_talk, spoken


@dataclass
class Fake:
    """Answers each frame with itself and a word; speaks only 0x00, 0x01 and 0x02."""

    url: str = ""
    dies_after: int | None = None
    """Frames after which the connection breaks."""
    dies_again: bool = False
    """Every connection after that breaks with its first frame."""
    before: tuple[Message, ...] = (Handshake(),)
    health: str | None = None
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    """Replies wait for it."""
    heard: int = 0

    async def talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.queries.append(query)
        if "voice_prompt" not in query:
            # As NVIDIA's server: no close frame, only the end of the connection.
            socket.transport.abort()
            return
        reader, writer = OpusReader(), OpusWriter()
        for message in self.before:
            await socket.send(encode(message))
        async for data in socket:
            message = decode(data if isinstance(data, bytes) else data.encode())
            if not isinstance(message, Audio):
                continue
            pcm = reader.append(message.data)
            self.heard += 1
            if self.dies_after is not None and (self.heard == self.dies_after or (self.dies_again and self.heard > self.dies_after)):
                socket.transport.abort()
                return
            await self.answering.wait()
            await socket.send(encode(Text(f" word{self.heard}")))
            await socket.send(encode(Audio(writer.append(pcm))))

    def look(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/health" and self.health is not None:
            return connection.respond(HTTPStatus.OK, self.health)
        return None


@asynccontextmanager
async def served(fake: Fake | None = None) -> AsyncIterator[Fake]:
    fake = fake or Fake()
    fake.answering.set()
    async with serve(fake.talk, "127.0.0.1", 0, process_request=fake.look) as server:
        fake.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        try:
            yield fake
        finally:
            fake.answering.set()


def spec(clock: SessionClock | None = None, **given: Any) -> EngineSpec:
    return EngineSpec("test", TEST_PERSONA, "NATF2", clock or FastClock(fixed({})), **given)


async def opened(engine: PersonaPlexEngine, asked: EngineSpec) -> PersonaPlexSession:
    session = await engine.open(asked)
    assert isinstance(session, PersonaPlexSession)
    return session


async def test_the_probe_says_what_it_did_not_prove() -> None:
    async with served() as fake:
        engine = PersonaPlexEngine(fake.url)
        answer = await engine.probe()
        assert (answer.state, answer.capacity, answer.in_use) == ("ready", 1, None)
        assert answer.handshake_ms is not None
        assert "no gateway of ours" in answer.reason
        # A prompt in a trial would become the prompt of whoever is talking there.
        assert fake.queries == [{}]
        session = await engine.open(spec())
        answer = await engine.probe()
        assert (answer.state, answer.in_use) == ("busy", 1)
        with pytest.raises(EngineBusy, match="one of ours"):
            await engine.open(spec())
        await session.close()
        assert (await engine.probe()).state == "ready"


async def test_a_talk_that_breaks_off_is_taken_up_again_with_an_account() -> None:
    async with served(Fake(dies_after=40)) as fake:
        result = await run_talk(
            np.concatenate([spoken(1.0), silence(24_000), spoken(3.0)]),
            engines=[PersonaPlexEngine(fake.url), ScriptedEngine(["Nobody needs me."])],
            asr=ScriptedAsr(["hello <there>", "and more"]),
            tones=True,
        )
    first, again = result.of(EngineChosen)
    assert [(chosen.engine, chosen.resumed) for chosen in (first, again)] == [("personaplex", False), ("personaplex", True)]
    (lost,) = result.of(EngineLost)
    assert lost.noticed_samples <= again.noticed_samples <= lost.noticed_samples + FRAME_SAMPLES, "time stood still for it"
    assert not result.of(Notice)
    (begun, resumed) = [query for query in fake.queries if query]
    assert begun["voice_prompt"] == resumed["voice_prompt"]
    assert begun["text_prompt"] == [TEST_PERSONA.prompt]
    (prompt,) = resumed["text_prompt"]
    assert prompt.startswith(f"{TEST_PERSONA.prompt} You are in the middle of a talk")
    assert "The user said: hello there" in prompt
    assert prompt.endswith("word37 word38 word39")
    words = [text.text for text in result.of(AgentText)]
    assert [int(word.removeprefix(" word")) for word in words] == sorted({*range(1, 40), *range(41, 41 + len(words) - 39)})
    assert len(words) > 50


async def test_one_that_breaks_off_again_and_again_is_given_up() -> None:
    async with served(Fake(dies_after=40, dies_again=True)) as fake:
        result = await run_talk(
            np.concatenate([spoken(4.0), silence(24_000)]),
            engines=[PersonaPlexEngine(fake.url), ScriptedEngine(["I take over."])],
            asr=ScriptedAsr(["hello"]),
            tones=True,
        )
    assert [(chosen.engine, chosen.resumed) for chosen in result.of(EngineChosen)] == [
        ("personaplex", False),
        *[("personaplex", True)] * 3,
        ("scripted", False),
    ]
    assert len(result.of(EngineLost)) == 4
    assert all("connection broke" in lost.reason for lost in result.of(EngineLost))
    words = [text.text for text in result.of(AgentText)]
    assert words[:3] == [" word1", " word2", " word3"]
    assert "".join(words).endswith("I take over. ")
    echoed = result.agent[5 * FRAME_SAMPLES : 30 * FRAME_SAMPLES]
    assert np.sqrt((echoed**2).mean()) > 0.05


async def test_nothing_is_asked_that_nvidias_server_cannot() -> None:
    """A `seed` in the query ends a talk there; a voice is a file name."""
    async with served() as fake:
        session = await opened(PersonaPlexEngine(fake.url), spec(seed=3, sampling={"text_topk": 5.0}))
        assert set(fake.queries[0]) == {"voice_prompt", "text_prompt"}
        assert fake.queries[0]["voice_prompt"] == ["NATF2.pt"]
        assert "own temperatures" in session.notices[0]
        assert session.capabilities == Capabilities(
            full_duplex=True, can_say=False, can_interrupt=False, can_hold=False, takes_text=False, can_resume=True
        )
        for call in (lambda: session.say("x"), lambda: session.hold(1), session.interrupt):
            with pytest.raises(EngineError, match="no gateway of ours"):
                call()
        await session.close()


async def test_a_late_reply_leaves_a_gap_and_is_played_late(user: Pcm) -> None:
    async with served() as fake:
        session = await opened(PersonaPlexEngine(fake.url, deadline_s=0.05), spec(RealtimeClock()))
        fake.answering.clear()
        for _ in range(2):
            frame = await session.step(user)
            assert not frame.pcm.any()
        assert session.late_frames == 2
        assert len(session.notices) == 1
        assert "took longer than 50 ms" in session.notices[0]
        fake.answering.set()
        await until(lambda: session.playout.behind_ms == 160)
        assert [piece.text for piece in (await session.step(user)).pieces] == [" word1"]
        await session.close()


async def test_a_burst_is_cut_to_the_newest(user: Pcm) -> None:
    async with served() as fake:
        session = await opened(PersonaPlexEngine(fake.url, deadline_s=0.01), spec(RealtimeClock()))
        fake.answering.clear()
        for _ in range(8):
            await session.step(user)
        fake.answering.set()
        await until(lambda: session.playout.dropped == 3)
        assert [piece.text for piece in (await session.step(user)).pieces] == [" word4"]
        assert any("left out" in notice for notice in session.notices)
        await session.close()


async def test_a_server_that_hangs_is_lost(monkeypatch: pytest.MonkeyPatch, user: Pcm) -> None:
    monkeypatch.setattr("workbench.engines.personaplex.session.STALL_S", 0.05)
    async with served() as fake:
        session = await opened(PersonaPlexEngine(fake.url, deadline_s=0.1), spec(RealtimeClock()))
        fake.answering.clear()
        with pytest.raises(EngineError, match="gave no sound"):
            await session.step(user)
        await session.close()


async def test_its_last_words_are_told(user: Pcm) -> None:
    bye = ErrorMessage("length", "a talk ends after 60 minutes here; call again")
    nonsense = (Metadata("said", {"words_heard": []}), Metadata("forced"), Metadata("refused"), Metadata("rolled_over", {"forced": True}))
    async with served(Fake(before=(Handshake(), *nonsense, bye), dies_after=1)) as fake:
        session = await opened(PersonaPlexEngine(fake.url), spec())
        with pytest.raises(EngineError, match="ended the talk: a talk ends after 60 minutes"):
            await session.step(user)
        assert any("renewed in the middle" in notice for notice in session.notices)
        await session.close()


@pytest.mark.parametrize(
    ("before", "error", "words"),
    [
        ((ErrorMessage("busy", "all slots are taken"),), EngineBusy, "all slots are taken"),
        ((ErrorMessage("query", "no voice"),), EngineError, "refused the talk: no voice"),
        ((), EngineError, "no handshake within 0.2 s"),
        ((Metadata("queue", {"position": 2}),), EngineBusy, "number 2"),
    ],
)
async def test_not_being_let_in(before: tuple[Message, ...], error: type[EngineError], words: str) -> None:
    async with served(Fake(before=before)) as fake:
        engine = PersonaPlexEngine(fake.url, prompt_timeout_s=0.2, queue_patience_s=0.1)
        with pytest.raises(error, match=words):
            await engine.open(spec())


async def test_nobody_there() -> None:
    engine = PersonaPlexEngine("ws://127.0.0.1:9")
    answer = await engine.probe()
    assert (answer.state, answer.handshake_ms) == ("unavailable", None)
    assert "127.0.0.1:9" in answer.reason
    assert "workbench gateway" in answer.repair
    with pytest.raises(EngineError, match="workbench gateway"):
        await engine.open(spec())


@pytest.mark.parametrize(
    ("health", "state", "words"),
    [
        ('{"service": "personaplex-workbench"}', "unavailable", "leads to a workbench"),
        ("<html>", "ready", "no gateway of ours"),
        ('{"slots": "many"}', "ready", "no gateway of ours"),
        (
            '{"status": "failed", "reason": "the model failed", "model": "m", "revision": "r", "device": "cpu", "slots": 1, "in_use": 0,'
            ' "waiting": 0}',
            "unavailable",
            "the model failed",
        ),
    ],
)
async def test_what_answers_at_health(health: str, state: str, words: str) -> None:
    async with served(Fake(health=health)) as fake:
        answer = await PersonaPlexEngine(fake.url).probe()
    assert answer.state == state
    assert words in answer.reason


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engines.personaplex.engine.PROBE_TIMEOUT_S", 0.2)
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        answer = await PersonaPlexEngine(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").probe()
        over.set()
    assert answer.state == "unavailable"
    assert "gave no answer" in answer.reason


async def test_secrets_of_an_address_are_not_shown() -> None:
    answer = await PersonaPlexEngine("ws://me:s3cret@127.0.0.1:9/?worker_auth_id=s3cret", "s3cret").probe()
    assert "s3cret" not in answer.reason + answer.repair


@pytest.fixture
def user() -> Pcm:
    return spoken(0.08)


async def test_a_sign_that_comes_in_bytes_is_heard_as_one(user: Pcm) -> None:
    fake = Fake(before=(Handshake(), *map(Text, (" 12", " ", "<0xE2>", "<0x82>", "<0xAC>", "<0xC3>"))))
    async with served(fake):
        session = await opened(PersonaPlexEngine(fake.url), spec())
        pieces = [piece.text for piece in (await session.step(user)).pieces]
        assert pieces == [" 12", " ", "€", "\ufffd word1"]
        await session.close()
