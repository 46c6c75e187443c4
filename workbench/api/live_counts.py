"""What has happened so far in the talks that go on, counted from their events: at once, and also while the store cannot be written."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable

from workbench.audio.frames import Pcm
from workbench.events import Event, FrameTiming, SessionClosed, ToolProposed, ToolStarted, TurnEnded
from workbench.talk import Observer

KEPT_FRAMES = 375
"""Steps are judged over the last 30 s."""


class TalkCount:
    """An `Observer` of one talk."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self.turns = 0
        self._invocations: set[str] = set()
        self._steps_ms: deque[float] = deque(maxlen=KEPT_FRAMES)
        self._on_closed = on_closed

    @property
    def tools(self) -> int:
        """Calls that were proposed or begun."""
        return len(self._invocations)

    @property
    def step_ms(self) -> float | None:
        """The engine's own work on a frame, median of the last 30 s; None in a talk without frames."""
        return statistics.median(self._steps_ms) if self._steps_ms else None

    def on_event(self, event: Event) -> None:
        match event:
            case FrameTiming():
                self._steps_ms.append(event.engine_ms)
            case TurnEnded():
                self.turns += 1
            case ToolProposed() | ToolStarted():
                self._invocations.add(event.invocation_id)
            case SessionClosed():
                self._on_closed()
            case _:
                pass

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is not counted."""


class LiveCounts:
    """The counts of all talks that go on, by session id."""

    def __init__(self) -> None:
        self._counts: dict[str, TalkCount] = {}

    def follow(self, session_id: str, observe: Callable[[Observer], None]) -> None:
        """From now until its end. `observe` takes an observer into the talk."""
        count = self._counts[session_id] = TalkCount(lambda: self._forget(session_id))
        observe(count)

    def get(self, session_id: str) -> TalkCount | None:
        """None when no talk of this id is followed."""
        return self._counts.get(session_id)

    def _forget(self, session_id: str) -> None:
        self._counts.pop(session_id, None)
