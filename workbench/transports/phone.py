"""WebSocket `/phone/media`: a telephone call as the media stream of a telephone network (`workbench.transports.phone_messages`).

The talk hands over its frames in real time, so the network's buffer stays short; what is digital silence is not sent, which empties it
again after a burst. Marks tell what was really heard, and `clear` drops the rest when the caller breaks in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from workbench.audio.frames import FRAME_MS, SAMPLE_RATE, SAMPLES_PER_MS
from workbench.audio.mulaw import SILENCE, TELEPHONE_RATE, decode_mulaw, encode_mulaw
from workbench.audio.resample import StreamResampler
from workbench.audio.telephone_band import TelephoneBand
from workbench.audio.timeline import QUIET_RMS
from workbench.conversation.conversation import CloseReason
from workbench.conversation.port import Opener, TalkPort, TalkRefused, TalkRequest
from workbench.engines.base import AgentFrame
from workbench.events import DigitPressed, Event, PlayoutMeasured, UserSpeech
from workbench.transports import phone_messages as messages
from workbench.transports.ahead import Ahead
from workbench.transports.early import EarlySound
from workbench.transports.opening import open_while_reading
from workbench.transports.outbox import Outbox
from workbench.transports.phone_messages import Connected, Digit, Mark, Media, Other, PhoneMessageError, Start, Stop
from workbench.transports.phone_playout import Playout
from workbench.transports.until_gone import until_gone

log = logging.getLogger(__name__)

PATH = "/phone/media"
PACKET_BYTES = 160
"""20 ms."""
MAX_UNSENT_FRAMES = 25
"""2 s of agent frames wait for a slow network, then the oldest go."""
MAX_UNADMITTED = 64
"""Connections that have not said yet whose they are; more are turned away."""
MEASURE_EVERY_S = 10.0

CLOSE_BAD_MESSAGE = 4400
CLOSE_NOT_ADMITTED = 4401
CLOSE_TOO_SLOW = 4408
CLOSE_BUSY = 4429
CLOSE_UNAVAILABLE = 4503
_REFUSED_CODES: Mapping[str, int] = {
    "not_admitted": CLOSE_NOT_ADMITTED,
    "bad_request": CLOSE_BAD_MESSAGE,
    "busy": CLOSE_BUSY,
    "quota": CLOSE_BUSY,
    "rate_limited": CLOSE_BUSY,
}
_ENDED_CODES: Mapping[str, int] = {"engine_failed": 1011, "failed": 1011, "server_stopped": 1012}

Admit = Callable[[Start], TalkRequest]
"""What is to be talked, for a stream that may come in. Raises TalkRefused for one that may not."""


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """What may differ between servers and tests."""

    idle_s: float = 120.0
    """The call is ended when the caller has said nothing and pressed nothing for this long."""
    max_call_s: float = 3_600.0
    start_within_s: float = 10.0
    media_within_s: float = 10.0
    """A network that sends nothing for this long is gone."""
    max_ahead_s: float = 1.0
    """How far the network's sound may be ahead of real time."""


def phone_router(open_talk: Opener, admit: Admit, options: PhoneOptions | None = None) -> APIRouter:
    """The route `/phone/media`, for any FastAPI application."""
    router = APIRouter()
    chosen = options or PhoneOptions()
    unadmitted: set[_Call] = set()

    @router.websocket(PATH)
    async def phone_media(websocket: WebSocket) -> None:
        if "origin" in websocket.headers or len(unadmitted) >= MAX_UNADMITTED:
            # A web page is no telephone network. Before `accept` this is an HTTP 403.
            await websocket.close(1008)
            return
        await websocket.accept()
        call = _Call(websocket, open_talk, chosen)
        unadmitted.add(call)
        try:
            request = await call.begin(admit)
        finally:
            unadmitted.discard(call)
        if request is not None:
            await call.run(request)

    return router


@dataclass(frozen=True, slots=True)
class _End:
    code: int
    reason: str


class _Clear:
    """Has the network drop what it has not played."""


