"""What packet timestamps tell about a sender: its delay, its jitter, and how fast its clock runs against ours.

Every packet gives one pair (arrival on our clock, timestamp on the sender's). Their difference is the sender's unknown offset plus
the packet's travel time. Queues only ever add to the travel time, so the lower envelope of the difference is the offset, and the
slope of the envelope is the clocks' difference in rate.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from workbench.audio.frames import SAMPLE_RATE

BUCKET_S = 1.0
"""The envelope has one point per second of arrivals."""
RECENT_BUCKETS = 4
"""The offset is the least difference of the last 4 s; at 200 ppm it has moved by 0.8 ms since."""
RATE_BUCKETS = 300
"""The rate is fitted over the last 5 minutes at most."""
LEAST_RATE_BUCKETS = 10
"""Fewer seconds than this give no rate: jitter would pass for drift."""
JITTER_PACKETS = 1_000
OUTLIER_SAMPLES = SAMPLE_RATE // 2
"""A packet that is half a second late tells of an interruption, not of jitter."""


class DelayEstimator:
    """Watches one sender. All values in samples at 24 kHz."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT_BUCKETS)
        self._envelope: deque[tuple[float, float]] = deque(maxlen=RATE_BUCKETS)
        self._late: deque[float] = deque(maxlen=JITTER_PACKETS)
        self._bucket_end: float | None = None
        self._bucket: tuple[float, float] | None = None
        self._base = 0.0
        self.drift_ppm: float | None = None
        """The sender's clock against ours in parts per million, positive = fast. None before it is known."""

    def observe(self, arrival: float, media_end: int) -> None:
        """One packet: when it came, and the timestamp of the end of its sound."""
        delay = arrival - media_end
        if self._bucket_end is None or arrival >= self._bucket_end:
            self._close_bucket()
            self._bucket_end = arrival + BUCKET_S * SAMPLE_RATE
        if self._bucket is None or delay < self._bucket[1]:
            self._bucket = (arrival, delay)
            self._base = min((*self._recent, delay))
        if (late := delay - self._base) < OUTLIER_SAMPLES:
            self._late.append(late)

    @property
    def base(self) -> float:
        """Offset of our clock to the sender's, plus the shortest travel time: `arrival - media_end` of a packet that met no queue."""
        return self._base

    def jitter(self, percentile: float = 99.0) -> float:
        """How much later than the fastest the slowest packets come."""
        return float(np.percentile(np.asarray(self._late), percentile)) if self._late else 0.0

    def forget_jitter(self) -> None:
        """What came so far was held up by ourselves."""
        self._late.clear()

    def forget_offset(self) -> None:
        """The sender paused: its offset may be another, its rate is still the same."""
        self._recent.clear()
        self._bucket = None
        self._bucket_end = None

    def forget_rate(self) -> None:
        """The sender's timestamps begin afresh."""
        self.forget_offset()
        self._envelope.clear()
        self.drift_ppm = None

    def _close_bucket(self) -> None:
        if self._bucket is None:
            return
        self._recent.append(self._bucket[1])
        self._envelope.append(self._bucket)
        self._bucket = None
        if len(self._envelope) >= LEAST_RATE_BUCKETS:
            points = np.asarray(self._envelope)
            times, delays = points[:, 0] - points[0, 0], points[:, 1]
            for _ in range(2):
                slope, offset = np.polyfit(times, delays, 1)
                above = delays - (slope * times + offset)
                # A second fit without the seconds in which every packet had to queue.
                keep = above <= max(24.0, float(np.std(above)))
                if keep.all() or keep.sum() < LEAST_RATE_BUCKETS:
                    break
                times, delays = times[keep], delays[keep]
            self.drift_ppm = -float(slope) * 1e6
