"""The whole server on a loop of its own thread, for tools that ask it from outside: what it logs and what it leaves running can be seen."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import uvicorn
from fastapi import FastAPI

from workbench.api.app import create_app
from workbench.app.mount import add_pages
from workbench.assembly import Workbench, assemble
from workbench.engines.speech.base import Asr, Tts
from workbench.settings import Settings
from workbench.transports.websocket import SERVER_OPTIONS

T = TypeVar("T")
WAIT_S = 60.0


class _Quiet(uvicorn.Server):
    """Leaves the signals of the process alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Errors(logging.Handler):
    """Keeps whatever is logged as an error, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Both ends of a connection that a test breaks off complain too.
        if not record.name.startswith("websockets.") and "data transfer failed" not in record.getMessage():
            self.said.append(self.format(record))


class ServerThread:
    """`with ServerThread(settings, asr, voices) as server:` serves at `server.url`, pages and all."""

    def __init__(self, settings: Settings, recogniser: Asr, voices: Sequence[Tts], options: Mapping[str, Any] | None = None) -> None:
        self._settings, self._recogniser, self._voices = settings, recogniser, voices
        self._options = {**SERVER_OPTIONS, **(options or {})}
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="server under test")
        self._failed: BaseException | None = None
        self._errors = _Errors()
        self.url = ""
        self.app: FastAPI
        self.bench: Workbench
        self.loop: asyncio.AbstractEventLoop

    @property
    def errors(self) -> list[str]:
        """What was logged as an error so far."""
        return self._errors.said

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._errors)
        self._thread.start()
        assert self._up.wait(WAIT_S), "the server did not come up"
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_error: object) -> None:
        if self._failed is None:
            self._server.should_exit = True
        self._thread.join(WAIT_S)
        logging.getLogger().removeHandler(self._errors)
        assert not self._thread.is_alive(), "the server does not stop"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        try:
            self.bench = await assemble(self._settings, recogniser=self._recogniser, synthesisers=self._voices)
            self.app = create_app(self.bench)
            calls = add_pages(self.app)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._failed = error
            self._up.set()
            return
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
            listening.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            self._server = _Quiet(uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=1, **self._options))
            serving = asyncio.create_task(self._server.serve(sockets=[listening]))
            while not (self._server.started or serving.done()):  # noqa: ASYNC110 - uvicorn tells it by no event
                await asyncio.sleep(0.01)
            self._up.set()
            await serving
            await calls.close()
            await self.bench.close()
