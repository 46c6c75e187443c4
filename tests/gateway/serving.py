"""A gateway on the tiny checkpoint over real sockets, and a bare client of it."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import numpy as np
import uvicorn
import websockets
from opentelemetry.trace import Tracer

from workbench.audio.frames import Pcm
from workbench.audio.opus import OpusReader, OpusWriter
from workbench.gateway.model import Model
from workbench.gateway.server import GatewayServer, ServerOptions
from workbench.gateway.slots import Slots
from workbench.protocol import Audio, Message, Text, Unknown, decode, encode

TEXT = "You enjoy having a good conversation."
WAIT_S = 120.0


class Served:
    """A running gateway."""

    def __init__(self, slots: Slots, server: uvicorn.Server) -> None:
        self.slots = slots
        self.server = server
        self.port: int = server.servers[0].sockets[0].getsockname()[1]

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @asynccontextmanager
    async def client(self, *, headers: dict[str, str] | None = None, **query: object) -> AsyncIterator[Client]:
        asked = urlencode({"voice_prompt": "TINYW1.wav", "text_prompt": TEXT, "text_temperature": 0, "audio_temperature": 0} | query)
        url = f"ws://127.0.0.1:{self.port}/api/chat?{asked}"
        async with websockets.connect(url, additional_headers=headers) as socket:
            yield Client(socket)


class Client:
    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.writer, self.reader = OpusWriter(), OpusReader()

    async def next(self) -> Message | Unknown:
        async with asyncio.timeout(WAIT_S):
            data = await self.socket.recv()
        assert isinstance(data, bytes)
        return decode(data)

    async def until(self, kind: type[Message], type_: str | None = None) -> Any:
        while True:
            message = await self.next()
            if isinstance(message, kind) and (type_ is None or getattr(message, "type", None) == type_):
                return message

    async def send(self, message: Message) -> None:
        await self.socket.send(encode(message))

    async def speak(self, pcm: Pcm) -> None:
        await self.send(Audio(self.writer.append(pcm)))

    async def hear(self, samples: int) -> tuple[Pcm, str]:
        pcm, words = [np.zeros(0, np.float32)], ""
        while sum(map(len, pcm)) < samples:
            message = await self.next()
            if isinstance(message, Audio):
                pcm.append(self.reader.append(message.data))
            elif isinstance(message, Text):
                words += message.text
        return np.concatenate(pcm), words


def running(model: Model, options: ServerOptions, *, tracer: Tracer | None = None) -> Iterator[Served]:
    slots = Slots(model, limits=options.limits, tracer=tracer)
    slots.start()
    server = GatewayServer(slots, options)
    # A test that fails must not leave a process that never ends.
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + WAIT_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < until
        time.sleep(0.01)
    yield Served(slots, server)
    server.should_exit = True
    thread.join()
    slots.stop()
