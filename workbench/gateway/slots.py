"""The slots as the server sees them: an owner thread with its own pace, and calls into it from any other thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from opentelemetry.trace import Tracer

from workbench.audio.frames import FRAME_MS, Pcm
from workbench.gateway.metrics import Metrics
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits, Owner
from workbench.gateway.rollover import Rollover
from workbench.gateway.say import make_line
from workbench.gateway.seat import Listener, Request, Seat
from workbench.gateway.visit_spans import VisitSpans

log = logging.getLogger(__name__)
INTERRUPT_HOLD_MS = 1_000.0
"""After an interruption the persona is quiet for a second: the user has the floor."""
MAX_HOLD_MS = 30_000.0
LOOK_ROUND_S = 0.5
"""How often limits are looked after when nothing else happens."""
FRAME_S = FRAME_MS / 1_000
SOONEST_TICK_S = FRAME_S / 2
"""Visitors' frames fall anywhere in the 80 ms. Waiting for the last of them would keep the others for up to 80 ms; a tick at half time
answers those who are there."""

Pace = Literal["realtime", "client"]


class BusyError(Exception):
    """All slots are taken and the queue is full. `position` is the place the visitor would have had."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class Slots:
    """Admission and ticks. A tick fires when every live row has a frame, or `tick_period_s` after the last one with those that have;
    the others pause. With `pace` "client" there is no such deadline: a tick waits until every live row has its frame."""

    def __init__(
        self,
        model: Model,
        *,
        pace: Pace = "realtime",
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        step_ms: float | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """`step_ms`: what a step of all rows took when it was tried, for `/health`. `tracer`: every visit gets a span."""
        self._tracer = tracer
        self.owner = Owner(model, limits=limits, metrics=metrics)
        self.step_ms = step_ms
        self._pace = pace
        self._changed = threading.Condition()
        self._orders: deque[Callable[[], None]] = deque()
        self._last_tick_s = 0.0
        self._period_s = FRAME_S
        self._stopping = False
        self._drained = ""
        self.failure = ""
        """Why the owner thread ended, if it did; nobody is served any more."""
        self._thread = threading.Thread(target=self._own, name="gateway-model", daemon=True)

    def start(self) -> None:
        """Starts the owner thread. The model must not be used by any other from here on."""
        self._thread.start()

    def drain(self, message: str) -> None:
        """Takes nobody any more, and sends those who wait away with `message`; the talks go on."""
        with self._changed:
            self._drained = message
            self._order(self.owner.send_away, message)

    def stop(self) -> None:
        """Ends every talk and the owner thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def open(self, request: Request, listener: Listener) -> Seat:
        """A new visitor. The listener is told its place, or that it is ready. Raises BusyError when the queue is full too."""
        owner = self.owner
        with self._changed:
            if self._stopping or self.failure:
                raise BusyError(1, self.failure or "the gateway is being stopped; try again in a minute")
            if self._drained:
                raise BusyError(1, self._drained)
            ahead = len(owner.waiting) - owner.rows.count(None)
            if ahead >= owner.limits.waiting:
                owner.metrics.refused.inc()
                raise BusyError(ahead + 1, f"all {len(owner.rows)} slots are taken and {ahead} visitors wait; try again later")
            if self._tracer is not None:
                listener = VisitSpans(listener, self._tracer)
            seat = Seat(request, listener, Rollover(owner.model.lm.context or 0))
            owner.waiting.append(seat)
            self._changed.notify()
        return seat

    def push(self, seat: Seat, pcm: Pcm) -> None:
        """The visitor's next frame [1920]. A frame that is no sound ends its talk."""
        with self._changed:
            seat.heard_s = time.monotonic()
            try:
                dropped = seat.take(pcm)
            except ValueError as error:
                self._order(self.owner.end, seat, "bad_audio", str(error))
                return
            if dropped:
                self._order(self.owner.note_dropped, seat, dropped)
            self._changed.notify()

    def say(self, seat: Seat, say_id: str, text: str) -> int:
        """Has the persona say `text` after what it is being made to say; gives the number of words. Raises SayError."""
        line = make_line(self.owner.model.tokenizer, say_id, text)
        self._send(self.owner.say, seat, line)
        return len(line.words)

    def hold(self, seat: Seat, max_ms: float) -> None:
        """Keeps the persona quiet for at most `max_ms`; words to say end it."""
        self._send(self.owner.hold, seat, _frames(max_ms))

    def interrupt(self, seat: Seat, hold_ms: float = INTERRUPT_HOLD_MS) -> None:
        """Drops what is still to be said, tells what of it was heard, and holds."""
        self._send(self.owner.interrupt, seat, _frames(hold_ms))

    def tell_account(self, seat: Seat, text: str) -> None:
        """A short account of the talk, for the prompt that replaces the first one when the window ends."""
        self._send(setattr, seat.rollover, "account", text)

    def close(self, seat: Seat) -> None:
        """The visitor is gone. Its row is free at the next tick."""
        self._send(self.owner.end, seat, "closed", "")

    def _send(self, call: Callable[..., None], *arguments: object) -> None:
        with self._changed:
            self._order(call, *arguments)

    def _order(self, call: Callable[..., None], *arguments: object) -> None:
        """The lock is held."""
        self._orders.append(lambda: call(*arguments))
        self._changed.notify()

    def _own(self) -> None:
        try:
            while self._wait():
                self._turn()
            self.owner.end_all("shutdown", "the gateway is being stopped; call again in a minute")
        except Exception as error:  # the model is lost: say so to everybody, and to /health
            log.exception("the owner thread failed")
            with self._changed:
                self.failure = f"the model failed ({type(error).__name__}: {error}); restart the gateway"
            self.owner.end_all("engine", self.failure)

    def _wait(self) -> bool:
        """Waits for something to do. False: the end."""
        with self._changed:
            if not (self._orders or self.owner.preparing or self._is_due() or self._stopping or self._can_admit()):
                self._changed.wait(self._patience_s())
            return not self._stopping

    def _turn(self) -> None:
        with self._changed:
            orders = list(self._orders)
            self._orders.clear()
        for order in orders:
            order()
        with self._changed:
            self.owner.admit()
            due = self._is_due()
        if due:
            self._last_tick_s = time.monotonic()
            self.owner.tick()
            self._period_s = tick_period_s(time.monotonic() - self._last_tick_s)
        if self.owner.preparing:
            self.owner.prepare_next()
        self.owner.expire()

    def _can_admit(self) -> bool:
        return any(seat.position == 0 for seat in self.owner.waiting) or (bool(self.owner.waiting) and None in self.owner.rows)

    def _is_due(self) -> bool:
        live = self.owner.live
        have = sum(bool(seat.frames) for seat in live)
        if not have:
            return False
        late = self._pace == "realtime" and time.monotonic() - self._last_tick_s >= self._period_s
        return have == len(live) or late

    def _patience_s(self) -> float:
        if self._pace == "realtime" and any(seat.frames for seat in self.owner.live):
            return max(0.0, self._last_tick_s + self._period_s - time.monotonic())
        return LOOK_ROUND_S


def tick_period_s(took_s: float) -> float:
    """After how long a tick need not wait for everybody, from how long the last one took: so that half of the time is left for prompts
    and for what else the machine does, between half a frame and a whole one."""
    return min(max(2 * took_s, SOONEST_TICK_S), FRAME_S)


def _frames(ms: float) -> int:
    return round(min(max(ms, 0.0), MAX_HOLD_MS) / FRAME_MS)
