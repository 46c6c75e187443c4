"""Any number of stored sessions that differ in what people look for: persona, engine, day, tools, barge-ins, words. All come through the
recorder, as those of real talks do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.analysis.known_talks import broke_in
from tests.store.talk_script import chosen, closed, opened, play, tool_started, turn
from workbench.events import Event
from workbench.store.base import Store
from workbench.store.recorder import Recorder

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PERSONAS = ("myca", "casual", "teacher", "customer-service")
ENGINES = ("classic", "personaplex", "echo")
A_DAY = 200
"""Sessions that begin on one day."""


def has_tool(number: int) -> bool:
    return number % 3 == 0


def has_barge_in(number: int) -> bool:
    return number % 4 == 0


def reply_ms(number: int) -> float:
    """The only reply's floor-transfer offset."""
    return 200.0 + number % 700


def fill(store: Store, count: int) -> None:
    """`s-0` to `s-<count - 1>`, the last one the newest."""
    now = BEGAN
    recorder = Recorder(store, Path("unused"), recording=False, wall_clock=lambda: now)
    for number in range(count):
        now = BEGAN + timedelta(days=1) * number / A_DAY
        first = dataclasses.replace(opened(f"s-{number}", recording=False), persona=PERSONAS[number % 4], transport="webrtc")
        play(recorder.observer(), first, chosen(ENGINES[number % 3]), *_happened(number), closed(12.0 + number % 50))
    recorder.close()
    store.flush()


def _happened(number: int) -> Iterator[Event]:
    yield turn(f"u-{number}", "user", 1, 2)
    if has_tool(number):
        yield tool_started(2.1)
    yield turn(f"a-{number}", "agent", 2.2, 4, reply_ms(number))
    if has_barge_in(number):
        yield broke_in(3, "yielded", 250.0)
