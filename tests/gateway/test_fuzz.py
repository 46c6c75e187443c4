"""Frames, orders, prompts and addresses that nobody should send: none of them ends the process, and none harms the next visitor."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from collections.abc import Iterator

import numpy as np
import pytest
import websockets
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving import WAIT_S, Served, running
from websockets.frames import Close

from workbench.audio.frames import FRAME_SAMPLES
from workbench.audio.opus import OpusWriter
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.server import ServerOptions
from workbench.protocol import Audio, ErrorMessage, Handshake, Kind, Ping, decode, encode

FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SOUND = [OpusWriter().append(np.sin(np.arange(FRAME_SAMPLES, dtype=np.float32))) for _ in range(1)]
"""A stream's header pages and its first sound."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
orders = st.builds(
    lambda kind, data: bytes([Kind.METADATA]) + json.dumps({**data, "type": kind}).encode(),
    st.sampled_from(["say", "hold", "interrupt", "account", "opened", ""]) | st.text(max_size=8),
    st.dictionaries(st.sampled_from(["id", "text", "max_ms", "hold_ms", "reason"]), json_values, max_size=4),
)
sounds = st.builds(
    lambda whole, begin, end, flips: bytes([Kind.AUDIO]) + bytes(byte ^ flips.get(at, 0) for at, byte in enumerate(whole[begin:end])),
    st.sampled_from(SOUND),
    st.integers(0, 150),
    st.integers(0, 600),
    st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=6),
)
kinds = st.builds(lambda kind, body: bytes([kind]) + body, st.integers(0, 255), st.binary(max_size=200))
frames = st.one_of(orders, sounds, kinds, st.binary(max_size=300), st.text(max_size=50))

NAMES = (
    "voice_prompt",
    "text_prompt",
    "seed",
    "text_temperature",
    "text_topk",
    "audio_temperature",
    "audio_topk",
    "events",
    "pad_mult",
    "x",
)
values = st.one_of(
    st.text(max_size=60).map(lambda text: urllib.parse.quote(text.encode("utf-8", "surrogatepass"))),
    st.binary(max_size=30).map(urllib.parse.quote_from_bytes),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["TINYW1.wav", "TINYF0", "BROKEN", "..%2F..%2Fetc%2Fpasswd", "%00", "%", "<system>", "", "0", "-1", "1e309", "NaN"]),
)
queries = st.lists(st.tuples(st.sampled_from(NAMES) | st.text("abc%&=", max_size=5), values), max_size=8)


@pytest.fixture(scope="module")
def served(model: Model) -> Iterator[Served]:
    yield from running(model, ServerOptions(port=0, limits=Limits(waiting=1)))


async def check_next_visitor(served: Served) -> None:
    """Someone with a talk in good order is let in and heard."""
    async with served.client() as client:
        await client.until(Handshake)
        await client.speak(np.zeros(FRAME_SAMPLES, dtype=np.float32))
        await client.hear(FRAME_SAMPLES)


@FUZZED
@given(early=st.lists(frames, max_size=4), messages=st.lists(frames, max_size=20))
@example(early=[b"\x01" + SOUND[0][:50]], messages=[b"\x01" + SOUND[0][50:], b"\x01" + b"OggS" * 40, b"\x01" + SOUND[0]])
@example(early=[], messages=[b'\x04{"type": "hold", "max_ms": 1e400}', b'\x04{"type": "say", "id": "\\ud800", "text": "\\ud800"}'])
def test_no_frames_end_the_process(served: Served, early: list[bytes | str], messages: list[bytes | str]) -> None:
    async def play() -> None:
        closed: Close | None = Close(1000, "")
        try:
            async with served.client(events=1) as client:
                for message in early:
                    await client.socket.send(message)
                await client.until(Handshake)
                for message in messages:
                    await client.socket.send(message)
                await client.send(Ping())
                await client.until(Ping)
        except websockets.ConnectionClosed as error:
            closed = error.rcvd
        # It may be hung up on, in order: never without a close frame, as a handler that failed would leave it.
        assert closed is not None, "the connection broke"
        await check_next_visitor(served)

    asyncio.run(play())
    assert not served.slots.failure


@FUZZED
@given(query=queries)
@example(query=[("voice_prompt", "TINYW1.wav"), ("text_prompt", "%ff%fe%ed%a0%80")])
@example(query=[("voice_prompt", "TINYW1.wav"), ("text_prompt", "%F0%9F%8D%84%00%0d%0a"), ("seed", "99999999999999999999999")])
@example(query=[("voice_prompt", "TINYW1.wav"), ("text_prompt", "a"), ("text_topk", "1e30"), ("audio_temperature", "-0.0")])
def test_no_address_ends_the_process(served: Served, query: list[tuple[str, str]]) -> None:
    async def enter() -> None:
        address = "&".join(f"{name}={value}" for name, value in query)
        told: list[object] = []
        refused: list[Close | None] = []
        try:
            async with websockets.connect(f"ws://127.0.0.1:{served.port}/api/chat?{address}") as socket, asyncio.timeout(WAIT_S):
                while not any(isinstance(message, Handshake) for message in told):
                    data = await socket.recv()
                    told.append(decode(data if isinstance(data, bytes) else data.encode()))
                await socket.send(encode(Audio(SOUND[0])))
        except websockets.ConnectionClosed as error:
            refused.append(error.rcvd)
        except (websockets.InvalidStatus, websockets.InvalidURI):
            pass
        for close in refused:
            assert close is not None, "the connection broke"
            assert close.code in (1008, 1013)
            assert any(isinstance(message, ErrorMessage) and message.message for message in told), "refused without its reason"
        await check_next_visitor(served)

    asyncio.run(enter())
    assert not served.slots.failure
