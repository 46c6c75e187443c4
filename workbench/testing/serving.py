"""An ASGI app on a free loopback port of this process, for the stubs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


class _Inner(uvicorn.Server):
    """Leaves the signals of the process alone: they belong to whoever started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, **options: Any) -> AsyncIterator[str]:
    """Serves `app` on 127.0.0.1 and gives its address, `http://127.0.0.1:<port>`. Requests that still run at the end get a second.
    `options` are uvicorn's."""
    # With the protocol named, as asyncio wants it before it turns Nagle's algorithm off.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        server = _Inner(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, **options))
        running = asyncio.create_task(server.serve(sockets=[listening]), name="stub server")
        try:
            await server.up.wait()
            scheme = "https" if "ssl_certfile" in options else "http"
            yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
