"""What nobody should send to the workbench's WebSockets: none of it ends a handler with an exception, holds the server up, or leaves a talk
or a task behind."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from deaf_asr import DeafAsr
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from server_thread import ServerThread
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from workbench.audio.frames import FRAME_SAMPLES
from workbench.audio.opus import OpusWriter
from workbench.protocol import Kind
from workbench.settings import Settings
from workbench.testing.tts import ToneTts

FUZZED = settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
HEALTH_WITHIN_S = 20.0
"""On a machine that is busy with other tests; alone it answers within milliseconds."""
SOUND = OpusWriter().append(np.sin(np.arange(FRAME_SAMPLES, dtype=np.float32)))
CHAT = "/api/chat?engine=echo&events=1"
PAGE = "/api/page/fuzzed"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
kinds = st.builds(lambda kind, body: bytes([kind]) + body, st.integers(0, 255), st.binary(max_size=200))
controls = st.builds(lambda body: bytes([Kind.METADATA]) + json.dumps(body).encode(), values)
cut_sound = st.builds(lambda begin, end: bytes([Kind.AUDIO]) + SOUND[begin:end], st.integers(0, 150), st.integers(0, 600))
orders = st.builds(
    lambda kind, rest: json.dumps({**rest, "type": kind}),
    st.sampled_from(["look", "type", "begin", "switch_engine", "hang_up", "talk", ""]) | st.text(max_size=8),
    st.dictionaries(st.sampled_from(["text", "engine", "persona", "voice", "recording"]), values, max_size=4),
)
frames = st.one_of(kinds, controls, cut_sound, orders, values.map(json.dumps), st.binary(max_size=300), st.text(max_size=50))
ends = st.sampled_from(["close", "abort", "wait"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    chosen = Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("fuzzed") / "var",
        test_engines=True,
        turn_fixed_hold_ms=500.0,
        personaplex_url=None,
        recording=False,
    )
    with ServerThread(chosen, DeafAsr(), [ToneTts(voices=("slt",))]) as running:
        yield running
        assert running.errors == []


def opened(server: ServerThread, path: str) -> ClientConnection:
    return connect(f"{server.url.replace('http', 'ws')}{path}", compression=None, close_timeout=5, open_timeout=30, max_size=None)


def abort(client: ClientConnection) -> None:
    """As a machine that vanishes: a reset, no close frame."""
    # The server may have been faster.
    with suppress(OSError):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def played(server: ServerThread, path: str, messages: Sequence[bytes | str], end: str) -> None:
    """Sends everything, reads what comes meanwhile, and leaves."""
    client = opened(server, path)
    try:
        for message in messages:
            client.send(message)
        if end == "wait":
            client.recv(timeout=0.2)
    except (ConnectionClosed, TimeoutError):
        pass
    if end == "abort":
        abort(client)
    client.close()
    answer = httpx.get(f"{server.url}/health", timeout=HEALTH_WITHIN_S)
    assert answer.status_code == 200
    # A handler that fails closes with 1011, and its traceback is in the log.
    assert client.close_code != 1011, client.close_reason
    assert server.errors == []


def eventually(server: ServerThread, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, (len(server.bench.sessions.live), sorted(tasks(server)))
        time.sleep(0.05)


def tasks(server: ServerThread) -> list[str]:
    """The work that goes on in the server, by coroutine."""

    async def names() -> list[str]:
        return [getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    return server.run(names())


@pytest.fixture
def leaves_nothing(server: ServerThread) -> Iterator[None]:
    """No talk, and no work but what was there before. A connection that is kept alive counts as there."""
    own = (
        "RequestResponseCycle",
        "WebSocketProtocol",
        "_Chat",
        "LiveHub",
        "Conversation",
        "chat",
        "page",
        "watch",
        "_send",
        "_read",
        "_obey",
    )
    yield
    eventually(server, lambda: not server.bench.sessions.live)
    eventually(server, lambda: not [name for name in tasks(server) if name.split(".")[0] in own])
    assert server.errors == []


@pytest.mark.slow
@pytest.mark.usefixtures("leaves_nothing")
@FUZZED
@given(messages=st.lists(frames, max_size=20), end=ends)
@example(messages=[b"\x01" + SOUND[:50], b"\x01" + SOUND[50:], b"\x01" + b"OggS" * 40, b"\x01" + SOUND], end="abort")
@example(messages=[b"", b"\x03", b"\x03\xff", b"\x04{", b"\x02" + b"\xff\xfe", "text", b"\x00\x00", b"\x04" + b"[" * 50_000], end="wait")
@example(messages=[b"\xff"] * 200, end="wait")
def test_no_frames_hurt_the_protocols_socket(server: ServerThread, messages: list[bytes | str], end: str) -> None:
    played(server, CHAT, messages, end)


@pytest.mark.slow
@pytest.mark.usefixtures("leaves_nothing")
@FUZZED
@given(messages=st.lists(frames, max_size=20), end=ends)
@example(
    messages=['{"type": "begin", "text": "hello", "persona": "casual", "engine": "echo"}', '{"type": "type", "text": ""}'], end="abort"
)
@example(messages=['{"type": "begin", "text": "a", "persona": [], "voice": {}, "engine": 1, "recording": "x"}'], end="wait")
@example(messages=[b'{"type": "hang_up"}', "null", "[" * 5_000, '{"type": "begin", "text": "\\ud800", "engine": "echo"}'], end="wait")
def test_no_frames_hurt_the_pages_socket(server: ServerThread, messages: list[bytes | str], end: str) -> None:
    played(server, PAGE, messages, end)


@pytest.mark.slow
@pytest.mark.usefixtures("leaves_nothing")
@FUZZED
@given(messages=st.lists(frames, max_size=20), end=ends)
def test_no_frames_hurt_a_watched_talk(server: ServerThread, messages: list[bytes | str], end: str) -> None:
    with opened(server, CHAT) as talking:
        eventually(server, lambda: server.bench.sessions.live)
        session_id = next(iter(server.bench.sessions.live))
        played(server, f"/api/talks/{session_id}/live", messages, end)
        assert session_id in server.bench.sessions.live, "whoever watches ends no talk"
        talking.close()
    eventually(server, lambda: not server.bench.sessions.live)


@pytest.mark.slow
@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("path", [CHAT, PAGE])
def test_what_is_too_large_or_too_much_closes_only_itself(server: ServerThread, path: str) -> None:
    client = opened(server, path)
    with suppress(ConnectionClosed):
        client.send(b"\x01" + bytes(3 * 1_048_576))
        while True:
            client.recv(timeout=30)
    assert client.close_code == 1009
    flood = opened(server, path)
    try:
        for _ in range(3_000):
            flood.send(b"\x01" + SOUND if path is CHAT else '{"type": "look"}')
    except ConnectionClosed:
        pass
    assert httpx.get(f"{server.url}/health", timeout=HEALTH_WITHIN_S).status_code == 200
    abort(flood)
    flood.close()


@pytest.mark.slow
@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("path", [CHAT, PAGE, "/api/talks/none/live", "/health"])
def test_whoever_stops_in_the_middle_holds_up_nobody(server: ServerThread, path: str) -> None:
    """A head that never ends, and a frame that never ends."""
    place = urlsplit(server.url)
    head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    slow = [socket.create_connection((place.hostname, place.port), timeout=30) for _ in range(20)]
    try:
        for number, one in enumerate(slow):
            one.sendall(head.encode()[: 20 + 5 * number])
        whole: Any = socket.create_connection((place.hostname, place.port), timeout=30)
        slow.append(whole)
        whole.sendall(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        whole.sendall(b"\x82\xfe\xff")
        assert httpx.get(f"{server.url}/health", timeout=HEALTH_WITHIN_S).status_code == 200
        with opened(server, CHAT) as next_visitor:
            assert next_visitor.recv(timeout=30)
    finally:
        for one in slow:
            one.close()


def test_every_socket_is_fuzzed(server: ServerThread) -> None:
    """A new one is to be added above."""

    def sockets(routes: Any) -> Iterator[str]:
        for route in routes:
            inner = getattr(route, "original_router", None) or getattr(route, "app", None)
            if getattr(inner, "routes", None):
                yield from sockets(inner.routes)
            elif "websocket" in type(route).__name__.lower():
                yield route.path

    ours = {"/api/chat", "/api/page/{visitor}", "/api/talks/{session_id}/live"}
    assert set(sockets(server.app.routes)) == {*ours, "/gradio_api/stream/{event_id}"}
    for page in ("", "/tools"):
        with pytest.raises(InvalidStatus, match="403"):
            opened(server, f"{page}/gradio_api/stream/none")
        assert httpx.post(f"{server.url}{page}/gradio_api/stream/none", json={"data": []}, timeout=30).status_code == 404
