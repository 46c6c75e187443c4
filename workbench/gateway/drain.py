"""The end of a gateway in good order: nobody new, the talks go on for a while, and those that are left are told before they are closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from workbench.gateway.slots import Slots

log = logging.getLogger(__name__)
GOODBYE_S = 2.0
"""How long clients may take to be told that their talk is over."""
MESSAGE = "the gateway is being drained and takes no new talk; call again, another one may take you"


class Drain:
    """Belongs to the event loop that serves. Once begun it cannot be taken back: at its end the gateway is over."""

    def __init__(self, slots: Slots, limit_s: float) -> None:
        """`limit_s`: how long talks may go on."""
        self._slots = slots
        self._limit_s = limit_s
        self._talks = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def draining(self) -> bool:
        return self._task is not None

    def begin(self, then: Callable[[], None]) -> None:
        """Refuses new visitors from now on; `then` is called when the last talk is over or the time has passed. Again: does nothing."""
        if self._task is None:
            log.info("draining: no new talk; those that go on may do so for %g s", self._limit_s)
            self._task = asyncio.create_task(self._run(then), name="gateway-drain")

    @contextmanager
    def talk(self) -> Iterator[None]:
        """Around one connected client."""
        self._talks += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._talks -= 1
            if not self._talks:
                self._empty.set()

    async def end_talks(self) -> None:
        """Tells those who are left that the gateway is being stopped; returns when they are, or have not been within `GOODBYE_S`."""
        await asyncio.to_thread(self._slots.stop)
        await self._until_empty(GOODBYE_S)

    async def _run(self, then: Callable[[], None]) -> None:
        try:
            self._slots.drain(MESSAGE)
            await self._until_empty(self._limit_s)
        finally:
            then()

    async def _until_empty(self, limit_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._empty.wait()
