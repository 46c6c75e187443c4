"""What stands before every remote provider: reads are asked again, a provider that fails is left alone, calls are counted, results
are cut to size, and nothing it says carries a secret.

The time-out is not here: whoever calls gives up after the tool's `timeout_s` and cancels, and the cancellation is passed on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.bridge.breaker import Breaker, BreakerOpen, State, Ticket
from workbench.bridge.cut import cut
from workbench.bridge.provider import CallContext, OnProgress, Provider, ProviderState, ProviderUnavailable
from workbench.bridge.redact import SECRETS, Redactor
from workbench.bridge.tool import Tool, ToolError, ToolResult

_LATE_SHARE = 0.1
"""Of a tool's time-out: a call that is cancelled in its last part was given up for its slowness; whoever did it has a clock of its own."""
_PROGRESS_EVERY_S = 0.1
_MAX_SPOKEN = 4_000
_MAX_ERROR = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a provider is trusted with."""

    at_once: int = 4
    """Calls that run at the same time; more wait."""
    wait_share: float = 0.5
    """Of the tool's time-out, the part that a call may wait for others to end; after that it fails as busy."""
    attempts: int = 3
    """Of a read, the first included."""
    backoff_s: float = 0.2
    """Before the second attempt, doubled for each further one, and a random share of it: callers that failed together come back one
    by one."""
    max_result_bytes: int = 64 * 1024
    """Of a result as JSON."""
    threshold: int = 5
    """Failures in a row that open the breaker."""
    cool_down_s: float = 15.0


@dataclass(frozen=True, slots=True)
class GuardView:
    """What an operator sees of a provider's calls in this process."""

    breaker: State
    running: int
    waiting: int
    calls: int
    failures: int
    last_latency_ms: float | None
    """Of the last call that was answered; None before the first."""
    last_error: str
    """Of the last call that ended without a result; empty before the first."""


