"""The page on a whole app, served from this process, with fakes that hear and speak."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from workbench.api.app import create_app
from workbench.app.mount import add_pages
from workbench.assembly import Workbench, assemble
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts

WITHIN_S = 90.0
Message = dict[str, Any]
Wanted = Callable[[Message], bool]


class Socket:
    """One WebSocket of the page."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: Message) -> None:
        await self.connection.send(json.dumps(message))

    async def until(self, wanted: Wanted) -> Message:
        """The first message that is wanted."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message: Message = json.loads(await self.connection.recv())
                if wanted(message):
                    return message

    async def close_code(self) -> int | None:
        """Reads until the server closes."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    await self.connection.recv()
                except ConnectionClosed:
                    return self.connection.close_code


@dataclass(frozen=True, slots=True)
class Served:
    address: str
    bench: Workbench

    @asynccontextmanager
    async def socket(self, path: str, **options: Any) -> AsyncIterator[Socket]:
        async with connect(f"ws://{self.address}{path}", **options) as connection:
            yield Socket(connection)


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """`async with serve(**settings) as served`."""
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Served]:
        values = {"data_dir": tmp_path / "var", "test_engines": True, "turn_fixed_hold_ms": 500.0, **changes}
        bench = await assemble(Settings(_env_file=None, **values), recogniser=ScriptedAsr(), synthesisers=[ToneTts(voices=("slt",))])
        app = create_app(bench)
        calls = add_pages(app)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            assert not running.done()
            await asyncio.sleep(0.01)
        try:
            yield Served(f"127.0.0.1:{listener.getsockname()[1]}", bench)
        finally:
            await bench.sessions.stop()
            server.should_exit = True
            await running
            await calls.close()
            await bench.close()
            listener.close()

    return started
