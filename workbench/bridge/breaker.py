"""A circuit breaker: a provider that fails again and again is left alone for a while, then tried with one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


class BreakerOpen(Exception):
    """The call must not be made. `retry_in_s`: when one may be tried; 0 while the one that is tried goes on."""

    def __init__(self, retry_in_s: float) -> None:
        super().__init__(retry_in_s)
        self.retry_in_s = retry_in_s


@dataclass(frozen=True, slots=True)
class Ticket:
    """The permission for one call. `era` counts the changes of state: a call that began before one says nothing about after it."""

    era: int


class Breaker:
    """closed: every call goes through, and `threshold` failures in a row open it. open: none goes through until `cool_down_s` have
    passed. half open: one goes through; it closes the breaker or opens it again.

    `now` is a clock in seconds that only goes forward.
    """

    def __init__(self, *, threshold: int = 5, cool_down_s: float = 15.0, now: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError when `threshold` is below 1 or `cool_down_s` below 0."""
        if threshold < 1 or cool_down_s < 0:
            raise ValueError(f"threshold is {threshold} and cool_down_s is {cool_down_s}; give at least 1 and 0")
        self._threshold, self._cool_down_s, self._now = threshold, cool_down_s, now
        self._state: State = "closed"
        self._era = 0
        self._failures = 0
        self._opened_s = 0.0
        self._trying = False

    @property
    def state(self) -> State:
        """Open counts as half open from the moment that a call may be tried."""
        return "half_open" if self._state == "open" and self._left_s() <= 0 else self._state

    @property
    def failures(self) -> int:
        """In a row, until now."""
        return self._failures

    def enter(self) -> Ticket:
        """Asks to make a call; give the ticket back to `succeeded`, `failed` or `forgotten`. Raises BreakerOpen."""
        if self._state == "open":
            left_s = self._left_s()
            if left_s > 0:
                raise BreakerOpen(left_s)
            self._become("half_open")
        if self._state == "half_open":
            if self._trying:
                raise BreakerOpen(0.0)
            self._trying = True
        return Ticket(self._era)

    def succeeded(self, ticket: Ticket) -> None:
        """The provider answered, whatever it said."""
        if ticket.era != self._era:
            return
        self._failures = 0
        if self._state != "closed":
            self._become("closed")

    def failed(self, ticket: Ticket) -> None:
        """The provider did not answer."""
        if ticket.era != self._era:
            return
        self._failures += 1
        # Only a success sets the count back, so the one call of a half-open breaker opens it again.
        if self._failures >= self._threshold:
            self._opened_s = self._now()
            self._become("open")

    def forgotten(self, ticket: Ticket) -> None:
        """The call was given up before it showed anything; another may be tried."""
        if ticket.era == self._era:
            self._trying = False

    def _become(self, state: State) -> None:
        self._state, self._trying = state, False
        self._era += 1

    def _left_s(self) -> float:
        return self._opened_s + self._cool_down_s - self._now()
