"""A recorded talk told again: the same events, with turns, barge-ins and backchannels derived anew by the definitions of today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from workbench.conversation.turn_tracker import TurnTracker
from workbench.engines.base import Stopped
from workbench.events import (
    AgentSpeech,
    AgentStopped,
    AgentText,
    Backchannel,
    BargeIn,
    Event,
    FrameTiming,
    SessionClosed,
    TurnEnded,
    UserSpeech,
    UserText,
)

E = TypeVar("E", bound=Event)


def typed(event: BargeIn) -> bool:
    """A barge-in by typing: there is no onset in the sound to derive it from, so it stays as it was recorded."""
    return event.outcome == "yielded" and event.stop_latency_ms is None


def replay(recorded: Iterable[Event]) -> Iterator[Event]:
    """The events of one talk in order of publication, its derived ones made anew. Nothing changes while the definitions do not, except
    that a talk that a crash cut off gets the turns it was too late for."""
    return _Replay().run(recorded)


class _Replay:
    def __init__(self) -> None:
        self._tracker = TurnTracker(self._publish)
        self._now = 0
        self._derived: list[Event] = []

    def run(self, recorded: Iterable[Event]) -> Iterator[Event]:
        for event in recorded:
            self._now = event.noticed_samples
            match event:
                case TurnEnded() | Backchannel():
                    continue
                case BargeIn() if not typed(event):
                    continue
                case UserSpeech():
                    self._tracker.edge("user", event.edge, event.at_samples)
                case AgentSpeech():
                    self._tracker.edge("agent", event.edge, event.at_samples)
                case AgentStopped():
                    self._tracker.stopped(event.at_samples, Stopped(event.heard_text, event.cancelled_text))
                case UserText() | AgentText():
                    self._tracker.words(event)
                case FrameTiming():
                    self._tracker.settle(event.at_samples)
                case SessionClosed():
                    self._tracker.settle(event.at_samples, closing=True)
                case _:
                    pass
            yield from self._derived
            self._derived.clear()
            yield event

    def _publish(self, event: type[E], /, *, at_samples: int, **fields: Any) -> E:
        made = event(at_samples=at_samples, noticed_samples=self._now, **fields)
        self._derived.append(made)
        return made
