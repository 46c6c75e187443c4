from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workbench.bridge.breaker import Breaker, BreakerOpen, Ticket


def test_a_life() -> None:
    now = 0.0
    breaker = Breaker(threshold=2, cool_down_s=10.0, now=lambda: now)
    early = breaker.enter()
    for _ in range(2):
        breaker.failed(breaker.enter())
    assert breaker.state == "open"
    with pytest.raises(BreakerOpen) as refused:
        breaker.enter()
    assert refused.value.retry_in_s == 10.0
    breaker.succeeded(early)
    assert breaker.state == "open", "a call that began before says nothing about now"
    now = 10.0
    assert breaker.state == "half_open"
    trial = breaker.enter()
    with pytest.raises(BreakerOpen):
        breaker.enter()
    breaker.forgotten(trial)
    breaker.failed(breaker.enter())
    assert breaker.state == "open"
    now = 20.0
    breaker.succeeded(breaker.enter())
    assert (breaker.state, breaker.failures) == ("closed", 0)


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"cool_down_s": -1.0}])
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give at least"):
        Breaker(**wrong)  # type: ignore[arg-type]


class BreakerMachine(RuleBasedStateMachine):
    """A breaker beside a model of it that is written the other way round: from the history, not from a state."""

    @initialize(threshold=st.integers(1, 4), cool_down_s=st.sampled_from([0.0, 1.0, 7.5]))
    def start(self, threshold: int, cool_down_s: float) -> None:
        self.now = 0.0
        self.threshold, self.cool_down_s = threshold, cool_down_s
        self.breaker = Breaker(threshold=threshold, cool_down_s=cool_down_s, now=lambda: self.now)
        self.running: list[Ticket] = []
        self.current: set[int] = set()
        """Places in `running` whose end still counts."""
        self.streak = 0
        self.opened_at: float | None = None
        self.trial: Ticket | None = None

    def expected(self) -> str:
        if self.trial is not None:
            return "half_open"
        if self.opened_at is None:
            return "closed"
        return "open" if self.now < self.opened_at + self.cool_down_s else "half_open"

    @rule(seconds=st.sampled_from([0.5, 1.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def enter(self) -> None:
        before, trying = self.expected(), self.trial is not None
        try:
            ticket = self.breaker.enter()
        except BreakerOpen:
            assert before == "open" or trying
            return
        assert before == "closed" or (before == "half_open" and not trying)
        self.running.append(ticket)
        if before == "half_open":
            self.trial = ticket

    def take(self, data: st.DataObject) -> Ticket:
        return self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))

    def counts(self, ticket: Ticket) -> bool:
        """While a trial runs only its own end counts, and while the breaker is open none; what began before it opened never does."""
        return ticket is self.trial if self.trial is not None else self.opened_at is None and ticket.era == self.breaker._era

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        ticket = self.take(data)
        if self.counts(ticket):
            self.streak, self.opened_at, self.trial = 0, None, None
        self.breaker.succeeded(ticket)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        ticket = self.take(data)
        if self.counts(ticket):
            self.streak += 1
            if self.trial is not None or self.streak >= self.threshold:
                self.opened_at, self.trial = self.now, None
        self.breaker.failed(ticket)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        ticket = self.take(data)
        if self.trial is not None and ticket is self.trial:
            self.trial = None
        self.breaker.forgotten(ticket)

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state == self.expected()


BreakerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestBreaker = BreakerMachine.TestCase
