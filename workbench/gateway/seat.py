"""One visitor of the gateway: what was asked for, what waits, and what has happened."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.gateway.rollover import Rollover
from workbench.gateway.sampling import Sampling
from workbench.gateway.say import Speech
from workbench.gateway.snapshots import Snapshot
from workbench.gateway.voices import Voice
from workbench.pieces import PieceJoiner

MAX_FRAMES = 12
"""User frames that may wait (0.96 s). A backlog is delay for ever, so the oldest goes."""

Reason = Literal["closed", "idle", "length", "bad_audio", "failed", "prompt", "engine", "shutdown"]


class Listener(Protocol):
    """Who is told about a talk. Called on the owner thread: must return at once, and may not call back into the slots."""

    def waiting(self, position: int) -> None:
        """All slots are taken; `position` 1 is the next to be served."""
        ...

    def ready(self, info: dict[str, Any]) -> None:
        """The prompt is taken in; frames are heard from now on."""
        ...

    def frame(self, pcm: Pcm, piece: str, forced: bool) -> None:
        """80 ms of the agent [1920] and the text that belongs to it, empty for a pause and in the middle of a sign."""
        ...

    def notice(self, kind: str, data: dict[str, Any]) -> None:
        """Something to know: `dropped`, `said`, `rolled_over`."""
        ...

    def ended(self, reason: Reason, message: str) -> None:
        """Nothing comes after this."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a visitor asks for, checked already."""

    voice: Voice
    text: str
    text_ids: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0


@dataclass(slots=True, eq=False)
class Seat:
    """A visitor, from asking to leaving. `frames` and `closed` are guarded by the slots' lock, the rest is the owner thread's."""

    request: Request
    listener: Listener
    rollover: Rollover
    frames: deque[Pcm] = field(default_factory=deque)
    closed: bool = False
    row: int | None = None
    live: bool = False
    position: int = 0
    """Place in the queue that the listener was told; 0 once it is served."""
    asked_s: float = field(default_factory=time.monotonic)
    heard_s: float = field(default_factory=time.monotonic)
    """When the visitor's last frame came."""
    began_s: float = 0.0
    stepped: int = 0
    paused: int = 0
    dropped: int = 0
    speech: Speech = field(default_factory=Speech)
    joiner: PieceJoiner = field(default_factory=PieceJoiner)
    next_prompt: Snapshot | None = None

    def take(self, pcm: Pcm) -> int:
        """Queues a frame; gives how many were dropped for it. Raises ValueError for one that is not 1920 finite samples."""
        if pcm.shape != (FRAME_SAMPLES,) or not np.isfinite(pcm).all():
            raise ValueError(f"a frame is {FRAME_SAMPLES} finite float32 samples at 24 kHz; got shape {pcm.shape}")
        self.frames.append(pcm)
        over = max(0, len(self.frames) - MAX_FRAMES)
        for _ in range(over):
            self.frames.popleft()
        self.dropped += over
        return over
