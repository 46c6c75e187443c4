"""WebSocket `/api/chat`: any client of the PersonaPlex wire protocol (`workbench.protocol`) talks to a talk of ours.

The stream is read from the first moment, so that sound sent before the handshake is kept with its Ogg headers. A client that sends
faster than real time is slowed down by TCP itself; one that reads too slowly loses the oldest agent frames and is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from workbench.audio.frames import FRAME_SAMPLES
from workbench.audio.opus import CodecError, OpusReader, OpusWriter
from workbench.conversation.conversation import CloseReason
from workbench.conversation.port import Opener, TalkPort, TalkRefused, TalkRequest
from workbench.engines.base import AgentFrame
from workbench.events import Event, FrameTiming
from workbench.protocol import (
    Audio,
    Control,
    ControlMessage,
    ErrorMessage,
    Handshake,
    Message,
    Metadata,
    Ping,
    QueryError,
    Text,
    Unknown,
    decode,
    encode,
    parse_query,
)
from workbench.transports.ahead import Ahead
from workbench.transports.early import EarlySound
from workbench.transports.opening import open_while_reading
from workbench.transports.origin import origin_allowed
from workbench.transports.outbox import Outbox
from workbench.transports.until_gone import until_gone

log = logging.getLogger(__name__)

MAX_UNSENT_FRAMES = 25
"""2 s of agent frames wait for a slow reader, then the oldest go."""
MAX_AHEAD_S = 1.0
"""A client may be this far ahead of real time before its next bytes are left in its own socket."""
MAX_COMPLAINTS = 50
"""After this many messages that are none, the client is closed."""

CLOSE_BAD_REQUEST = 4400
CLOSE_NOT_FOUND = 4404
CLOSE_BUSY = 4429
CLOSE_UNAVAILABLE = 4503
_REFUSED_CODES: Mapping[str, int] = {
    "busy": CLOSE_BUSY,
    "rate_limited": CLOSE_BUSY,
    "quota": CLOSE_BUSY,
    "bad_request": CLOSE_BAD_REQUEST,
    "unknown_persona": CLOSE_NOT_FOUND,
    "unknown_voice": CLOSE_NOT_FOUND,
    "unknown_engine": CLOSE_NOT_FOUND,
}
_ENDED_CODES: Mapping[str, int] = {"engine_failed": 1011, "failed": 1011, "server_stopped": 1012}

_LEFT: Mapping[int, CloseReason] = {1000: "hung_up", 1012: "server_stopped"}

SERVER_OPTIONS: Mapping[str, Any] = {
    "ws_ping_interval": 2.0,
    "ws_ping_timeout": 5.0,
    "ws_max_size": 2 * 1_048_576,
    "ws_per_message_deflate": False,
    "proxy_headers": False,
}
"""For `uvicorn.Config`: a client whose machine vanished is noticed within 7 s, while a radio that stalls for some seconds loses nobody
their talk (a closed connection is noticed at once). A message over 2 MiB closes with 1009; Opus cannot be compressed further.
What a proxy forwards is taken over by the app, from proxies that it trusts."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What may differ between servers and tests."""

    allowed_origins: Collection[str] = ()
    max_unsent_frames: int = MAX_UNSENT_FRAMES
    max_ahead_s: float = MAX_AHEAD_S


