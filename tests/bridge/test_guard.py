from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from waiting import until

from workbench.bridge.bridge import STOPPED, Bridge
from workbench.bridge.cut import NOTE
from workbench.bridge.guard import Guard, Limits
from workbench.bridge.invocation import TOO_LATE, Timing
from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.redact import HIDDEN, Redactor
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.events import Tier, ToolFinished
from workbench.testing.talk import FakeTalk
from workbench.testing.tools import Script, ScriptedProvider

SECRET = "geheimnis-der-anlage"
AWAY = ProviderUnavailable("nobody answers")
DONE = ToolResult("Done.", {"n": 1})
Step = ToolResult | Exception | Callable[[], Any]


class Scripted:
    """A provider that answers one step after the other; the last one for ever."""

    name = "far"

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.keys: list[str] = []
        self.began = asyncio.Event()

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        self.keys.append(context.idempotency_key)
        self.began.set()
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            answer: ToolResult = await step()
            return answer
        return step

    async def probe(self) -> ProviderState:
        return ProviderState(ready=False, reason=f"refused {SECRET}", repair="Set it.")


class World:
    """A guard in time that passes only by its own waiting."""

    def __init__(self, *steps: Step, **limits: Any) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.told: list[str] = []
        self.provider = Scripted(*steps)
        self.guard = Guard(
            self.provider,
            limits=Limits(**limits),
            redactor=Redactor([SECRET]),
            now=lambda: self.now,
            sleep=self.sleep,
            jitter=lambda: 1.0,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def call(self, tier: Tier = "read", timeout_s: float = 10.0) -> ToolResult:
        tool = Tool("ask", "Ask", tier=tier, timeout_s=timeout_s, provider="far")
        return await self.guard.call(tool, {}, context=CallContext("key-1"), on_progress=lambda _fraction, text: self.told.append(text))


def hanging() -> Any:
    return asyncio.Event().wait()


async def test_a_read_is_asked_again_with_the_same_key() -> None:
    world = World(AWAY, OSError("cut"), DONE)
    assert (await world.call()).spoken == "Done."
    assert world.provider.keys == ["key-1"] * 3
    assert world.slept == [0.2, 0.4]
    assert world.told == ["far did not answer; asking again"] * 2
    assert (world.guard.view.breaker, world.guard.view.failures) == ("closed", 2)


async def test_attempts_end() -> None:
    world = World(AWAY)
    with pytest.raises(ProviderUnavailable, match="nobody answers"):
        await world.call()
    assert len(world.provider.keys) == 3


@pytest.mark.parametrize("tier", ["write", "destructive"])
async def test_what_changes_something_is_never_asked_again(tier: Tier) -> None:
    world = World(AWAY, DONE)
    with pytest.raises(ProviderUnavailable):
        await world.call(tier)
    assert len(world.provider.keys) == 1


async def test_the_last_word_of_a_provider_is_not_questioned() -> None:
    world = World(ToolError("no such drawer"), DONE)
    with pytest.raises(ToolError, match="no such drawer"):
        await world.call()
    assert len(world.provider.keys) == 1
    assert world.guard.view.failures == 0
    assert world.guard.view.last_error == "no such drawer"


async def test_no_attempt_that_would_begin_too_late() -> None:
    world = World(AWAY, DONE, backoff_s=3.0)
    with pytest.raises(ProviderUnavailable):
        await world.call(timeout_s=3.0)
    assert world.slept == []


async def test_the_wait_that_a_provider_asks_for_is_kept() -> None:
    world = World(ProviderUnavailable("busy", retry_after_s=2.0), DONE)
    await world.call()
    assert world.slept == [2.0]


async def test_failures_open_the_breaker_and_one_call_closes_it() -> None:
    world = World(AWAY, threshold=3, cool_down_s=20.0, attempts=1)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await world.call()
    assert world.guard.view.breaker == "open"
    with pytest.raises(ProviderUnavailable, match=r"far is left alone after failing \(nobody answers\); it is tried again in 20 s"):
        await world.call()
    assert len(world.provider.keys) == 3, "an open breaker asks nobody"
    world.now += 20
    world.provider.steps = [hanging]
    world.provider.began.clear()
    trial = asyncio.create_task(world.call())
    await world.provider.began.wait()
    assert world.guard.view.breaker == "half_open"
    with pytest.raises(ProviderUnavailable, match="is being tried by another call"):
        await world.call()
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    world.provider.steps = [DONE]
    await world.call()
    assert world.guard.view.breaker == "closed"


async def test_reads_in_a_row_that_fail_stop_asking_when_the_breaker_opens() -> None:
    world = World(AWAY, threshold=2, attempts=5)
    with pytest.raises(ProviderUnavailable, match="nobody answers"):
        await world.call()
    assert len(world.provider.keys) == 2


async def test_refusals_do_not_open_the_breaker() -> None:
    world = World(ToolError("no"), threshold=2)
    for _ in range(5):
        with pytest.raises(ToolError):
            await world.call()
    assert world.guard.view.breaker == "closed"


async def test_given_up_at_its_limit_is_a_failure_and_called_off_before_is_none() -> None:
    world = World(hanging, threshold=1)
    for passed_s, state in ((5.0, "closed"), (10.0, "open")):
        world.provider.began.clear()
        call = asyncio.create_task(world.call(timeout_s=10.0))
        await world.provider.began.wait()
        world.now += passed_s
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert world.guard.view.breaker == state
    assert world.guard.view.last_error == "no answer within 10 s"


async def test_a_result_that_comes_in_spite_of_the_cancellation_is_given_back() -> None:
    release = asyncio.Event()

    async def stubborn() -> ToolResult:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()
        return ToolResult("Late.", {"x": "y" * 200_000})

    world = World(stubborn)
    call = asyncio.create_task(world.call())
    await world.provider.began.wait()
    call.cancel()
    await asyncio.sleep(0)
    assert world.guard.view.running == 1
    release.set()
    late = await call
    assert late.spoken == "Late."
    assert NOTE in late.data
    assert world.guard.view.running == 0


async def test_a_cancelled_read_that_fails_afterwards_is_not_asked_again() -> None:
    async def stubborn() -> ToolResult:
        try:
            return await hanging()
        except asyncio.CancelledError:
            raise AWAY from None

    world = World(stubborn)
    call = asyncio.create_task(world.call())
    await world.provider.began.wait()
    call.cancel()
    with pytest.raises(ProviderUnavailable):
        await call
    assert len(world.provider.keys) == 1


async def test_calls_beyond_the_limit_wait_and_then_say_that_it_is_busy() -> None:
    world = World(hanging, at_once=2, wait_share=0.5)
    running = [asyncio.create_task(world.call()) for _ in range(2)]
    await until(lambda: len(world.provider.keys) == 2)
    with pytest.raises(ToolError, match=r"far is busy: 2 calls are running and none ended within 0.01 s"):
        await world.call(timeout_s=0.02)
    waiting = asyncio.create_task(world.call())
    await until(lambda: world.guard.view.waiting == 1)
    assert world.guard.view.running == 2
    world.provider.steps = [DONE]
    running[0].cancel()
    assert (await waiting).spoken == "Done."
    running[1].cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert (world.guard.view.running, world.guard.view.waiting) == (0, 0)
    assert world.guard.view.breaker == "closed", "to be busy is no failure"


@pytest.mark.parametrize("error", [ToolError(f"x {SECRET}"), ProviderUnavailable(f"x {SECRET}"), OSError(f"x {SECRET}")])
async def test_no_error_carries_a_secret(error: Exception) -> None:
    world = World(error, attempts=1)
    with pytest.raises(ToolError) as raised:
        await world.call()
    assert SECRET not in str(raised.value)
    assert HIDDEN in str(raised.value)
    assert raised.value.__suppress_context__, "a traceback in the log would show the original"
    assert SECRET not in world.guard.view.last_error
    assert SECRET not in (await world.guard.probe()).reason


async def test_no_result_and_no_progress_carries_a_secret() -> None:
    world = World(ToolResult(f"It is {SECRET}.", {"keys": [{"k": SECRET}]}))

    async def call(tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        on_progress(0.5, f"with {SECRET}")
        return ToolResult(f"It is {SECRET}.", {"keys": [{"k": SECRET}]})

    world.provider.call = call  # type: ignore[method-assign]
    result = await world.call()
    assert result == ToolResult(f"It is {HIDDEN}.", {"keys": [{"k": HIDDEN}]})
    assert world.told == [f"with {HIDDEN}"]


async def test_progress_is_told_at_a_bearable_rate() -> None:
    world = World(DONE)

    async def call(tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        for step in range(1_000):
            on_progress(step / 1_000, f"step {step}")
            world.now += 0.001
        return DONE

    world.provider.call = call  # type: ignore[method-assign]
    await world.call()
    assert world.told[0] == "step 0"
    assert 9 <= len(world.told) <= 10


async def test_latency_is_that_of_the_last_answer() -> None:
    world = World(DONE)
    assert world.guard.view.last_latency_ms is None

    async def slowly() -> ToolResult:
        world.now += 0.25
        return DONE

    world.provider.steps = [slowly]
    await world.call()
    assert world.guard.view.last_latency_ms == 250.0
    assert world.guard.view.calls == 1


async def test_behind_a_guard_too_a_late_result_is_recorded_and_never_spoken() -> None:
    """The same as without one, see `test_dialogues`: an abort in mid-run, and a call that outlives its time-out."""
    for wait_ms, words in ((1_000, STOPPED), (20_000, TOO_LATE)):
        talk = FakeTalk()
        script = Script("It rains. " + "x" * 100_000, {"text": "y" * 100_000}, slow_ms=8_000, unstoppable=True)
        provider = ScriptedProvider({"weather": script}, clock=talk.clock)
        registry = Registry()
        registry.add(
            Guard(provider), Tool("weather", "Tell the weather", phrases=("how is the weather",), timeout_s=5.0, provider="scripted")
        )
        bridge = Bridge(registry, timing=Timing(filler=""))
        bridge.attach(talk)
        assert await talk.hear(bridge, "how is the weather")
        await talk.run_ms(wait_ms)
        if words == STOPPED:
            assert await talk.hear(bridge, "never mind")
        await talk.run_ms(20_000)
        assert talk.texts == [words]
        (late,) = talk.of(ToolFinished)
        assert NOTE in late.result
        assert provider.cancelled == ["weather"]
