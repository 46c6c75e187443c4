"""Where a talk's user frames come from."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from workbench.audio.frames import Pcm, silence
from workbench.audio.timeline import TimelineFrame


class UserInput(Protocol):
    """The user's side of the talk: a live timeline (`workbench.audio.timeline`) or a clip."""

    def take(self, samples: int, now_samples: int) -> TimelineFrame:
        """The next `samples` of the user, always of that length; silence where nothing came."""
        ...


class EndingInput(UserInput, Protocol):
    """A user who has said everything at some time, such as a clip."""

    @property
    def exhausted(self) -> bool:
        """Nothing but silence comes any more."""
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

    def take(self, samples: int, now_samples: int) -> TimelineFrame:
        frame = self._pcm[self._position : self._position + samples]
        self._position += frame.size
        if frame.size < samples:
            frame = np.concatenate([frame, silence(samples - frame.size)])
        return TimelineFrame(frame)
