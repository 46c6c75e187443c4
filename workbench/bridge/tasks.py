"""The tasks of one talk's bridge: started on the talk's clock, their failures written to the log, all ended together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from workbench.clock import SessionClock

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSE_WAIT_S = 0.5


class Tasks:
    """Starts tasks and keeps hold of them until they end."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = self._clock.spawn(work, name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancels all. A task that goes on after the first asking (a call that cannot be stopped) is asked once more, then left."""
        for _asking in range(2):
            if not self._running:
                return
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=_CLOSE_WAIT_S)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the bridge's task %r failed", task.get_name(), exc_info=error)
