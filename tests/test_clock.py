"""Session time: real, and faster than real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from workbench.audio.frames import FRAME_SAMPLES, ms_to_samples
from workbench.clock import FastClock, RealtimeClock, fixed


async def test_fast_ticks_come_80_ms_apart_without_waiting() -> None:
    clock = FastClock()
    for n in range(1, 4):
        assert await clock.next_tick() == 0.0
        assert clock.now_samples == n * FRAME_SAMPLES


async def test_fast_clock_stands_still_while_a_task_is_at_work() -> None:
    clock = FastClock(fixed({}))
    release = asyncio.Event()
    seen: list[int] = []

    async def work() -> None:
        await release.wait()
        seen.append(clock.now_samples)

    clock.spawn(work(), "work")
    tick = asyncio.create_task(clock.next_tick())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not tick.done()
    release.set()
    await tick
    assert seen == [0]
    assert clock.now_samples == FRAME_SAMPLES


async def test_charges_land_at_their_own_session_time_between_ticks() -> None:
    clock = FastClock(fixed({"asr": 100.0, "tts": 35.0}))
    landed: list[tuple[str, int]] = []

    async def answer() -> None:
        text, charge_ms = await clock.charged("asr", asyncio.sleep(0, "words"))
        assert (text, charge_ms) == ("words", 100.0)
        landed.append(("asr", clock.now_samples))
        await clock.charged("tts", asyncio.sleep(0))
        landed.append(("tts", clock.now_samples))

    clock.spawn(answer(), "answer")
    for _ in range(3):
        await clock.next_tick()
    assert landed == [("asr", ms_to_samples(100)), ("tts", ms_to_samples(135))]
    assert clock.now_samples == 3 * FRAME_SAMPLES


async def test_a_measured_charge_is_what_the_work_took() -> None:
    clock = FastClock()
    charges: list[float] = []

    async def work() -> None:
        charges.append((await clock.charged("asr", asyncio.sleep(0.03)))[1])

    clock.spawn(work(), "work")
    while not charges:
        await clock.next_tick()
    assert charges[0] >= 29.0
    assert clock.now_samples >= ms_to_samples(charges[0])


async def test_items_of_a_source_are_charged_one_by_one_and_the_source_is_closed() -> None:
    clock = FastClock(fixed({"tts": 50.0}))
    closed: list[bool] = []
    landed: list[tuple[int, int]] = []

    async def chunks() -> AsyncIterator[int]:
        try:
            for n in range(10):
                yield n
        finally:
            closed.append(True)

    async def speak() -> None:
        async for n in clock.charged_each("tts", chunks()):
            landed.append((n, clock.now_samples))

    task = clock.spawn(speak(), "speak")
    await clock.next_tick()
    await clock.next_tick()
    task.cancel()
    await clock.cancel_all()
    assert landed == [(0, ms_to_samples(50)), (1, ms_to_samples(100)), (2, ms_to_samples(150))]
    assert closed == [True]


async def test_a_waiter_of_a_signal_does_not_hold_time_and_is_busy_from_the_moment_it_is_set() -> None:
    clock = FastClock(fixed({}))
    signal = clock.signal()
    woke: list[int] = []

    async def wait() -> None:
        await signal.wait()
        await asyncio.sleep(0)
        woke.append(clock.now_samples)

    clock.spawn(wait(), "wait")
    await clock.next_tick()
    await clock.next_tick()
    assert woke == []
    signal.set()
    await clock.next_tick()
    assert woke == [2 * FRAME_SAMPLES]
    assert signal.is_set()


async def test_a_cancelled_sleeper_does_not_stop_the_clock() -> None:
    clock = FastClock(fixed({}))
    task = clock.spawn(clock.sleep_ms(10_000), "sleeper")
    await clock.next_tick()
    task.cancel()
    for _ in range(200):
        await clock.next_tick()
    assert task.cancelled()
    assert clock.now_samples == 201 * FRAME_SAMPLES


async def test_a_failed_task_is_reported_with_its_name() -> None:
    clock = FastClock()
    failures: list[tuple[str, str]] = []
    clock.on_failure = lambda name, error: failures.append((name, str(error)))

    async def fail() -> None:
        raise ValueError("broken")

    clock.spawn(fail(), "fragile")
    await clock.next_tick()
    await asyncio.sleep(0)
    assert failures == [("fragile", "broken")]


async def test_realtime_ticks_follow_the_given_clock_and_tell_their_lateness(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        slept.append(seconds)
        now_s += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    clock = RealtimeClock(monotonic=lambda: now_s)
    assert await clock.next_tick() == pytest.approx(0.0)
    now_s += 0.200
    assert await clock.next_tick() == pytest.approx(120.0)
    assert await clock.next_tick() == pytest.approx(40.0)
    assert await clock.next_tick() == pytest.approx(0.0)
    assert slept == pytest.approx([0.080, 0.0, 0.0, 0.040])
