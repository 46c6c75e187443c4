"""`/api/chat` under a real server: echo to the sample, hostile frames, early sound, slow readers, lost clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlencode

import numpy as np
import pytest
import websockets
from fastapi import FastAPI
from websockets.asyncio.client import connect

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.opus import CODEC_DELAY_SAMPLES, OpusWriter
from workbench.conversation.port import TalkRequest
from workbench.engines.base import AgentFrame, TextPiece
from workbench.events import Notice
from workbench.protocol import Audio, Control, ControlMessage, ErrorMessage, Handshake, Metadata, Ping, Text, decode, encode
from workbench.testing.port import EchoOpener, EchoPort
from workbench.transports.origin import origin_allowed
from workbench.transports.websocket import CLOSE_BAD_REQUEST, CLOSE_BUSY, MAX_COMPLAINTS, SERVER_OPTIONS, ChatOptions, chat_router
from workbench.wire_client import ChatClient, ChatError, chat_url

Serve = Callable[..., AbstractAsyncContextManager[str]]
FAST = ChatOptions(max_unsent_frames=10_000, max_ahead_s=1e9)


def _app(opener: EchoOpener, options: ChatOptions = FAST) -> FastAPI:
    app = FastAPI()
    app.include_router(chat_router(opener, options))
    return app


@pytest.fixture
async def echo(serve: Serve) -> AsyncIterator[tuple[str, EchoOpener]]:
    """Address of a server whose talks are echoes, and what opens them."""
    opener = EchoOpener(capacity=4)
    async with serve(_app(opener), **SERVER_OPTIONS) as address:
        yield address, opener
    assert opener.live == 0


def _noise(samples: int, seed: int = 0) -> Pcm:
    white = np.random.default_rng(seed).standard_normal(samples + 7)
    return (0.2 * np.convolve(white, np.ones(8) / 8, mode="valid")).astype(np.float32)


async def _hear(client: ChatClient, samples: int) -> Pcm:
    heard: list[Pcm] = []
    async for message in client.receive():
        if isinstance(message, Audio):
            heard.append(client.decode_audio(message))
            if sum(pcm.size for pcm in heard) >= samples:
                break
    return np.concatenate(heard)


async def _eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def _lag(heard: Pcm, sent: Pcm) -> int:
    span = min(heard.size, sent.size) - 600
    return int(np.argmax([float(np.dot(heard[lag : lag + span], sent[:span])) for lag in range(600)]))


async def test_what_is_said_comes_back_aligned_to_the_sample(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    sent = _noise(40 * FRAME_SAMPLES)
    async with await ChatClient.connect(address, voice_prompt="NATF2.pt", seed=3, text_temperature=0.5) as client:
        for begin in range(0, sent.size, FRAME_SAMPLES):
            await client.send_pcm(sent[begin : begin + FRAME_SAMPLES])
        heard = await _hear(client, sent.size)
    assert heard.size == sent.size
    assert abs(_lag(heard, sent) - 2 * CODEC_DELAY_SAMPLES) <= 4
    port = opener.ports[0]
    assert sum(packet[0] for packet in port.pushed) == sent.size
    assert port.request == TalkRequest(
        voice="NATF2.pt", transport="websocket", seed=3, client_address="127.0.0.1", sampling={"text_temperature": 0.5}
    )
    assert await port.closed() == "hung_up"


async def test_text_pieces_typed_words_and_pings(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    async with await ChatClient.connect(address) as client:
        await client.send_text("what time is it")
        await client.send_text("   ")
        await client.send(Ping())
        got = [message async for message in _until(client, Ping)]
    assert Text("what time is it") in got
    assert opener.ports[0].typed == ["what time is it"]


async def _until(client: ChatClient, kind: type) -> AsyncIterator[object]:
    async for message in client.receive():
        yield message
        if isinstance(message, kind):
            return


async def test_a_client_of_the_original_gets_only_the_original_kinds(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    kinds: set[int] = set()
    async with connect(chat_url(address, {"text_prompt": "x"}), compression=None) as socket:
        assert await socket.recv() == b"\x00"
        await socket.send(b"")
        await socket.send(b"\x01junk")
        port = opener.ports[0]
        assert port.listener is not None
        port.listener.event(Notice(at_samples=0, noticed_samples=0, level="info", code="x", message="y"))
        port.listener.flush()
        port.play(AgentFrame(_noise(FRAME_SAMPLES), (TextPiece(" hi"),)))
        while kinds != {1, 2}:
            data = await socket.recv()
            assert isinstance(data, bytes)
            kinds.add(data[0])
            assert kinds <= {1, 2}


async def test_events_reach_a_client_that_asks_for_them(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    async with await ChatClient.connect(address, events=True) as client:
        port = opener.ports[0]
        assert port.listener is not None
        port.listener.event(Notice(at_samples=5, noticed_samples=7, level="info", code="x", message="y"))
        port.listener.flush()
        await client.hang_up()
        got = [message async for message in client.receive()]
    assert Metadata("opened", {"session_id": "echo-0"}) in got
    payload = {"level": "info", "code": "x", "message": "y", "repair": ""}
    assert Metadata("event", {"kind": "Notice", "at_samples": 5, "noticed_samples": 7, "payload": payload}) in got
    assert ControlMessage(Control.FLUSH) in got
    assert got[-1] == Metadata("closed", {"reason": "hung_up", "message": "The echo has ended."})
    assert client.close_code == 1000


@pytest.mark.parametrize(
    "hostile", [b"", b"\x01", b"\x99", b"\x01" + b"RIFF" * 50, b"\x03\xff", b"\x04[", b"\x02\xff\xfe", b"\x01" + bytes(500_000), "words"]
)
async def test_a_hostile_frame_is_answered_and_the_talk_goes_on(echo: tuple[str, EchoOpener], hostile: bytes | str) -> None:
    address, _opener = echo
    async with await ChatClient.connect(address, events=True) as client:
        if isinstance(hostile, str):
            await client._connection.send(hostile)
        else:
            await client.send_bytes(hostile)
        sent = _noise(4 * FRAME_SAMPLES)
        await client.send_pcm(sent)
        assert (await _hear(client, sent.size)).size == sent.size


async def test_ten_megabytes_close_with_a_reason_and_the_server_lives(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    async with connect(chat_url(address, {}), compression=None) as socket:
        await socket.recv()
        with contextlib.suppress(websockets.ConnectionClosed):  # it may be closed while the last bytes still go out
            await socket.send(b"\x01" + bytes(10_000_000))
        await socket.wait_closed()
        assert socket.close_code == 1009
    assert await opener.ports[0].closed() == "client_lost"
    async with await ChatClient.connect(address):
        pass


async def test_endless_junk_is_shut_out(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    client = await ChatClient.connect(address, events=True)
    for _ in range(MAX_COMPLAINTS + 1):
        await client.send_bytes(b"\x01junk that is no Ogg page at all")
    assert [message async for message in client.receive() if isinstance(message, ErrorMessage)]
    assert client.close_code == CLOSE_BAD_REQUEST
    assert await opener.ports[0].closed() == "client_lost"


async def test_sound_from_before_the_handshake_is_kept(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    gate = asyncio.Event()
    opener.before_open = gate.wait
    sent = _noise(20 * FRAME_SAMPLES)
    client = await ChatClient.connect(address, wait_for_handshake=False)
    async with client:
        for begin in range(0, sent.size // 2, FRAME_SAMPLES):
            await client.send_pcm(sent[begin : begin + FRAME_SAMPLES])
        await _eventually(lambda: bool(opener.ports))
        gate.set()
        await client.handshake()
        await client.send_pcm(sent[sent.size // 2 :])
        heard = await _hear(client, sent.size)
    assert abs(_lag(heard, sent) - 2 * CODEC_DELAY_SAMPLES) <= 4


async def test_a_client_that_leaves_while_its_talk_opens_frees_its_place(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    opener.before_open = asyncio.Event().wait
    client = await ChatClient.connect(address, wait_for_handshake=False)
    await _eventually(lambda: opener.live == 1)
    await client.close()
    await _eventually(lambda: opener.live == 0)


async def test_busy_unknown_and_bad_requests_are_told_and_closed(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    for query, code, words in (
        ({"persona": "nobody"}, "unknown_persona", "Known: echo"),
        ({"persona": "../etc/passwd"}, "bad_request", "persona is no name"),
        ({"seed": "many"}, "bad_request", "seed"),
    ):
        with pytest.raises(ChatError, match=words) as caught:
            await ChatClient.connect(f"{address}?{urlencode(query)}")
        assert caught.value.code == code
    opener.capacity = 0
    async with connect(chat_url(address, {}), compression=None) as socket:
        message = decode(await socket.recv(decode=False))
        assert message == ErrorMessage("busy", "All 0 places are taken. Try again when a talk has ended.", {"queue_position": 1})
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == CLOSE_BUSY


async def test_a_lost_client_ends_its_talk(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    client = await ChatClient.connect(address)
    client._connection.transport.abort()
    async with asyncio.timeout(5):
        assert await opener.ports[0].closed() == "client_lost"


async def test_a_client_that_answers_no_ping_is_lost(serve: Serve) -> None:
    opener = EchoOpener()
    async with serve(_app(opener), **{**SERVER_OPTIONS, "ws_ping_interval": 0.1, "ws_ping_timeout": 0.2}) as address:
        client = await ChatClient.connect(address)
        client._connection.transport.pause_reading()
        async with asyncio.timeout(5):
            assert await opener.ports[0].closed() == "client_lost"
        client._connection.transport.abort()


async def test_a_slow_reader_misses_the_oldest_frames_and_is_told(serve: Serve) -> None:
    opener = EchoOpener()
    app = _app(opener, ChatOptions(max_unsent_frames=25))
    async with serve(app, send_buffer=4_096, ws_ping_interval=None) as address, await ChatClient.connect(address, events=True) as client:
        client._connection.transport.pause_reading()
        port = opener.ports[0]
        frame = AgentFrame(_noise(FRAME_SAMPLES))
        for _ in range(200):
            for _ in range(20):
                port.play(frame)
            await asyncio.sleep(0)
        client._connection.transport.resume_reading()
        port.play(AgentFrame(silence(), (TextPiece("last"),)))
        heard, dropped = 0, 0
        async for message in client.receive():
            if isinstance(message, Audio):
                heard += client.decode_audio(message).size
            if isinstance(message, Metadata) and message.type == "dropped":
                dropped += message.data["samples"]
            if message == Text("last"):
                break
    assert dropped > 0
    assert heard + dropped == 4_001 * FRAME_SAMPLES


async def test_a_client_that_sends_a_file_at_once_is_slowed_down_and_loses_nothing(serve: Serve) -> None:
    opener = EchoOpener()
    sent = _noise(2 * SAMPLE_RATE)
    async with serve(_app(opener, ChatOptions(max_ahead_s=1.5)), **SERVER_OPTIONS) as address, await ChatClient.connect(address) as client:
        for begin in range(0, sent.size, FRAME_SAMPLES):
            await client.send_pcm(sent[begin : begin + FRAME_SAMPLES])
        heard = await _hear(client, sent.size)
    assert heard.size == sent.size
    arrivals = [packet[2] for packet in opener.ports[0].pushed]
    assert arrivals[-1] - arrivals[0] >= 0.4


async def test_pages_of_other_sites_are_refused(echo: tuple[str, EchoOpener]) -> None:
    address, opener = echo
    with pytest.raises(ChatError, match="403"):
        await ChatClient.connect(address, origin="https://evil.example")
    async with await ChatClient.connect(address, origin=f"http://{address}"):
        pass
    assert len(opener.ports) == 1


@pytest.mark.parametrize(
    ("origin", "host", "fine"),
    [
        (None, "example.com", True),
        ("https://example.com", "example.com", True),
        ("https://example.com:443", "example.com", True),
        ("http://example.com", "example.com:8080", False),
        ("http://localhost:3000", "127.0.0.1:7860", True),
        ("http://[::1]:3000", "localhost:7860", True),
        ("http://localhost:3000", "example.com", False),
        ("https://evil.example", "127.0.0.1:7860", False),
        ("https://127.0.0.1.evil.example", "127.0.0.1:7860", False),
        ("null", "127.0.0.1:7860", False),
        ("file://", "127.0.0.1:7860", False),
        ("http://[", "127.0.0.1:7860", False),
        ("http://a:b", "127.0.0.1", False),
        ("https://friend.example", "example.com", True),
    ],
)
def test_origins(origin: str | None, host: str, fine: bool) -> None:
    assert origin_allowed(origin, host, ["https://friend.example/"]) is fine


async def test_the_reference_server_answers_with_its_one_byte(echo: tuple[str, EchoOpener]) -> None:
    address, _opener = echo
    async with connect(chat_url(f"http://{address}/", {"seed": None}), compression=None) as socket:
        assert decode(await socket.recv(decode=False)) == Handshake()
        await socket.send(encode(Audio(OpusWriter().append(_noise(FRAME_SAMPLES)))))
        assert isinstance(decode(await socket.recv(decode=False)), Audio)


@pytest.mark.parametrize("url", ["", "ftp://x", "ws://"])
def test_what_is_no_server_is_said(url: str) -> None:
    with pytest.raises(ChatError, match="no address"):
        chat_url(url, {})


async def test_nobody_there_is_said() -> None:
    with pytest.raises(ChatError, match="is the server running"):
        await ChatClient.connect("ws://127.0.0.1:9", timeout_s=5)


def test_an_echo_is_a_port() -> None:
    async def check() -> None:
        port = EchoPort()
        port.attach(_Deaf())
        port.push(_noise(FRAME_SAMPLES), None, 0.0)
        await port.hang_up("hung_up")
        await port.hang_up("failed")
        assert await port.closed() == "hung_up"

    asyncio.run(check())


class _Deaf:
    def play(self, frame: AgentFrame, start_samples: int) -> None: ...
    def flush(self) -> None: ...
    def event(self, event: object) -> None: ...
    def end(self, reason: str, message: str) -> None: ...
