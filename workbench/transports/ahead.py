"""A client that sends faster than real time is slowed down by TCP itself: its next bytes are left in its own socket."""

from __future__ import annotations

from workbench.audio.frames import SAMPLE_RATE

_REFILL = 1.01
"""How fast the allowance recovers; more than the 200 ppm a client's clock may be fast."""
MAX_WAIT_S = 0.5


class Ahead:
    """How far one client is ahead of real time."""

    def __init__(self, max_ahead_s: float) -> None:
        self._max_s = max_ahead_s
        self._ahead_s = 0.0
        self._last_s: float | None = None

    def took(self, samples: int, now_s: float) -> float:
        """So many samples at 24 kHz came now. Gives how long to leave the next ones unread, in seconds."""
        passed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._ahead_s = max(0.0, self._ahead_s - passed_s * _REFILL) + samples / SAMPLE_RATE
        return max(0.0, min(MAX_WAIT_S, self._ahead_s - self._max_s))
