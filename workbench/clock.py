"""Session time. One clock per talk, counted in samples at 24 kHz by the talk's own ticks.

`RealtimeClock` follows the machine's monotonic clock. `FastClock` runs a talk as fast as its parts allow: session time stands
still while a task of the talk is at work (ASR, responder, TTS, a tool), and the work is then charged to session time, as measured
or by a named latency model. A task takes part by being started with `spawn` and by waiting only through this clock: `sleep_ms`,
`charged`, or a `Signal`. Everything else it awaits counts as work.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol, TypeVar

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, ms_to_samples

log = logging.getLogger(__name__)
T = TypeVar("T")

SETTLE_PASSES = 4

LatencyModel = Callable[[str, float], float]
"""`(stage, measured_ms) -> charged_ms`."""


def as_measured(_stage: str, measured_ms: float) -> float:
    """The default latency model: session time pays what the work really took."""
    return measured_ms


def fixed(charges_ms: Mapping[str, float]) -> LatencyModel:
    """A latency model from a table; a stage that is not in it is free. Makes fast runs repeat exactly."""
    return lambda stage, _measured_ms: charges_ms.get(stage, 0.0)


class Signal(Protocol):
    """A one-shot flag that a task of the talk may wait for without holding session time."""

    def set(self) -> None: ...
    def is_set(self) -> bool: ...
    async def wait(self) -> None: ...


class SessionClock(Protocol):
    """What the parts of a talk see of time."""

    pace: Literal["realtime", "fast"]
    latency_model: str

    @property
    def now_samples(self) -> int:
        """Session time, in samples at 24 kHz; between ticks too."""
        ...

    async def next_tick(self) -> float:
        """Waits until the next frame is due. Returns how late that is noticed, in ms (0 when fast)."""
        ...

    async def settle(self) -> None:
        """Lets the tasks that are ready go on, so that what this tick has decided is heard in this tick's frame."""
        ...

    async def sleep_ms(self, ms: float) -> None:
        """Waits for session time to pass."""
        ...

    async def charged(self, stage: str, work: Awaitable[T]) -> tuple[T, float]:
        """Awaits `work` and charges it to session time. Returns its result and the charge in ms."""
        ...

    def charged_each(self, stage: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """Iterates `source`, charging the wait for each item."""
        ...

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Starts a task of the talk. A failure of it is given to `on_failure`."""
        ...

    def signal(self) -> Signal: ...

    on_failure: Callable[[str, BaseException], None]
    """Called with the task's name and what it raised. The talk sets it; until then the failure is logged."""

    async def cancel_all(self) -> None:
        """Cancels every task of the talk but the caller, and waits until they have ended."""
        ...


def _log_failure(name: str, error: BaseException) -> None:
    log.error("task %s of a talk failed", name, exc_info=error)


class _Tasks:
    """The tasks of one talk: none is lost, none fails unheard."""

    def __init__(self) -> None:
        self.on_failure: Callable[[str, BaseException], None] = _log_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def _start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_failure(task.get_name(), error)

    async def cancel_all(self) -> None:
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _EventSignal:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()


async def _charged_each(clock: SessionClock, stage: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
    try:
        while True:
            try:
                item, _ms = await clock.charged(stage, anext(source))
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


class RealtimeClock(_Tasks):
    """Session time by the monotonic clock: tick n is due n x 80 ms after the first."""

    pace: Literal["realtime", "fast"] = "realtime"
    latency_model = "wall"

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._start_s: float | None = None
        self._tick = 0

    @property
    def now_samples(self) -> int:
        if self._start_s is None:
            return 0
        return round((self._monotonic() - self._start_s) * 24_000)

    async def next_tick(self) -> float:
        if self._start_s is None:
            # The first frame of sound is complete 80 ms after the talk began.
            self._start_s = self._monotonic()
        self._tick += 1
        due_s = self._start_s + self._tick * FRAME_MS / 1_000
        wait_s = due_s - self._monotonic()
        await asyncio.sleep(max(0.0, wait_s))
        return max(0.0, (self._monotonic() - due_s) * 1_000)

    async def settle(self) -> None:
        # A decision passes through a chain of tasks (decide, answer, adopt what was prepared), one pass of the loop for each.
        for _ in range(SETTLE_PASSES):
            await asyncio.sleep(0)

    async def sleep_ms(self, ms: float) -> None:
        await asyncio.sleep(ms / 1_000)

    async def charged(self, stage: str, work: Awaitable[T]) -> tuple[T, float]:
        began_s = self._monotonic()
        result = await work
        return result, (self._monotonic() - began_s) * 1_000

    def charged_each(self, stage: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        return _charged_each(self, stage, source)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        return self._start(work, name)

    def signal(self) -> Signal:
        return _EventSignal()


class _FastSignal:
    """Counts its waiters as idle, and as busy again from the moment of `set`, before they have resumed."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self._waiters: list[asyncio.Future[None]] = []
        self._set = False

    def set(self) -> None:
        self._set = True
        for waiter in self._waiters:
            if not waiter.done():
                self._clock._busy += 1
                waiter.set_result(None)
        self._waiters.clear()

    def is_set(self) -> bool:
        return self._set

    async def wait(self) -> None:
        if self._set:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await self._clock._idle_until(waiter)


class FastClock(_Tasks):
    """Session time by the talk's own ticks; it stands still while any spawned task is at work."""

    pace: Literal["realtime", "fast"] = "fast"

    def __init__(self, charge: LatencyModel = as_measured, *, latency_model: str = "measured") -> None:
        super().__init__()
        self.latency_model = latency_model
        self._charge = charge
        self._now = 0
        self._busy = 0
        self._settled = asyncio.Event()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @property
    def now_samples(self) -> int:
        return self._now

    async def next_tick(self) -> float:
        # Without this a talk with nothing to wait for would never let anybody else run.
        await asyncio.sleep(0)
        due = (self._now // FRAME_SAMPLES + 1) * FRAME_SAMPLES
        while True:
            await self.settle()
            if not self._sleepers or self._sleepers[0][0] > due:
                break
            self._now = max(self._now, self._sleepers[0][0])
            self._wake(self._now)
        self._now = due
        return 0.0

    async def sleep_ms(self, ms: float) -> None:
        if ms <= 0:
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + ms_to_samples(ms), next(self._order), sleeper))
        await self._idle_until(sleeper)

    async def charged(self, stage: str, work: Awaitable[T]) -> tuple[T, float]:
        began_s = time.perf_counter()
        result = await work
        charge_ms = self._charge(stage, (time.perf_counter() - began_s) * 1_000)
        await self.sleep_ms(charge_ms)
        return result, charge_ms

    def charged_each(self, stage: str, source: AsyncIterator[T]) -> AsyncIterator[T]:
        return _charged_each(self, stage, source)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        self._busy += 1
        task = self._start(work, name)
        task.add_done_callback(lambda _task: self._rest())
        return task

    def signal(self) -> Signal:
        return _FastSignal(self)

    def _rest(self) -> None:
        self._busy -= 1
        if self._busy == 0:
            self._settled.set()

    async def settle(self) -> None:
        while self._busy:
            self._settled.clear()
            await self._settled.wait()

    def _wake(self, until: int) -> None:
        while self._sleepers and self._sleepers[0][0] <= until:
            _due, _order, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                self._busy += 1
                sleeper.set_result(None)

    async def _idle_until(self, waiter: asyncio.Future[None]) -> None:
        self._rest()
        try:
            await waiter
        except asyncio.CancelledError:
            # Whoever wakes a waiter counts it busy; a cancelled waiter is woken by nobody, and its task goes on to its end.
            if not waiter.done() or waiter.cancelled():
                self._busy += 1
            raise
