"""Results of blocking work in a thread, handed to the event loop one by one as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")

Work = Callable[[Callable[[T], bool]], None]
"""Blocking work that calls `emit(item)` for each result and stops soon after `emit` has returned False."""


async def stream_from_thread(executor: Executor, work: Work[T]) -> AsyncGenerator[T, None]:
    """Runs `work` on `executor` and yields what it emits, without bound: the work is as long as one clause.

    Closing the generator returns at once: work that waits is dropped, work that runs is told at its next `emit`. An exception of the
    work is raised here after what was emitted before it.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
    stopped = threading.Event()

    def post(item: tuple[T] | None) -> None:
        # A loop that closed under a running thread has nobody left to listen.
        if not stopped.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(items.put_nowait, item)

    def emit(item: T) -> bool:
        post((item,))
        return not stopped.is_set()

    def run() -> None:
        try:
            work(emit)
        finally:
            post(None)

    future = executor.submit(run)
    try:
        while (item := await items.get()) is not None:
            yield item[0]
        await asyncio.wrap_future(future)
    finally:
        stopped.set()
        future.cancel()
