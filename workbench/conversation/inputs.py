"""Where a talk's user frames come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workbench.audio.frames import Pcm, silence


@dataclass(frozen=True, slots=True)
class UserFrame:
    """One frame of the user on session time, and what had to be done to it."""

    pcm: Pcm
    lost_samples: int = 0
    lost_packets: int = 0
    correction_samples: int = 0
    drift_ppm: float = 0.0


class UserInput(Protocol):
    """The user's side of the talk: a live timeline (`workbench.audio.timeline`) or a clip."""

    def take(self, samples: int, now_samples: int) -> UserFrame:
        """The next `samples` of the user, always of that length; silence where nothing came."""
        ...


class ClipInput:
    """A clip as the user: its samples, then silence for ever. `exhausted` tells when the clip itself is over."""

    def __init__(self, pcm: Pcm) -> None:
        self._pcm = pcm
        self._position = 0

    @property
    def exhausted(self) -> bool:
        return self._position >= self._pcm.size

    def append(self, pcm: Pcm) -> None:
        """Says something more, from the next frame on."""
        self._pcm = np.concatenate([self._pcm[self._position :], pcm])
        self._position = 0

    def take(self, samples: int, now_samples: int) -> UserFrame:
        frame = self._pcm[self._position : self._position + samples]
        self._position += frame.size
        if frame.size < samples:
            frame = np.concatenate([frame, silence(samples - frame.size)])
        return UserFrame(frame)
