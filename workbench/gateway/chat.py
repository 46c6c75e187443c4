"""One talk over a WebSocket: `/api/chat`, as NVIDIA's server speaks it, with the extensions of `workbench.protocol`.

Client metadata of ours: `say` (`id`, `text`), `hold` (`max_ms`), `interrupt` (`hold_ms`), `account` (`text`). Metadata to clients that
asked for events: `queue`, `opened`, `dropped`, `forced`, `said`, `rolled_over`, `refused`, `account_refused`, `bad_audio`, `closed`.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.audio.opus import CodecError, OpusReader, OpusWriter
from workbench.gateway.prompts import PromptError, prompt_frames
from workbench.gateway.rollover import with_account
from workbench.gateway.sampling import Sampling
from workbench.gateway.say import SayError
from workbench.gateway.seat import Reason, Request, Seat
from workbench.gateway.slots import INTERRUPT_HOLD_MS, BusyError, Slots
from workbench.gateway.voice_sound import VoiceError
from workbench.protocol import (
    Audio,
    ChatQuery,
    Control,
    ControlMessage,
    ErrorMessage,
    Handshake,
    Message,
    Metadata,
    Ping,
    QueryError,
    Text,
    decode,
    encode,
    parse_query,
)

MAX_UNSENT = 25
"""Frames (2 s) that may wait for a client that reads too slowly; older sound is dropped and counted."""
WAITING_PING_S = 2.0
"""Signs of life for a client that waits or is being made ready; NVIDIA's web client gives up after 10 s without a message."""
GOING_AWAY, POLICY, TRY_LATER, INTERNAL = 1001, 1008, 1013, 1011
CLOSE_CODES: Mapping[Reason, int] = {"closed": 1000, "idle": GOING_AWAY, "length": GOING_AWAY, "shutdown": GOING_AWAY, "prompt": POLICY}


