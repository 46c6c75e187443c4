"""What waits to be sent to one listener: messages in full, agent frames only so many."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from workbench.audio.frames import FRAME_SAMPLES
from workbench.engines.base import AgentFrame

M = TypeVar("M")


class Outbox(Generic[M]):
    """A queue in order of arrival. When more than `max_frames` agent frames wait, the oldest frame is dropped and counted: the
    listener misses a moment, and never falls behind for good."""

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._items: deque[AgentFrame | M] = deque()
        self._frames = 0
        self._filled = asyncio.Event()
        self.dropped_samples = 0
        """Agent sound thrown away so far because it was not fetched in time."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def frames(self) -> int:
        """Agent frames that wait."""
        return self._frames

    def play(self, frame: AgentFrame) -> None:
        """Appends 80 ms of the agent."""
        if self._frames >= self._max_frames:
            oldest = next(index for index, item in enumerate(self._items) if isinstance(item, AgentFrame))
            del self._items[oldest]
            self._frames -= 1
            self.dropped_samples += FRAME_SAMPLES
        self._items.append(frame)
        self._frames += 1
        self._filled.set()

    def put(self, message: M) -> None:
        """Appends a message; it is never dropped."""
        self._items.append(message)
        self._filled.set()

    def flush(self) -> int:
        """Drops every waiting frame, keeps the messages. Gives the number of samples dropped."""
        dropped = self._frames * FRAME_SAMPLES
        self._items = deque(item for item in self._items if not isinstance(item, AgentFrame))
        self._frames = 0
        return dropped

    def get_nowait(self) -> AgentFrame | M | None:
        """The oldest item, None when nothing waits."""
        if not self._items:
            self._filled.clear()
            return None
        item = self._items.popleft()
        self._frames -= isinstance(item, AgentFrame)
        return item

    async def get(self) -> AgentFrame | M:
        """Waits for the oldest item."""
        while (item := self.get_nowait()) is None:
            await self._filled.wait()
        return item
