"""The agent's sound between the socket and the talk: cut into frames, with the words that begin in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from workbench.audio.frames import FRAME_MS, FRAME_SAMPLES, Pcm, silence
from workbench.audio.timeline import QUIET_RMS
from workbench.engines.base import TextPiece

MAX_WAITING = 5
"""Frames (400 ms) that may wait to be played; a longer delay is worse to talk with than a gap."""


@dataclass(slots=True)
class PlayedFrame:
    """80 ms of the agent [1920], the pieces that begin in it, and what is to be done once it is played."""

    pcm: Pcm
    pieces: tuple[TextPiece, ...] = ()
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def audible(self) -> bool:
        return bool(np.sqrt(np.mean(np.square(self.pcm, dtype=np.float64))) > QUIET_RMS)


class Playout:
    """Frames that came and are not played yet, oldest first. In step with the server it is empty between two ticks."""

    def __init__(self, *, waiting: int = 0, most: int = MAX_WAITING) -> None:
        """`waiting`: silent frames that may wait without being left out, where sound comes in bursts; `most`: the oldest goes beyond it."""
        self._waiting = waiting
        self._most = most
        self.dropped = 0
        """Frames thrown away because too many waited."""
        self.skipped = 0
        """Frames of silence left out to catch up with the server."""
        self._frames: deque[PlayedFrame] = deque()
        self._rest = silence(0)
        self._pieces: list[TextPiece] = []

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def behind_ms(self) -> int:
        """How much sound waits."""
        return len(self._frames) * FRAME_MS

    def sound(self, pcm: Pcm) -> None:
        """The next samples [n]. Drops the oldest frame when more than `most` would wait."""
        self._rest = np.concatenate((self._rest, pcm))
        while self._rest.size >= FRAME_SAMPLES:
            frame, self._rest = self._rest[:FRAME_SAMPLES], self._rest[FRAME_SAMPLES:]
            self._frames.append(PlayedFrame(frame, tuple(self._pieces)))
            self._pieces.clear()
        while len(self._frames) > self._most:
            self._drop_first()
            self.dropped += 1

    def piece(self, text: str, *, forced: bool) -> None:
        """A piece of words; its sound begins with the next sample that comes."""
        self._pieces.append(TextPiece(text, forced, self._rest.size))

    def afterwards(self, call: Callable[[], None]) -> None:
        """Has `call` made once all that has come so far is played or dropped."""
        if self._frames:
            self._frames[-1].afterwards.append(call)
        else:
            call()

    def catch_up(self) -> None:
        """Leaves out silence that waits: what is played late in a pause can be given up without loss."""
        while len(self._frames) > self._waiting and not self._frames[0].pieces and not self._frames[0].audible:
            self._drop_first()
            self.skipped += 1

    def take(self) -> PlayedFrame | None:
        """The oldest frame, None when none is there. The caller makes the calls that are due after it."""
        return self._frames.popleft() if self._frames else None

    def _drop_first(self) -> None:
        for call in self._frames.popleft().afterwards:
            call()
