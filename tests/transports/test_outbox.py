"""What waits for a listener: bounded in sound, complete in messages."""

from __future__ import annotations

import asyncio

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, silence
from workbench.engines.base import AgentFrame
from workbench.testing.port import EchoPort
from workbench.transports.early import EarlySound
from workbench.transports.outbox import Outbox


def _frame(value: float) -> AgentFrame:
    return AgentFrame(np.full(FRAME_SAMPLES, value, dtype=np.float32))


async def test_the_oldest_frames_go_and_messages_stay_in_order() -> None:
    outbox: Outbox[str] = Outbox(max_frames=2)
    outbox.put("a")
    outbox.play(_frame(1))
    outbox.put("b")
    outbox.play(_frame(2))
    outbox.play(_frame(3))
    assert (outbox.dropped_samples, outbox.frames, len(outbox)) == (FRAME_SAMPLES, 2, 4)
    items = [await outbox.get() for _ in range(4)]
    assert [item if isinstance(item, str) else float(item.pcm[0]) for item in items] == ["a", "b", 2.0, 3.0]
    assert outbox.get_nowait() is None


async def test_flush_drops_sound_and_keeps_messages() -> None:
    outbox: Outbox[str] = Outbox(max_frames=5)
    outbox.play(_frame(1))
    outbox.put("a")
    outbox.play(_frame(2))
    assert outbox.flush() == 2 * FRAME_SAMPLES
    assert outbox.get_nowait() == "a"
    assert len(outbox) == outbox.frames == outbox.dropped_samples == 0


async def test_a_reader_that_waits_is_woken() -> None:
    outbox: Outbox[str] = Outbox(max_frames=1)
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("a")
    assert await waiting == "a"


async def test_early_sound_is_bounded_and_handed_over_in_order() -> None:
    early, port = EarlySound(), EchoPort()
    for second in range(5):
        early.push(silence(SAMPLE_RATE), second * SAMPLE_RATE, float(second))
    early.hand_over(port)
    assert port.pushed == [(SAMPLE_RATE, second * SAMPLE_RATE, float(second)) for second in (2, 3, 4)]
    assert early.dropped_samples == 2 * SAMPLE_RATE
    early.hand_over(port)
    assert len(port.pushed) == 3
