"""The owner thread. Tests wait for what the slots report, never for a time."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from workbench.audio.frames import Pcm
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.sampling import GREEDY
from workbench.gateway.say import SayError
from workbench.gateway.seat import Reason, Request
from workbench.gateway.slots import BusyError, Slots, tick_period_s

TEXT = "You enjoy having a good conversation."
WAIT_S = 120.0


class Told:
    """A listener that queues what it is told for the test's thread."""

    def __init__(self) -> None:
        self.told: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def waiting(self, position: int) -> None:
        self.told.put(("waiting", position))

    def ready(self, info: dict[str, Any]) -> None:
        self.told.put(("ready", info))

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None:
        self.told.put(("frame", pcm, piece, forced))

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        self.told.put((kind, data))

    def ended(self, reason: Reason, message: str) -> None:
        self.told.put(("ended", reason, message))

    def next(self, kind: str) -> tuple[Any, ...]:
        """The next thing told, which must be of this kind."""
        told = self.told.get(timeout=WAIT_S)
        assert told[0] == kind, told
        return told


def request(model: Model) -> Request:
    return Request(model.find_voice("TINYW1"), TEXT, model.text_ids(TEXT), GREEDY)


@contextmanager
def running(slots: Slots) -> Iterator[Slots]:
    slots.start()
    try:
        yield slots
    finally:
        slots.stop()


def test_rows_queue_busy_and_next(model: Model) -> None:
    with running(Slots(model, limits=Limits(waiting=1))) as slots:
        visitors = [Told() for _ in range(4)]
        seats = []
        for visitor in visitors[:3]:
            seats.append(slots.open(request(model), visitor))
            visitor.next("ready")
        seats.append(slots.open(request(model), visitors[3]))
        assert visitors[3].next("waiting") == ("waiting", 1)
        with pytest.raises(BusyError, match="all 3 slots are taken") as busy:
            slots.open(request(model), Told())
        assert busy.value.position == 2
        slots.close(seats[0])
        assert visitors[0].next("ended")[1] == "closed"
        visitors[3].next("ready")


def test_a_late_visitor_does_not_stop_the_others(model: Model, user: Pcm) -> None:
    with running(Slots(model)) as slots:
        steady, silent = Told(), Told()
        seat = slots.open(request(model), steady)
        slots.open(request(model), silent)
        steady.next("ready")
        silent.next("ready")
        for frame in user[:3]:
            slots.push(seat, frame)
            steady.next("frame")
        assert silent.told.empty()


@pytest.mark.parametrize(("took_s", "period_s"), [(0.0, 0.04), (0.018, 0.04), (0.03, 0.06), (0.037, 0.074), (0.04, 0.08), (0.2, 0.08)])
def test_ticks_leave_half_of_the_time(took_s: float, period_s: float) -> None:
    assert tick_period_s(took_s) == pytest.approx(period_s)


def test_client_pace_waits_for_everybody(model: Model, user: Pcm) -> None:
    with running(Slots(model, pace="client")) as slots:
        first, second = Told(), Told()
        seats = [slots.open(request(model), first), slots.open(request(model), second)]
        first.next("ready")
        second.next("ready")
        for frame in user[:3]:
            slots.push(seats[0], frame)
        with pytest.raises(queue.Empty):
            first.told.get(timeout=0.3)
        for frame in user[:3]:
            slots.push(seats[1], frame)
        for _ in range(3):
            np.testing.assert_allclose(first.next("frame")[1], second.next("frame")[1], atol=1e-5)


def test_words_hold_and_interruption(model: Model, user: Pcm) -> None:
    with running(Slots(model, pace="client")) as slots:
        visitor = Told()
        seat = slots.open(request(model), visitor)
        visitor.next("ready")
        with pytest.raises(SayError, match="no words"):
            slots.say(seat, "a", "")
        assert slots.say(seat, "a", "one two three four five six seven eight") == 8
        for frame in user[:4]:
            slots.push(seat, frame)
            visitor.next("frame")
        slots.interrupt(seat)
        report = visitor.next("said")[1]
        assert report["interrupted"]
        assert 0 < report["words_heard"] < 8


def test_sound_that_is_none_ends_the_talk(model: Model) -> None:
    with running(Slots(model)) as slots:
        visitor = Told()
        seat = slots.open(request(model), visitor)
        visitor.next("ready")
        slots.push(seat, np.full(1920, np.inf, dtype=np.float32))
        assert visitor.next("ended")[1] == "bad_audio"


def test_a_lost_model_is_told_to_everybody(model: Model, user: Pcm, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_arguments: object) -> None:
        raise RuntimeError("out of memory")

    with running(Slots(model)) as slots:
        visitor = Told()
        seat = slots.open(request(model), visitor)
        visitor.next("ready")
        monkeypatch.setattr(model, "step", lost)
        slots.push(seat, user[0])
        _kind, reason, message = visitor.next("ended")
        assert (reason, "out of memory" in message) == ("engine", True)
        with pytest.raises(BusyError, match="restart the gateway"):
            slots.open(request(model), Told())


def test_stopping_ends_every_talk(model: Model) -> None:
    with running(Slots(model)) as slots:
        visitor = Told()
        slots.open(request(model), visitor)
        visitor.next("ready")
    assert visitor.next("ended")[1] == "shutdown"