class Guard:
    """Implements `workbench.bridge.provider.Provider` around another one. `now`, `sleep` and `jitter` (0 to 1) are the seams for
    tests; by default time is the machine's, for a guard stands between many talks of which each has a clock of its own."""

    def __init__(
        self,
        inner: Provider,
        *,
        limits: Limits | None = None,
        redactor: Redactor = SECRETS,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = inner.name
        self.own_tools: Mapping[str, Tool] = {}
        """Tools by the name under which they are registered, as the provider itself knows them; one that is not here is the same."""
        self._inner = inner
        self._limits = limits or Limits()
        self._redactor = redactor
        self._now, self._sleep, self._jitter = now, sleep, jitter
        self._breaker = Breaker(threshold=self._limits.threshold, cool_down_s=self._limits.cool_down_s, now=now)
        self._slots = asyncio.Semaphore(self._limits.at_once)
        self._running = self._waiting = self._calls = self._failures = 0
        self._last_latency_ms: float | None = None
        self._last_error = self._why = ""

    @property
    def view(self) -> GuardView:
        return GuardView(
            self._breaker.state,
            self._running,
            self._waiting,
            self._calls,
            self._failures,
            self._last_latency_ms,
            self._last_error,
        )

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        """As the provider's own. Raises ToolError without secrets, and ProviderUnavailable without asking while the breaker is open."""
        due_s = self._now() + tool.timeout_s
        self._calls += 1
        await self._wait_for_slot(tool)
        self._running += 1
        try:
            return self._fit(await self._attempts(tool, arguments, context, self._quiet(on_progress), due_s))
        finally:
            self._running -= 1
            self._slots.release()

    async def probe(self) -> ProviderState:
        state = await self._inner.probe()
        clean = self._redactor.clean
        return ProviderState(state.ready, clean(state.reason), clean(state.repair), state.latency_ms)

    async def _wait_for_slot(self, tool: Tool) -> None:
        wait_s = tool.timeout_s * self._limits.wait_share
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise self._note(
                ToolError(f"{self.name} is busy: {self._limits.at_once} calls are running and none ended within {wait_s:g} s")
            ) from None
        finally:
            self._waiting -= 1

    async def _attempts(
        self, tool: Tool, arguments: Mapping[str, Any], context: CallContext, on_progress: OnProgress, due_s: float
    ) -> ToolResult:
        attempt = 1
        while True:
            try:
                return await self._once(tool, arguments, context, on_progress, due_s)
            except ProviderUnavailable as error:
                wait_s = self._backoff_s(attempt, error)
                # Only a read may be done twice: of anything else nobody knows whether it was done, whatever key it carried. And nobody
                # waits any more for a call that was cancelled and failed afterwards.
                again = tool.tier == "read" and attempt < self._limits.attempts and not _cancelled() and self._breaker.state == "closed"
                if not again or self._now() + wait_s >= due_s:
                    raise
            on_progress(None, f"{self.name} did not answer; asking again")
            await self._sleep(wait_s)
            attempt += 1

    def _backoff_s(self, attempt: int, error: ProviderUnavailable) -> float:
        grown_s = self._limits.backoff_s * 2.0 ** (attempt - 1)
        return max(grown_s * (0.5 + 0.5 * self._jitter()), error.retry_after_s or 0.0)

    async def _once(
        self, tool: Tool, arguments: Mapping[str, Any], context: CallContext, on_progress: OnProgress, due_s: float
    ) -> ToolResult:
        ticket = self._enter()
        began_s = self._now()
        try:
            result = await self._inner.call(self.own_tools.get(tool.name, tool), arguments, context=context, on_progress=on_progress)
        except asyncio.CancelledError:
            # Given up at its time limit, the provider has failed; given up earlier, by the user, nobody knows.
            if self._now() >= due_s - _LATE_SHARE * tool.timeout_s:
                self._failed(ticket, f"no answer within {tool.timeout_s:g} s")
            else:
                self._breaker.forgotten(ticket)
            raise
        except ProviderUnavailable as error:
            self._failed(ticket, str(error))
            raise ProviderUnavailable(self._last_error, retry_after_s=error.retry_after_s) from None
        except ToolError as error:
            self._breaker.succeeded(ticket)
            self._last_latency_ms = (self._now() - began_s) * 1_000
            raise self._note(error) from None
        except TimeoutError as error:
            self._failed(ticket, str(error) or f"no answer within {tool.timeout_s:g} s")
            raise TimeoutError(self._last_error) from None
        except Exception as error:  # noqa: BLE001 - a provider that breaks its contract has failed like any other
            self._failed(ticket, f"{type(error).__name__}: {error}")
            raise ProviderUnavailable(self._last_error) from None
        self._breaker.succeeded(ticket)
        self._last_latency_ms = (self._now() - began_s) * 1_000
        return result

    def _enter(self) -> Ticket:
        try:
            return self._breaker.enter()
        except BreakerOpen as closed:
            when = f"it is tried again in {closed.retry_in_s:.0f} s" if closed.retry_in_s else "it is being tried by another call"
            raise ProviderUnavailable(f"{self.name} is left alone after failing ({self._why}); {when}") from None

    def _failed(self, ticket: Ticket, message: str) -> None:
        self._breaker.failed(ticket)
        self._failures += 1
        self._why = self._last_error = self._redactor.clean(message)[:_MAX_ERROR]

    def _note(self, error: ToolError) -> ToolError:
        self._last_error = self._redactor.clean(str(error))[:_MAX_ERROR]
        return ToolError(self._last_error)

    def _fit(self, result: ToolResult) -> ToolResult:
        known = self._redactor.known
        return ToolResult(known(result.spoken[:_MAX_SPOKEN]), cut(result.data, self._limits.max_result_bytes, text=known))

    def _quiet(self, on_progress: OnProgress) -> OnProgress:
        last_s: float | None = None

        def told(fraction: float | None, message: str) -> None:
            # Every word of progress is a row and a line on the page; a provider may send thousands of them.
            nonlocal last_s
            now_s = self._now()
            if last_s is None or now_s - last_s >= _PROGRESS_EVERY_S:
                last_s = now_s
                on_progress(fraction, self._redactor.clean(message[:_MAX_ERROR]))

        return told


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
