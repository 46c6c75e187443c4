"""A telephone network in front of a server: asks what to do with a call, brings the caller's sound, and plays what comes back in real
time. It marks what it has played, and drops the rest when it is told to, as Twilio does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import numpy as np
import websockets
from websockets.asyncio.client import ClientConnection, connect

from workbench.api.phone import signature
from workbench.audio.frames import Pcm
from workbench.audio.mulaw import TELEPHONE_RATE, decode_mulaw, encode_mulaw

STREAM = "MZ00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"
PACKET = 160
"""20 ms of mu-law."""
Message = dict[str, Any]


def start_message(parameters: dict[str, str] | None = None, call: str = CALL, **changed: object) -> Message:
    told = {
        "streamSid": STREAM,
        "accountSid": "AC00000000000000000000000000000001",
        "callSid": call,
        "tracks": ["inbound"],
        "customParameters": parameters or {},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": TELEPHONE_RATE, "channels": 1},
        **changed,
    }
    return {"event": "start", "sequenceNumber": "1", "start": told, "streamSid": STREAM}


def media_message(number: int, mulaw: bytes, timestamp_ms: int | None = None) -> Message:
    told = {
        "track": "inbound",
        "chunk": str(number + 1),
        "timestamp": str(20 * number if timestamp_ms is None else timestamp_ms),
        "payload": base64.b64encode(mulaw).decode(),
    }
    return {"event": "media", "sequenceNumber": str(number + 2), "media": told, "streamSid": STREAM}


def packets(pcm_8k: Pcm) -> list[Message]:
    """The media messages of a sound, [n] at 8 kHz."""
    codes = encode_mulaw(pcm_8k)
    return [media_message(at // PACKET, codes[at : at + PACKET]) for at in range(0, len(codes) - PACKET + 1, PACKET)]


async def ask(url: str, auth_token: str, public_url: str, query: str = "", **form: str) -> httpx.Response:
    """The signed question what to do with a call."""
    fields = {"CallSid": CALL, "From": "+15550001", "To": "+15550002", **form}
    sealed = signature(auth_token, f"{public_url}/phone/voice{query}", list(fields.items()))
    async with httpx.AsyncClient() as client:
        return await client.post(f"{url}/phone/voice{query}", data=fields, headers={"X-Twilio-Signature": sealed})


def read_twiml(text: str) -> tuple[str, dict[str, str]]:
    """Where to bring the sound, and the parameters for the start message."""
    stream = ElementTree.fromstring(text).find("Connect/Stream")
    assert stream is not None, text
    return stream.attrib["url"], {entry.attrib["name"]: entry.attrib["value"] for entry in stream.findall("Parameter")}


@dataclass
class PhoneCall:
    """One call. `async with PhoneCall(url, parameters) as call: await call.say(messages)`; leaving it hangs up."""

    url: str
    """`ws://host:port`."""
    parameters: dict[str, str] = field(default_factory=dict)
    call_sid: str = CALL
    codes: bytearray = field(default_factory=bytearray)
    """Everything that was played to the caller."""
    got: list[Message] = field(default_factory=list)
    cleared: int = 0
    close_code: int | None = None
    close_reason: str = ""

    async def __aenter__(self) -> Self:
        self.socket: ClientConnection = await connect(f"ws://{urlsplit(self.url).netloc}/phone/media", compression=None)
        self._queue: list[Message] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._playing = asyncio.create_task(self._play())
        await self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send(start_message(self.parameters, self.call_sid))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if kind is None and not self._reading.done():
            await self.send({"event": "stop", "sequenceNumber": "9", "stop": {"callSid": self.call_sid}, "streamSid": STREAM})
            await asyncio.wait_for(self._reading, 15.0)
        for task in (self._reading, self._playing):
            task.cancel()
        await asyncio.gather(self._reading, self._playing, return_exceptions=True)
        await self.socket.close()

    async def send(self, message: Message | str | bytes) -> None:
        await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def say(self, messages: Sequence[Message], pace_s: float = 0.02) -> None:
        """The caller's packets, at the pace of real time."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for message in messages:
            await self.send(message)
            due += pace_s
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def until(self, holds: Callable[[], object], limit_s: float = 30.0) -> None:
        """Waits until `holds()` after some message. Raises AssertionError when that takes too long or the server closes."""
        try:
            async with asyncio.timeout(limit_s):
                while not holds():
                    self._changed.clear()
                    assert not self._reading.done(), f"the server closed: {self.close_code} {self.close_reason}"
                    await self._changed.wait()
        except TimeoutError as error:
            raise AssertionError(f"nothing came of it within {limit_s:g} s; last: {self.got[-3:]}") from error

    async def ended(self) -> tuple[int | None, str]:
        """Waits for the server to close, and gives how."""
        await asyncio.wait_for(asyncio.shield(self._reading), 15.0)
        return self.close_code, self.close_reason

    @property
    def heard(self) -> Pcm:
        """What the caller heard so far, [n] at 8 kHz, without the silences in which nothing came."""
        return decode_mulaw(bytes(self.codes)) if self.codes else np.zeros(0, np.float32)

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                message: Message = json.loads(text)
                assert message["streamSid"] == STREAM
                self.got.append(message)
                if message["event"] == "clear":
                    self.cleared += 1
                    dropped, self._queue = self._queue, []
                    for waiting in dropped:
                        if waiting["event"] == "mark":
                            await self.send(waiting)
                else:
                    self._queue.append(message)
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        self.close_code, self.close_reason = self.socket.close_code, self.socket.close_reason or ""
        self._changed.set()

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            while not self._queue:
                await asyncio.sleep(0.005)
                due = loop.time()
            message = self._queue.pop(0)
            if message["event"] == "mark":
                await self.send(message)
                continue
            played = base64.b64decode(message["media"]["payload"])
            self.codes += played
            self._changed.set()
            due += len(played) / TELEPHONE_RATE
            await asyncio.sleep(max(0.0, due - loop.time()))
