"""The agent is kept quiet while somebody has a reason for it, and not a moment longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.audio.frames import Pcm, ms_to_samples, samples_to_ms
from workbench.events import EngineChosen, Event
from workbench.talk import Talk

MAX_ORDER_MS = 20_000.0
"""Of one order to hold; a longer reason orders again. Engines have limits of their own, and one that lost its talk must not be held."""
RENEW_MS = 1_000.0
"""So long before an order runs out the next one is given."""


class Hold:
    """The reasons of one talk to hold its agent, each until a time or until it is over. An observer: a new engine is held like the old.

    While the bridge has something said, nothing is ordered: a hold would keep back what is still to be said, and speech ends the
    engine's hold in any case. When it is out, the reasons that are left hold the agent again."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._until: dict[str, int] = {}
        self._sayings = 0
        self._held = False
        self._ordered_until = 0

    def begin(self, reason: str, max_ms: float) -> None:
        """Holds for `reason` (an invocation's id), at most `max_ms` of session time."""
        self._until[reason] = self._talk.clock.now_samples + ms_to_samples(max_ms)
        self._apply()

    def end(self, reason: str) -> None:
        """The reason is over; with the last one the agent is free. Does nothing for one that is not known."""
        if self._until.pop(reason, None) is not None:
            self._apply()

    @contextmanager
    def saying(self) -> Iterator[None]:
        """Around something that the bridge has said."""
        self._sayings += 1
        try:
            yield
        finally:
            self._sayings -= 1
            self._apply()

    def engine_spoke(self) -> None:
        """The engine said what it was given, which ended its hold. What it holds of itself after a barge-in is left alone."""
        self._held = False

    def on_event(self, event: Event) -> None:
        """A new engine knows nothing of the old one's hold."""
        if isinstance(event, EngineChosen) and self._until:
            self._apply()

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """An order that runs out before its reason is given again."""
        if (
            self._until
            and start_samples > self._ordered_until - ms_to_samples(RENEW_MS)
            and max(self._until.values()) > self._ordered_until
        ):
            self._apply()

    def _apply(self) -> None:
        if self._sayings or not (self._until or self._held):
            return
        now = self._talk.clock.now_samples
        ms = min(MAX_ORDER_MS, samples_to_ms(max(0, max(self._until.values(), default=0) - now)))
        self._talk.hold(ms)
        self._ordered_until = now + ms_to_samples(ms)
        self._held = bool(self._until)
