"""A client of the PersonaPlex wire protocol: the personaplex engine, `workbench talk --url`, tests and load runs. Works against
NVIDIA's server too."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit, urlunsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from workbench.audio.opus import OpusReader, OpusWriter
from workbench.protocol import (
    MAX_MESSAGE_BYTES,
    Audio,
    Control,
    ControlMessage,
    ErrorMessage,
    Handshake,
    Message,
    Text,
    Unknown,
    decode,
    encode,
)
from workbench.trace_headers import send_trace

CLOSE_TIMEOUT_S = 2.0
"""How long a server may take to answer our goodbye; one that hangs must not hold the end of a talk."""


class ChatError(Exception):
    """The server cannot be reached, refused the talk, or ended it. `code` is the server's own, `http_<status>`, or `connection`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def chat_url(url: str, query: Mapping[str, str | int | float | bool | None]) -> str:
    """`http(s)://`, `ws(s)://` or bare `host:port` to the address of `/api/chat` with its query; parameters that are None are left out."""
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in {"ws", "wss"} or not parts.netloc:
        raise ChatError("connection", f"{url!r} is no address of a server; give one such as ws://127.0.0.1:8998")
    given = {name: int(value) if isinstance(value, bool) else value for name, value in query.items() if value is not None}
    path = parts.path if parts.path.endswith("/api/chat") else f"{parts.path.rstrip('/')}/api/chat"
    return urlunsplit((scheme, parts.netloc, path, "&".join(filter(None, (parts.query, urlencode(given)))), ""))


def shown_address(url: str) -> str:
    """`url` for a message: without its query and its user part, where secrets are."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _typed_refusal(body: bytes | None) -> ChatError | None:
    """The JSON `{"code": ..., "message": ...}` with which a server of ours refuses an upgrade; None for what is none."""
    try:
        found = json.loads(body or b"")
        return ChatError(str(found["code"])[:64], str(found["message"])[:1_000])
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


class ChatClient:
    """One talk. `async with await ChatClient.connect(url, persona="myca") as client: ...`"""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._writer = OpusWriter()
        self._reader = OpusReader()
        self.handshake_ms: float | None = None
        """From the call of `connect` to the server's handshake, which NVIDIA's server sends after its prompt phase."""

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        timeout_s: float = 30.0,
        wait_for_handshake: bool = True,
        origin: str | None = None,
        token: str | None = None,
        **query: str | int | float | bool | None,
    ) -> Self:
        """Connects, and waits for the handshake. `token` goes with the request as a bearer. Raises ChatError with the server's own
        words when it refuses."""
        began_s = time.perf_counter()
        address = chat_url(url, query)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        send_trace(headers)
        try:
            async with asyncio.timeout(timeout_s):
                connection = await connect(
                    address,
                    max_size=MAX_MESSAGE_BYTES,
                    compression=None,
                    # NVIDIA's server answers no ping while another talk holds it, which is no reason to go.
                    ping_interval=None,
                    close_timeout=CLOSE_TIMEOUT_S,
                    origin=websockets.Origin(origin) if origin else None,
                    additional_headers=headers,
                    proxy=None,
                )
                client = cls(connection)
                if wait_for_handshake:
                    try:
                        await client.handshake()
                    except BaseException:
                        await connection.close()
                        raise
        except TimeoutError as error:
            raise ChatError("connection", f"{shown_address(address)} gave no handshake within {timeout_s:g} s; it may be busy") from error
        except websockets.InvalidStatus as error:
            if refusal := _typed_refusal(error.response.body):
                raise refusal from error
            status = error.response.status_code
            hint = "; it may ask for a password (WORKBENCH_PASSWORD) or a token (PERSONAPLEX_TOKEN)" if status in (401, 403) else ""
            raise ChatError(f"http_{status}", f"{shown_address(address)} refused the talk with HTTP {status}{hint}") from error
        except (OSError, websockets.InvalidHandshake, websockets.InvalidURI) as error:
            raise ChatError("connection", f"{shown_address(address)} cannot be reached ({error}); is the server running?") from error
        client.handshake_ms = (time.perf_counter() - began_s) * 1_000
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def handshake(self) -> None:
        """Waits until the talk is open. Raises ChatError when it is refused."""
        async for message in self.receive():
            if isinstance(message, Handshake):
                return
            if isinstance(message, ErrorMessage):
                raise ChatError(message.code, message.message)
        raise ChatError("connection", f"the server closed before the handshake ({self.close_reason})")

    @property
    def close_reason(self) -> str:
        """Code and reason of the close, as far as there is one."""
        return f"{self._connection.close_code} {self._connection.close_reason or ''}".strip()

    @property
    def close_code(self) -> int | None:
        """The WebSocket close code, None while it is open."""
        return self._connection.close_code

    async def send_pcm(self, pcm: Pcm) -> None:
        """The user's sound, [n] float32 at 24 kHz. Raises ChatError when the server has gone."""
        if data := self._writer.append(pcm):
            await self.send(Audio(data))

    async def send_paced(self, pcm: Pcm) -> None:
        """Sends a clip in frames of 80 ms at the pace of real time."""
        began_s = time.monotonic()
        for begin in range(0, pcm.size, FRAME_SAMPLES):
            await self.send_pcm(pcm[begin : begin + FRAME_SAMPLES])
            ahead_s = (begin + FRAME_SAMPLES) / SAMPLE_RATE - (time.monotonic() - began_s)
            await asyncio.sleep(max(0.0, ahead_s))

    async def send_text(self, text: str) -> None:
        """Types an utterance (our servers only)."""
        await self.send(Text(text))

    async def send(self, message: Message) -> None:
        """Any message. Raises ChatError when the server has gone."""
        await self.send_bytes(encode(message))

    async def send_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        try:
            await self._connection.send(data)
        except websockets.ConnectionClosed as error:
            raise ChatError("connection", f"the server has closed the talk ({self.close_reason})") from error

    async def receive(self) -> AsyncGenerator[Message, None]:
        """Every message until the server closes; what is no message is passed over."""
        try:
            async for data in self._connection:
                message = decode(data.encode() if isinstance(data, str) else data)
                if not isinstance(message, Unknown):
                    yield message
        except websockets.ConnectionClosedError:
            return

    def decode_audio(self, message: Audio) -> Pcm:
        """The samples that an audio message completes, [n] float32 at 24 kHz. Call it for every one, in order."""
        return self._reader.append(message.data)

    async def hang_up(self) -> None:
        """Asks the server to end the talk; its last messages still come (our servers only)."""
        await self.send(ControlMessage(Control.END))

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()
