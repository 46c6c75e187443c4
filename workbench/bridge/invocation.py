"""One tool at work: dispatched once, watched by a deadline, its end written down whatever happens, its result spoken or not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.audio.frames import samples_to_ms
from workbench.bridge.delivery import Delivered, Delivery
from workbench.bridge.fidelity import Fidelity
from workbench.bridge.heard import AgentWords, content_words, promises
from workbench.bridge.hold import Hold
from workbench.bridge.provider import CallContext, Provider
from workbench.bridge.spoken import short_form
from workbench.bridge.tasks import Tasks
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.events import ResultDelivered, StageTiming, Tier, ToolCancelled, ToolFailed, ToolFinished, ToolProgressed, ToolStarted
from workbench.talk import Talk

logger = logging.getLogger(__name__)

TOO_LATE = "Sorry, that took too long, so I stopped waiting for it."
_MOVED_MS = 160.0
NOT_WORKED = "Sorry, that did not work. The details are on the screen."


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the bridge waits before it speaks or gives up, in ms of session time."""

    filler_after_ms: float = 1_500.0
    filler: str = "One moment."
    """Empty for none."""
    confirm_within_ms: float = 30_000.0
    """How long an action waits for the user's word."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done once. `invocation_id` is the idempotency key sent to the provider."""

    invocation_id: str
    utterance_id: str
    tool: Tool
    arguments: Mapping[str, Any]
    utterance: str = ""
    """The user's own words that asked for it."""
    tier: Tier = "read"
    """How dangerous it is: the tool's own tier, or that of the words where they are worse."""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What the invocations of one talk share."""

    talk: Talk
    tasks: Tasks
    hold: Hold
    delivery: Delivery
    words: AgentWords
    fidelity: Fidelity
    timing: Timing


class Invocation:
    """From dispatch to delivery. It ends once: finished, failed or cancelled; a result that comes after that is only recorded.

    The agent is held from the dispatch until the result, or the apology, is out, and is free at once when the call is called off."""

    def __init__(self, stage: Stage, order: Order, provider: Provider, *, asked_samples: int) -> None:
        """`asked_samples`: the end of the utterance that asked for it, in session time."""
        self.order = order
        self.state: Literal["running", "finished", "failed", "cancelled"] = "running"
        self._talk, self._tasks, self._timing = stage.talk, stage.tasks, stage.timing
        self._hold, self._delivery, self._words, self._fidelity = stage.hold, stage.delivery, stage.words, stage.fidelity
        self._provider = provider
        self._asked_samples = asked_samples
        self._apology = ""
        self._started_samples = self._talk.clock.now_samples
        self._ended = self._talk.clock.signal()
        self._outcome: ToolResult | Exception = ToolError("the provider ended the call without an answer")
        self._call: asyncio.Task[None] | None = None
        self._ids = {"invocation_id": order.invocation_id, "tool": order.tool.name}

    @property
    def timeout_ms(self) -> float:
        return self.order.tool.timeout_s * 1_000

    async def run(self) -> None:
        """Calls the provider, waits for the end, and has the result or the apology spoken."""
        order = self.order
        if self.state != "running":
            return
        self._publish(
            ToolStarted,
            utterance_id=order.utterance_id,
            provider=order.tool.provider,
            arguments=dict(order.arguments),
            tier=order.tier,
        )
        self._hold.begin(order.invocation_id, self.timeout_ms)
        try:
            self._call = self._tasks.spawn(self._answer(), f"tool {order.tool.name}")
            timers = [self._tasks.spawn(self._expire(), "tool deadline"), self._tasks.spawn(self._fill(), "tool filler")]
            await self._ended.wait()
            for timer in timers:
                timer.cancel()
            if self.state == "running":
                await self._settle(self._outcome)
            if self._apology:
                await self._delivery.tell(order.invocation_id, order.tool.name, "apology", self._apology)
        finally:
            self._hold.end(order.invocation_id)

    def cancel(self, reason: str) -> bool:
        """The user changed their mind, or the talk ends. False when it has ended already."""
        if self.state != "running":
            return False
        self._publish(ToolCancelled, reason=reason)
        self._end("cancelled")
        return True

    async def _answer(self) -> None:
        try:
            outcome, _charge_ms = await self._talk.clock.charged("tool", self._called())
        finally:
            self._ended.set()
        if self.state == "running":
            self._outcome = outcome
        elif isinstance(outcome, ToolResult):
            self._came_late(outcome)

    async def _called(self) -> ToolResult | Exception:
        order = self.order
        # A fast talk's time stands still while the provider works, so only the machine's time can end a call that hangs. In real
        # time `_expire` ends the wait, and a result that still comes is not lost.
        limit_s = order.tool.timeout_s if self._talk.clock.pace == "fast" else None
        try:
            async with asyncio.timeout(limit_s) as limit:
                moving = self._tasks.spawn(self._while_time_moves(limit, limit_s), "tool machine time") if limit_s is not None else None
                try:
                    result = await self._provider.call(order.tool, order.arguments, context=self._context(), on_progress=self._progress)
                finally:
                    if moving is not None:
                        moving.cancel()
            json.dumps(dict(result.data), allow_nan=False)
        except Exception as error:  # noqa: BLE001 - whatever a provider raises becomes a row, see `_settle`
            return error
        return result

    async def _while_time_moves(self, limit: asyncio.Timeout, limit_s: float) -> None:
        """A call does not hang while session time goes on: its provider waits by the talk's clock, and the engine needs its time too."""
        while not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time() + limit_s)
            await self._talk.clock.sleep_ms(_MOVED_MS)

    def _context(self) -> CallContext:
        order = self.order
        return CallContext(
            idempotency_key=order.invocation_id,
            session_id=self._talk.session_id,
            conversation_id=self._talk.conversation_id,
            user=self._talk.user,
            utterance=order.utterance,
            confirmed=order.confirmed,
        )

    async def _expire(self) -> None:
        await self._talk.clock.sleep_ms(self.timeout_ms)
        if self.state == "running":
            self._fail(TimeoutError())

    async def _fill(self) -> None:
        await self._talk.clock.sleep_ms(self._timing.filler_after_ms)
        if self._timing.filler and self.state == "running" and not self._promised():
            # In a task of its own: a filler that has begun is said to its end, and its row written, when the result ends this one.
            order = self.order
            self._tasks.spawn(self._delivery.tell(order.invocation_id, order.tool.name, "filler", self._timing.filler), "tool filler")

    def _promised(self) -> bool:
        """The agent said of its own accord that it is looking: saying it once more would be one time too many."""
        return promises(self._words.between(self._asked_samples, self._talk.clock.now_samples + 1))

    async def _settle(self, outcome: ToolResult | Exception) -> None:
        if isinstance(outcome, Exception):
            self._fail(outcome)
            return
        self._end("finished")
        spoken = self._finish(outcome)
        ready_samples = self._talk.clock.now_samples
        listening = self._fidelity.listen()

        def told(delivered: Delivered) -> None:
            until = ready_samples if delivered.started_samples is None else delivered.started_samples
            self._publish(
                ResultDelivered,
                at_samples=delivered.started_samples,
                how=delivered.how,
                words_asked=delivered.words_asked,
                words_heard=delivered.words_heard,
                interrupted=delivered.interrupted,
                words_before=content_words(self._words.between(self._started_samples, until)),
            )
            self._fidelity.measure(listening, self.order.invocation_id, self.order.tool.name, spoken, delivered)
            if delivered.started_samples is not None:
                self._stage("delivery", samples_to_ms(delivered.started_samples - ready_samples))

        await self._delivery.deliver(spoken, told, ends=self.order.invocation_id)

    def _finish(self, result: ToolResult) -> str:
        spoken, latency_ms = short_form(result.spoken), self._elapsed_ms()
        self._publish(ToolFinished, result=dict(result.data), spoken=spoken, latency_ms=latency_ms)
        self._stage("tool", latency_ms)
        return spoken

    def _fail(self, error: Exception) -> None:
        late = isinstance(error, TimeoutError)
        text = f"no answer within {self.order.tool.timeout_s:g} s" if late else f"{type(error).__name__}: {error}"
        self._publish(ToolFailed, error=text, latency_ms=self._elapsed_ms(), timed_out=late)
        self._apology = TOO_LATE if late else NOT_WORKED
        self._end("failed")

    def _came_late(self, result: ToolResult) -> None:
        """Nobody waits for it any more: it is recorded and shown, never spoken."""
        logger.info("a result of %s came after it was %s", self.order.tool.name, self.state)
        self._finish(result)

    def _end(self, state: Literal["finished", "failed", "cancelled"]) -> None:
        self.state = state
        if self._call is not None:
            self._call.cancel()
        self._ended.set()

    def _progress(self, fraction: float | None, message: str) -> None:
        if self.state == "running":
            self._publish(ToolProgressed, fraction=fraction, message=message)

    def _elapsed_ms(self) -> float:
        return samples_to_ms(self._talk.clock.now_samples - self._started_samples)

    def _stage(self, stage: str, ms: float) -> None:
        self._talk.publish(StageTiming, utterance_id=self.order.utterance_id, stage=stage, ms=ms)

    def _publish(self, event: Any, /, *, at_samples: int | None = None, **fields: Any) -> None:
        self._talk.publish(event, at_samples=at_samples, **self._ids, **fields)
