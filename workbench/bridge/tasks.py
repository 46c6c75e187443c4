"""The tasks of one talk's bridge: started on the talk's clock, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from workbench.clock import SessionClock

T = TypeVar("T")

_CLOSE_WAIT_S = 0.5


class Tasks:
    """Starts tasks and keeps hold of them until they end. Failures are the clock's to report."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = self._clock.spawn(work, name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        """Cancels all. A task that goes on after the first asking (a call that cannot be stopped) is asked once more."""
        for _asking in range(2):
            waiting = self._running - {asyncio.current_task()}
            if not waiting:
                return
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=_CLOSE_WAIT_S)
