"""Session time on the wall clock, as spans want it."""

from __future__ import annotations

import time
from collections.abc import Callable

from workbench.audio.frames import SAMPLE_RATE

NS_PER_S = 1_000_000_000


class SessionTime:
    """Nanoseconds since 1970 for samples at 24 kHz. In real time the first frame says where session time lies, since an engine may take
    seconds to open while it stands still; until then everything happens now. Faster than real time it begins at `begin` and goes at its
    own pace, so that the spans of such a talk lie as its rows do."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._zero_ns: int | None = None

    @property
    def anchored(self) -> bool:
        return self._zero_ns is not None

    def anchor(self, now_samples: int) -> None:
        """It is this session time now. Only the first call counts."""
        if self._zero_ns is None:
            self._zero_ns = self._wall_ns() - _ns(now_samples)

    def ns(self, samples: int) -> int:
        return self._wall_ns() if self._zero_ns is None else self._zero_ns + _ns(samples)


def _ns(samples: int) -> int:
    return samples * NS_PER_S // SAMPLE_RATE