class Chat:
    """A connected client. Lives in the event loop; as a `seat.Listener` it is called on the owner thread and only posts."""

    def __init__(self, socket: WebSocket, slots: Slots, facts: Mapping[str, Any]) -> None:
        """`facts`: of this gateway, told when the talk is open."""
        self._socket = socket
        self._facts = facts
        self._slots = slots
        self._loop = asyncio.get_running_loop()
        self._seat: Seat | None = None
        self._account_refused = ""
        self._events = False
        self._open = False
        self._outgoing: deque[Message | Pcm] = deque()
        self._changed = asyncio.Event()
        self._unsent = 0
        self._lost_samples = 0
        self._end: tuple[Reason, str] | None = None
        self._writer = OpusWriter()
        self._reader = OpusReader()
        self._pcm = silence(0)

    async def run(self) -> None:
        """The whole talk, from the accepted socket to its close."""
        try:
            query = parse_query(self._socket.query_params)
            self._events = query.events
            request, refusal = make_request(query, self._slots)
            self._account_refused = refusal
            self._seat = self._slots.open(request, self)
        except QueryError as error:
            await self._refuse("query", str(error), POLICY, {"parameter": error.parameter})
        except (PromptError, VoiceError, ValueError) as error:
            await self._refuse("query", str(error), POLICY, {})
        except BusyError as error:
            await self._refuse("busy", str(error), TRY_LATER, {"position": error.position})
        if self._seat is None:
            return
        sending = asyncio.create_task(self._send_all(), name="gateway-send")
        try:
            await self._receive_all(self._seat)
        except WebSocketDisconnect:
            pass
        finally:
            self._slots.close(self._seat)
            sending.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect):
                await sending

    def waiting(self, position: int) -> None:
        self._post(self._tell_event, "queue", {"position": position})

    def ready(self, info: dict[str, Any]) -> None:
        self._post(self._opened, info)

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None:
        self._post(self._heard, pcm, piece, forced)

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        self._post(self._tell_event, kind, data)

    def ended(self, reason: Reason, message: str) -> None:
        self._post(self._ended, reason, message)

    def _post(self, call: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    def _tell_event(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._events:
            self._queue(Metadata(kind, data))

    def _opened(self, info: Mapping[str, Any]) -> None:
        self._open = True
        self._queue(Handshake())
        self._tell_event("opened", {**info, **self._facts})
        if self._account_refused:
            self._tell_event("account_refused", {"message": self._account_refused})

    def _heard(self, pcm: Pcm, piece: str, forced: bool) -> None:
        if piece:
            if forced:
                self._tell_event("forced", {})
            self._queue(Text(piece))
        self._unsent += 1
        self._queue(pcm)
        if self._unsent > MAX_UNSENT:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        index = next(number for number, item in enumerate(self._outgoing) if isinstance(item, np.ndarray))
        del self._outgoing[index]
        self._unsent -= 1
        self._lost_samples += FRAME_SAMPLES
        if self._lost_samples % (MAX_UNSENT * FRAME_SAMPLES) == FRAME_SAMPLES:
            self._tell_event("dropped", {"samples": self._lost_samples})

    def _ended(self, reason: Reason, message: str) -> None:
        self._end = (reason, message)
        self._changed.set()

    def _queue(self, message: Message | Pcm) -> None:
        self._outgoing.append(message)
        self._changed.set()

    async def _send_all(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), None if self._open else WAITING_PING_S)
            except TimeoutError:
                self._outgoing.append(Ping())
            self._changed.clear()
            while self._outgoing:
                await self._send(self._outgoing.popleft())
            if self._end is not None:
                await self._close(*self._end)
                return

    async def _send(self, item: Message | Pcm) -> None:
        if isinstance(item, np.ndarray):
            self._unsent -= 1
            data = self._writer.append(item)
            if not data:
                return
            item = Audio(data)
        await self._socket.send_bytes(encode(item))

    async def _close(self, reason: Reason, message: str) -> None:
        if self._events:
            await self._send(Metadata("closed", {"reason": reason, "message": message}))
        if reason != "closed":
            await self._send(ErrorMessage(reason, message))
        await self._socket.close(CLOSE_CODES.get(reason, INTERNAL))

    async def _refuse(self, code: str, message: str, close_code: int, data: Mapping[str, Any]) -> None:
        with suppress(WebSocketDisconnect):
            await self._send(ErrorMessage(code, message, data))
            await self._socket.close(close_code)

    async def _receive_all(self, seat: Seat) -> None:
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            # Text frames are no part of the protocol and are passed over, as by the reference.
            match decode(received.get("bytes") or b""):
                case Audio(data):
                    self._take_sound(seat, data)
                case Metadata(kind, data):
                    self._obey(seat, kind, data)
                case Ping():
                    self._queue(Ping())
                case ControlMessage(Control.END):
                    return
                case _:
                    pass

    def _take_sound(self, seat: Seat, data: bytes) -> None:
        """Sound from before the handshake is decoded, so that the stream's header is not lost, and not heard."""
        try:
            pcm = self._reader.append(data)
        except CodecError as error:
            self._tell_event("bad_audio", {"message": str(error)})
            return
        if not self._open:
            return
        self._pcm = np.concatenate((self._pcm, pcm))
        while len(self._pcm) >= FRAME_SAMPLES:
            self._slots.push(seat, self._pcm[:FRAME_SAMPLES])
            self._pcm = self._pcm[FRAME_SAMPLES:]

    def _obey(self, seat: Seat, kind: str, data: Mapping[str, Any]) -> None:
        """A client's order. One that is no order is told so, and passed over."""
        try:
            if kind == "say":
                self._slots.say(seat, _text(data, "id", 64), _text(data, "text", 4_096))
            elif kind == "hold":
                self._slots.hold(seat, _ms(data, "max_ms"))
            elif kind == "interrupt":
                self._slots.interrupt(seat, _ms(data, "hold_ms") if "hold_ms" in data else INTERRUPT_HOLD_MS)
            elif kind == "account":
                self._slots.tell_account(seat, _text(data, "text", 16_384))
        except (SayError, ValueError) as error:
            identity = data.get("id")
            self._tell_event("refused", {"id": identity if isinstance(identity, str) else "", "message": str(error)})


def make_request(query: ChatQuery, slots: Slots) -> tuple[Request, str]:
    """Checks a query against the model. The second is why the account of the talk so far was left out, empty when it was not.

    Raises QueryError, VoiceError, PromptError or ValueError."""
    model = slots.owner.model
    voice, text = query.voice_prompt, query.text_prompt
    if voice is None:
        raise QueryError("voice_prompt", "voice_prompt is missing; give the name of a voice, /voices lists them")
    if text is None:
        raise QueryError("text_prompt", "text_prompt is missing; say who the persona is")
    given = query.sampling
    default = Sampling()
    sampling = Sampling(
        text_temperature=given.get("text_temperature", default.text_temperature),
        text_top_k=int(given.get("text_topk", default.text_top_k)),
        audio_temperature=given.get("audio_temperature", default.audio_temperature),
        audio_top_k=int(given.get("audio_topk", default.audio_top_k)),
    )
    seed = secrets.randbits(63) if query.seed is None else query.seed
    request = Request(model.find_voice(voice), text, model.text_ids(text), sampling, seed)
    if not query.account:
        return request, ""
    try:
        ids = model.text_ids(with_account(text, query.account))
        model.check_frames(prompt_frames(request.voice, ids))
    except PromptError as error:
        return request, str(error)
    return replace(request, text_ids=ids), ""


def _text(data: Mapping[str, Any], name: str, most: int) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise ValueError(f"`{name}` must be a text of 1 to {most} characters")
    return value


def _ms(data: Mapping[str, Any], name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a number of milliseconds")
    return float(value)
