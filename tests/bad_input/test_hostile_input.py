"""What strangers send to a running server: each fault is told clearly, and the talk beside it does not notice."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
import pytest
import websockets
from servers import CLIPS, SCRIPTED, Running, opened_store, running
from websockets.asyncio.client import connect
from ws_talks import WsTalk, check_whole

from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.audio.wav import load_wav
from workbench.conversation.conversation import MAX_TYPED_CHARS
from workbench.events import UserText
from workbench.protocol import MAX_TEXT_BYTES
from workbench.wire_client import ChatClient, ChatError, chat_url

pytestmark = pytest.mark.slow

HOSTILE_FRAMES: tuple[bytes | str, ...] = (
    b"",
    b"\x01",
    b"\x99",
    b"\x01" + b"RIFF" * 50,
    b"\x01OggS" + b"\xff" * 300,
    b"\x02\xff\xfe",
    b"\x03\xff",
    b"\x04{[",
    b"\x01" + bytes(500_000),
    "a text frame",
    '{"event": "start"}',
)
STRANGE_NAMES = (
    "nobody",
    "../../etc/passwd",
    "..",
    "%2e%2e%2fx",
    "<script>alert(1)</script>",
    "a" * 5_000,
    "x\x00y",
    "'; DROP TABLE voice_turns; --",
)
TEN_MEGABYTES = 10_000_000


async def still_hears(talk: WsTalk) -> None:
    """The talk goes on after what was sent."""
    before = talk.heard_frames
    await talk.until(lambda: talk.heard_frames > before + 2)


async def hostile_frames(server: Running) -> None:
    for frame in HOSTILE_FRAMES:
        async with WsTalk(server.url, recording=False) as talk:
            await (talk.client._connection.send(frame) if isinstance(frame, str) else talk.client.send_bytes(frame))
            await still_hears(talk)


async def random_frames(server: Running) -> None:
    random = np.random.default_rng(4)
    async with WsTalk(server.url, recording=False) as talk:
        for _ in range(40):
            # The kinds that would be obeyed (typed text, hang up) are left out.
            await talk.client.send_bytes(bytes([int(random.choice([0, 1, 4, 5, 77]))]) + random.bytes(int(random.integers(0, 3_000))))
        await still_hears(talk)


async def ten_megabytes(server: Running) -> None:
    for kind in (b"\x01", b"\x02"):
        async with connect(chat_url(server.url, {"engine": "scripted", "recording": False}), compression=None) as client:
            try:
                await client.send(kind + b"a" * TEN_MEGABYTES)
                await client.wait_closed()
            except websockets.ConnectionClosed:
                pass  # closed while the last bytes still went out
            assert client.close_code == 1009, "too big"


async def no_websocket_at_all(server: Running) -> None:
    address = urlsplit(server.url)
    for rubbish in (b"\x00" * 10_000, b"GET /api/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"):

        def send(rubbish: bytes = rubbish) -> bytes:
            with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
                raw.sendall(rubbish)
                return raw.recv(4_096)

        assert (await asyncio.to_thread(send)).startswith(b"HTTP/1.1 4")


async def long_texts(server: Running) -> None:
    async with WsTalk(server.url, recording=False) as talk:
        await talk.client.send_text("word " * (MAX_TEXT_BYTES // 5 - 1))
        await talk.until(lambda: talk.of(UserText))
        assert len(talk.of(UserText)[0].text) <= MAX_TYPED_CHARS
        await talk.client.send_bytes(b"\x02" + b"word " * MAX_TEXT_BYTES)
        await talk.until(lambda: talk.errors)
        assert talk.errors[0].code == "bad_message"
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        body = {"message": "a" * TEN_MEGABYTES}
        for path in ("/api/mas/voice/orchestrator", "/api/mas/voice"):
            refused = await http.post(path, json=body)
            assert refused.status_code == 413, refused.text
            assert refused.json()["code"] == "too_large"


async def strange_names(server: Running) -> None:
    for parameter, code in (("persona", "unknown_persona"), ("voice_prompt", "unknown_voice"), ("engine", "unknown_engine")):
        for name in STRANGE_NAMES:
            with pytest.raises(ChatError) as told:
                await ChatClient.connect(chat_url(server.url, {parameter: name}))
            assert told.value.code in {code, "bad_request"}, (parameter, name)
            assert len(str(told.value)) < 2_000, "the name is not sent back at its whole length"
    async with httpx.AsyncClient(base_url=server.url) as http:
        for name in STRANGE_NAMES:
            for field in ("persona", "mode"):
                refused = await http.post("/api/mas/voice/duplex/session", json={field: name})
                assert 400 <= refused.status_code < 500, (field, name, refused.text)
                assert refused.headers["content-type"] == "application/json"
            missing = await http.get(f"/voice/sessions/{quote(name, safe='')}")
            assert missing.status_code == 404, name


async def test_the_talk_beside_is_whole_whatever_strangers_send(tmp_path: Path) -> None:
    said = np.concatenate([silence(SAMPLE_RATE // 2), load_wav(CLIPS / "goforward.wav"), silence(2 * SAMPLE_RATE)])
    data_dir = tmp_path / "var"
    with running(data_dir, SCRIPTED, WORKBENCH_TURN_FIXED_HOLD_MS="500") as server:
        async with WsTalk(server.url) as beside:

            async def talk_on() -> None:
                while True:
                    await beside.play(said)

            talking = asyncio.create_task(talk_on())
            for assault in (hostile_frames, random_frames, ten_megabytes, no_websocket_at_all, long_texts, strange_names):
                await assault(server)
                # Those that were cut off are closed in their own time; the one beside stays.
                await server.health_when(status="ok", sessions_live=1)
                assert not talking.done()
            await beside.until(lambda: beside.words)
            talking.cancel()
        assert not beside.errors
        assert beside.dropped_samples == 0
        assert server.stop() == 0
        assert "Traceback" not in server.said
    with opened_store(data_dir) as store:
        check_whole(store, data_dir, beside, said)
