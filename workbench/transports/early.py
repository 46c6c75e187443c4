"""Sound that comes before its talk is open."""

from __future__ import annotations

from collections import deque

from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.conversation.port import TalkPort

MAX_EARLY_SAMPLES = 3 * SAMPLE_RATE
"""The oldest goes when more is waiting."""


class EarlySound:
    """Keeps packets until there is a talk to take them."""

    def __init__(self) -> None:
        self._packets: deque[tuple[Pcm, int | None, float]] = deque()
        self._samples = 0
        self.dropped_samples = 0

    def push(self, pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
        """As `TalkPort.push`."""
        self._packets.append((pcm, media_samples, arrival_s))
        self._samples += pcm.size
        while self._samples > MAX_EARLY_SAMPLES and len(self._packets) > 1:
            oldest = self._packets.popleft()[0].size
            self._samples -= oldest
            self.dropped_samples += oldest

    def hand_over(self, port: TalkPort) -> None:
        """Gives everything to the talk, with the times at which it came."""
        while self._packets:
            port.push(*self._packets.popleft())
        self._samples = 0