class _Gone(Exception):
    """The network closed the connection."""


class _Call:
    """One call. Listens to its talk (`Listener`), reads the network's messages, and sends what waits in the outbox."""

    def __init__(self, websocket: WebSocket, open_talk: Opener, options: PhoneOptions) -> None:
        self._socket = websocket
        self._open_talk = open_talk
        self._options = options
        self._stream_sid = ""
        self._outbox: Outbox[_End | _Clear] = Outbox(MAX_UNSENT_FRAMES)
        self._playout = Playout()
        self._to_phone = StreamResampler(SAMPLE_RATE, TELEPHONE_RATE)
        self._from_phone = TelephoneBand()
        self._due_ms: float | None = None
        """Timestamp that the next packet has when none is lost."""
        self._ahead = Ahead(options.max_ahead_s)
        self._early = EarlySound()
        self._port: TalkPort | None = None
        self._ended = False
        self._began_s = self._active_s = self._measured_s = time.monotonic()
        self._speaking = False

    # --- before the talk ---

    async def begin(self, admit: Admit) -> TalkRequest | None:
        """What the call wants, once it has said whose it is; None when it was turned away, and told why."""
        try:
            async with asyncio.timeout(self._options.start_within_s):
                start = await self._start()
            request = admit(start)
        except TimeoutError:
            await self._close(_End(CLOSE_TOO_SLOW, f"no start within {self._options.start_within_s:g} s"))
        except PhoneMessageError as error:
            await self._close(_End(CLOSE_BAD_MESSAGE, str(error)))
        except TalkRefused as refused:
            log.warning("a media stream was refused: %s", refused.code)
            await self._close(_End(_REFUSED_CODES.get(refused.code, CLOSE_NOT_ADMITTED), refused.message))
        except _Gone:
            pass
        else:
            self._stream_sid = start.stream_sid
            return request
        return None

    async def _start(self) -> Start:
        while True:
            match message := await self._receive():
                case Start():
                    return message
                case Connected() | Other():
                    pass
                case _:
                    raise PhoneMessageError(f"{type(message).__name__.lower()} before start")

    async def _receive(self) -> messages.PhoneMessage:
        """Raises PhoneMessageError and _Gone."""
        try:
            received = await self._socket.receive()
        except RuntimeError as error:
            raise _Gone from error  # closed by our own sender meanwhile
        if received["type"] == "websocket.disconnect":
            raise _Gone
        text: str | None = received.get("text")
        if text is None:
            raise PhoneMessageError("a binary message; media streams are JSON text")
        return messages.parse(text)

    # --- the talk ---

    async def run(self, request: TalkRequest) -> None:
        """Until the talk or the caller is gone."""
        reading = asyncio.create_task(self._read(), name="phone-read")
        try:
            port = await open_while_reading(self._open_talk, request, reading)
        except TalkRefused as refused:
            reading.cancel()
            await self._close(_End(_REFUSED_CODES.get(refused.code, CLOSE_UNAVAILABLE), refused.message))
            return
        sending = asyncio.create_task(self._send(), name="phone-send")
        if port is None:
            # Nothing but a last word, which `_read` may have left.
            self._outbox.put(_End(1000, "the caller left"))
            await asyncio.wait({sending}, timeout=1.0)
            return
        self._began_s = self._active_s = time.monotonic()
        self._port = port
        port.attach(self)
        self._early.hand_over(port)
        await until_gone(port, reading, sending)

    # --- listener ---

    def play(self, frame: AgentFrame, start_samples: int) -> None:
        self._outbox.play(frame)

    def flush(self) -> None:
        self._outbox.flush()
        self._outbox.put(_Clear())

    def event(self, event: Event) -> None:
        if isinstance(event, UserSpeech):
            self._speaking = event.edge == "start"
            self._active_s = time.monotonic()

    def end(self, reason: str, message: str) -> None:
        self._ended = True
        self._outbox.put(_End(_ENDED_CODES.get(reason, 1000), reason))

    # --- network to talk ---

    async def _read(self) -> CloseReason:
        """Reads until the caller goes or the call has lasted long enough. Gives the reason to hang up with."""
        while True:
            try:
                async with asyncio.timeout(self._options.media_within_s):
                    message = await self._receive()
                await self._take(message)
            except (_Gone, TimeoutError):
                return "client_lost"
            except PhoneMessageError as error:
                self._outbox.put(_End(CLOSE_BAD_MESSAGE, str(error)))
                return "client_lost"
            if isinstance(message, Stop):
                return "hung_up"
            now_s = time.monotonic()
            idle = not self._speaking and now_s - self._active_s > self._options.idle_s
            if self._port is not None and (idle or now_s - self._began_s > self._options.max_call_s):
                return "time_limit"

    async def _take(self, message: messages.PhoneMessage) -> None:
        match message:
            case Media():
                await self._hear(message)
            case Mark(name):
                self._heard(name)
            case Digit(digit):
                self._active_s = time.monotonic()
                self._publish(DigitPressed, digit=digit)
            case Start():
                raise PhoneMessageError("a second start; one connection carries one stream")
            case _:
                pass

    async def _hear(self, media: Media) -> None:
        """A packet that does not follow the one before gets a filter of its own, so that no sound leaks over the gap."""
        if not media.mulaw:
            return
        stamp: float = media.timestamp_ms
        if self._due_ms is not None and abs(stamp - self._due_ms) < 1.0:
            stamp = self._due_ms
        else:
            self._from_phone = TelephoneBand()
        self._due_ms = stamp + len(media.mulaw) * 1_000 / TELEPHONE_RATE
        pcm = self._from_phone.push(decode_mulaw(media.mulaw))
        now_s = time.monotonic()
        (self._port or self._early).push(pcm, round(stamp * SAMPLES_PER_MS), now_s)
        wait_s = self._ahead.took(pcm.size, now_s)
        if self._port is not None and wait_s:
            await asyncio.sleep(wait_s)

    def _heard(self, name: str) -> None:
        now_s = time.monotonic()
        if self._playout.heard(name, now_s) and now_s - self._measured_s > MEASURE_EVERY_S:
            self._measure(now_s, cut_ms=None)

    def _measure(self, now_s: float, cut_ms: float | None) -> None:
        self._measured_s = now_s
        delays = self._playout.take_delays()
        if delays is None and cut_ms is None:
            return
        self._publish(
            PlayoutMeasured,
            delay_ms=None if delays is None else delays.median_ms,
            largest_ms=None if delays is None else delays.largest_ms,
            frames=0 if delays is None else delays.n,
            cut_ms=cut_ms,
        )

    def _publish(self, event: type[Event], **fields: object) -> None:
        if self._port is not None and not self._ended:
            self._port.publish(event, **fields)

    # --- talk to network ---

    async def _send(self) -> None:
        """Sends until the end, or until the network is gone."""
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                match item := await self._outbox.get():
                    case AgentFrame():
                        await self._play(item)
                    case _Clear():
                        cut_ms = self._playout.cleared()
                        await self._socket.send_text(messages.clear(self._stream_sid))
                        self._measure(time.monotonic(), cut_ms)
                    case _End():
                        await self._close(item)
                        return

    async def _play(self, frame: AgentFrame) -> None:
        codes = encode_mulaw(self._to_phone.push(frame.pcm))
        quiet = float(np.sqrt(np.mean(np.square(frame.pcm)))) < QUIET_RMS
        if codes.count(SILENCE) == len(codes) or not self._playout.wanted(quiet=quiet):
            return
        for begin in range(0, len(codes), PACKET_BYTES):
            await self._socket.send_text(messages.media(self._stream_sid, codes[begin : begin + PACKET_BYTES]))
        await self._socket.send_text(messages.mark(self._stream_sid, self._playout.sent(FRAME_MS, time.monotonic())))

    async def _close(self, end: _End) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                # A close frame holds 125 bytes, two of them the code.
                await self._socket.close(end.code, end.reason.encode()[:120].decode("utf-8", "ignore"))
