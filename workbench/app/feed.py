"""A talk as its viewers see it: what has happened so far, and then what happens, a few messages a second."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from workbench.app.levels import FLOOR_DB, LEVEL_MS, LEVELS_PER_FRAME, frame_levels
from workbench.app.measures import Measures
from workbench.app.wire import wire
from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm
from workbench.events import Event, UserText

KEPT_FRAMES = 375
"""30 s of levels: what the strip shows."""
KEPT_EVENTS = 2_000
"""The transcript and marks that a late viewer gets; the oldest go first."""
WAITING_EVENTS = 500
WAITING_MESSAGES = 32
STEPS_EVERY_FRAMES = 12
"""The step time is told about once a second."""


class Levels(NamedTuple):
    """One frame of the strip, both stems, in dB."""

    frame: int
    user: list[int]
    agent: list[int]


class Viewer:
    """What waits for one socket. Everything is bounded: the oldest is dropped and counted, the talk never waits."""

    def __init__(self) -> None:
        self.missed = 0
        """Frames and events that this viewer was too slow for."""
        self._levels: deque[Levels] = deque(maxlen=KEPT_FRAMES)
        self._events: deque[dict[str, Any]] = deque(maxlen=WAITING_EVENTS)
        self._messages: deque[dict[str, Any]] = deque(maxlen=WAITING_MESSAGES)
        self._measures: dict[str, Any] | None = None
        self._wake = asyncio.Event()

    def tell(self, message: dict[str, Any]) -> None:
        """A message of its own."""
        self._messages.append(message)
        self._wake.set()

    def begin(self, snapshot: dict[str, Any]) -> None:
        """A talk from its state so far; what waited of another talk is void."""
        self._levels.clear()
        self._events.clear()
        self._measures = None
        self.tell(snapshot)

    def frame(self, levels: Levels) -> None:
        self.missed += len(self._levels) == self._levels.maxlen
        self._levels.append(levels)
        self._wake.set()

    def event(self, shown: dict[str, Any]) -> None:
        self.missed += len(self._events) == self._events.maxlen
        self._events.append(shown)
        self._wake.set()

    def measures(self, told: dict[str, Any]) -> None:
        """The newest figures; older ones that still wait are of no use."""
        self._measures = told
        self._wake.set()

    async def take(self) -> list[dict[str, Any]]:
        """Waits for something, then gives all that waits: single messages first, the rest as one `update`."""
        await self._wake.wait()
        self._wake.clear()
        taken = list(self._messages)
        self._messages.clear()
        if self._levels or self._events or self._measures is not None:
            taken.append(
                {
                    "type": "update",
                    **_strip(self._levels),
                    "events": list(self._events),
                    "measures": self._measures,
                    "missed": self.missed,
                }
            )
            self._levels.clear()
            self._events.clear()
            self._measures = None
        return taken


def _strip(levels: deque[Levels]) -> dict[str, Any]:
    """Levels as JSON. Frames follow each other without gaps."""
    return {
        "frame": levels[0].frame if levels else None,
        "user": [level for frame in levels for level in frame.user],
        "agent": [level for frame in levels for level in frame.agent],
    }


class TalkFeed:
    """An `Observer` of one talk. Keeps the state so far, bounded, and tells its viewers."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._levels: deque[Levels] = deque(maxlen=KEPT_FRAMES)
        self._events: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._count = 0
        self._measures = Measures()
        self._viewers: set[Viewer] = set()

    def watch(self, viewer: Viewer) -> None:
        """The viewer gets the state so far, and everything from now on."""
        viewer.begin(self.snapshot())
        self._viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """The viewer gets nothing more of this talk. May be called twice."""
        self._viewers.discard(viewer)

    def snapshot(self) -> dict[str, Any]:
        """The state so far: the last 30 s of levels, the events that are kept, the figures over the whole talk."""
        return {
            "type": "talk",
            "session_id": self.session_id,
            "frame_ms": FRAME_MS,
            "level_ms": LEVEL_MS,
            "levels_per_frame": LEVELS_PER_FRAME,
            "floor_db": FLOOR_DB,
            **_strip(self._levels),
            "events": list(self._events.values()),
            "measures": self._measures.told(),
        }

    def on_event(self, event: Event) -> None:
        """Keeps it where it is shown, and tells the viewers."""
        if self._measures.add(event):
            self._tell_measures()
        shown = wire(event)
        if shown is None:
            return
        self._count += 1
        # A guess is replaced by the next event of its utterance, so only the newest is kept.
        key = f"utterance {event.utterance_id}" if isinstance(event, UserText) else str(self._count)
        self._events.pop(key, None)
        self._events[key] = shown
        if len(self._events) > KEPT_EVENTS:
            self._events.popitem(last=False)
        for viewer in self._viewers:
            viewer.event(shown)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Both stems of a tick as levels."""
        levels = Levels(start_samples // FRAME_SAMPLES, frame_levels(user), frame_levels(agent))
        self._levels.append(levels)
        for viewer in self._viewers:
            viewer.frame(levels)
        if levels.frame % STEPS_EVERY_FRAMES == 0:
            self._tell_measures()

    def _tell_measures(self) -> None:
        if self._viewers:
            told = self._measures.told()
            for viewer in self._viewers:
                viewer.measures(told)
