"""What the caller has really heard, learnt from the marks that come back from the telephone network."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

from workbench.audio.frames import FRAME_MS

TRIM_ABOVE_MS = 600.0
"""When so much waits unheard, quiet frames are left out until less does: after a burst the caller would hear everything late for good."""
MAX_UNHEARD_MS = 3_000.0
"""When so much waits, nothing more is sent; nobody wants to hear it that late."""
KEPT_DELAYS = 4_096


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds from handing over the end of a frame until its mark came back: the network's way there and back, and its buffer."""

    median_ms: float
    largest_ms: float
    n: int


@dataclass(slots=True)
class _Sent:
    name: str
    at_s: float
    total_ms: float


class Playout:
    """Counts what was sent and what came back as heard. Times are given by the caller, in seconds of one clock."""

    def __init__(self) -> None:
        self._round = 0
        self._number = 0
        self._sent_ms = 0.0
        self._heard_ms = 0.0
        self._waiting: deque[_Sent] = deque()
        self._delays: deque[float] = deque(maxlen=KEPT_DELAYS)
        self._answers = False

    @property
    def unheard_ms(self) -> float | None:
        """Sound that was sent and has not come back as heard; None while the other side has never answered a mark."""
        return self._sent_ms - self._heard_ms if self._answers else None

    def wanted(self, *, quiet: bool) -> bool:
        """Whether the next frame should be sent."""
        unheard = self.unheard_ms
        return unheard is None or unheard < (TRIM_ABOVE_MS if quiet else MAX_UNHEARD_MS)

    def sent(self, ms: float, now_s: float) -> str:
        """So much sound was handed over; gives the name of the mark to send after it."""
        self._number += 1
        self._sent_ms += ms
        name = f"{self._round}.{self._number}"
        self._waiting.append(_Sent(name, now_s, self._sent_ms))
        return name

    def heard(self, name: str, now_s: float) -> bool:
        """A mark came back. False for one that is not waited for: of sound that was cleared, or made up."""
        if not any(sent.name == name for sent in self._waiting):
            return False
        while True:
            sent = self._waiting.popleft()
            if sent.name == name:
                break
        self._heard_ms = sent.total_ms
        self._answers = True
        self._delays.append(max(0.0, (now_s - sent.at_s) * 1_000 - FRAME_MS))
        return True

    def cleared(self) -> float | None:
        """Everything unheard was dropped; gives how much in ms, None where that cannot be known. Marks of it that still come back, as
        the network sends them for dropped sound too, count for nothing."""
        unheard = self.unheard_ms
        self._round += 1
        self._waiting.clear()
        self._heard_ms = self._sent_ms
        return unheard

    def take_delays(self) -> Delays | None:
        """The delays since the last call; None of nothing."""
        if not self._delays:
            return None
        found = Delays(statistics.median(self._delays), max(self._delays), len(self._delays))
        self._delays.clear()
        return found