def chat_router(open_talk: Opener, options: ChatOptions | None = None) -> APIRouter:
    """The route `/api/chat`, for any FastAPI application."""
    router = APIRouter()
    chosen = options or ChatOptions()

    @router.websocket("/api/chat")
    async def chat(websocket: WebSocket) -> None:
        if not origin_allowed(websocket.headers.get("origin"), websocket.headers.get("host"), chosen.allowed_origins):
            # Before `accept` this is an HTTP 403.
            await websocket.close(1008, "this origin may not open talks; add it to WORKBENCH_ALLOWED_ORIGINS")
            return
        await websocket.accept()
        await _Chat(websocket, open_talk, chosen).run()

    return router


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing to be sent."""

    code: int
    reason: str


class _Chat:
    """One client. Listens to its talk (`Listener`), reads its messages, and sends what waits in the outbox."""

    def __init__(self, websocket: WebSocket, open_talk: Opener, options: ChatOptions) -> None:
        self._socket = websocket
        self._open_talk = open_talk
        self._options = options
        self._reader = OpusReader()
        self._writer = OpusWriter()
        self._outbox: Outbox[Message | _End] = Outbox(options.max_unsent_frames)
        self._port: TalkPort | None = None
        self._early = EarlySound()
        self._events = False
        self._complaints = 0
        self._told_dropped = 0
        self._ahead = Ahead(options.max_ahead_s)

    async def run(self) -> None:
        """Until the talk or the client is gone."""
        try:
            query = parse_query(self._socket.query_params)
        except QueryError as error:
            await self._refuse(CLOSE_BAD_REQUEST, ErrorMessage("bad_request", str(error), {"parameter": error.parameter}))
            return
        self._events = query.events
        client = self._socket.client
        request = TalkRequest(
            persona=query.persona,
            voice=query.voice_prompt,
            engine=query.engine,
            transport="websocket",
            conversation_id=query.conversation_id,
            seed=query.seed,
            recording=query.recording,
            client_address=client.host if client else "",
            text_prompt=query.text_prompt,
            sampling=query.sampling,
        )
        reading = asyncio.create_task(self._read(), name="chat-read")
        try:
            port = await open_while_reading(self._open_talk, request, reading)
        except TalkRefused as refused:
            position = {} if refused.queue_position is None else {"queue_position": refused.queue_position}
            reading.cancel()
            await self._refuse(_REFUSED_CODES.get(refused.code, CLOSE_UNAVAILABLE), ErrorMessage(refused.code, refused.message, position))
            return
        if port is not None:
            await self._talk(port, reading)

    async def _talk(self, port: TalkPort, reading: asyncio.Task[CloseReason]) -> None:
        self._port = port
        sending = asyncio.create_task(self._send(), name="chat-send")
        self._outbox.put(Handshake())
        if self._events:
            self._outbox.put(Metadata("opened", {"session_id": port.session_id}))
        port.attach(self)
        self._early.hand_over(port)
        await until_gone(port, reading, sending)

    # --- listener ---

    def play(self, frame: AgentFrame, start_samples: int) -> None:
        self._outbox.play(frame)

    def flush(self) -> None:
        self._outbox.flush()
        if self._events:
            self._outbox.put(ControlMessage(Control.FLUSH))

    def event(self, event: Event) -> None:
        if self._events and not isinstance(event, FrameTiming):
            stamps = {"at_samples": event.at_samples, "noticed_samples": event.noticed_samples}
            self._outbox.put(Metadata("event", {"kind": event.kind, **stamps, "payload": event.payload()}))

    def end(self, reason: str, message: str) -> None:
        code = _ENDED_CODES.get(reason, 1000)
        if code != 1000:
            self._outbox.put(ErrorMessage(reason, message))
        if self._events:
            self._outbox.put(Metadata("closed", {"reason": reason, "message": message}))
        self._outbox.put(_End(code, reason))

    # --- client to talk ---

    async def _read(self) -> CloseReason:
        """Reads until the client goes. Gives the reason to hang up with."""
        while True:
            try:
                received = await self._socket.receive()
            except RuntimeError:
                return "client_lost"  # closed by our own sender meanwhile
            if received["type"] == "websocket.disconnect":
                # 1000: closed on purpose; 1012: by our own server, which stops; anything else: the network.
                return _LEFT.get(received.get("code", 0), "client_lost")
            data: bytes | None = received.get("bytes")
            if data is None:
                self._complain(Unknown(None, "a text frame; the protocol is binary, the first byte says the kind"))
                continue
            message = decode(data)
            match message:
                case Audio(ogg):
                    await self._hear(ogg)
                case Text(text):
                    if self._port is not None and text.strip():
                        self._port.type(text)
                case ControlMessage(Control.END):
                    return "hung_up"
                case Ping():
                    self._outbox.put(Ping())
                case Unknown():
                    self._complain(message)
                case _:
                    pass
            if self._complaints > MAX_COMPLAINTS:
                self._outbox.put(_End(CLOSE_BAD_REQUEST, f"more than {MAX_COMPLAINTS} messages that are none of the protocol"))
                return "client_lost"

    async def _hear(self, ogg: bytes) -> None:
        try:
            pcm = self._reader.append(ogg)
        except CodecError as error:
            self._complain(Unknown(None, str(error)), "bad_audio")
            return
        if not pcm.size:
            return
        now = time.monotonic()
        (self._port or self._early).push(pcm, None, now)
        wait_s = self._ahead.took(pcm.size, now)
        if self._port is not None and wait_s:
            await asyncio.sleep(wait_s)

    def _complain(self, unknown: Unknown, code: str = "bad_message") -> None:
        self._complaints += 1
        if self._events:
            self._outbox.put(ErrorMessage(code, unknown.reason))

    # --- talk to client ---

    async def _send(self) -> None:
        """Sends until the end, or until the client is gone."""
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                item = await self._outbox.get()
                if isinstance(item, AgentFrame):
                    if ogg := self._writer.append(item.pcm):
                        await self._socket.send_bytes(encode(Audio(ogg)))
                    for piece in item.pieces:
                        await self._socket.send_bytes(encode(Text(piece.text)))
                elif isinstance(item, _End):
                    await self._close(item)
                    return
                else:
                    await self._socket.send_bytes(encode(item))
                dropped = self._outbox.dropped_samples - self._told_dropped
                if dropped >= FRAME_SAMPLES:
                    self._told_dropped += dropped
                    log.warning("talk %s: the client reads too slowly, %d samples dropped", self._session, dropped)
                    if self._events:
                        await self._socket.send_bytes(encode(Metadata("dropped", {"samples": dropped})))

    @property
    def _session(self) -> str:
        return "unopened" if self._port is None else self._port.session_id

    async def _refuse(self, code: int, error: ErrorMessage) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_bytes(encode(error))
            await self._close(_End(code, error.message))

    async def _close(self, end: _End) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            # A close frame holds 125 bytes, two of them the code.
            await self._socket.close(end.code, end.reason.encode()[:120].decode("utf-8", "ignore"))
