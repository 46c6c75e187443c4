"""Voice activity: from a stream of sound to the edges of speech, at exact sample positions.

`SpeechDetector` (silero VAD) hears speech in whatever comes from a microphone. `EnergyDetector` marks the sound of a clean,
synthetic stem. Both count samples at their own rate from their first `push`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from workbench.audio.frames import LISTEN_RATE, SAMPLE_RATE, Pcm, ms_to_samples
from workbench.audio.onnx import SILERO_VAD, open_model

WINDOW_SAMPLES = 512
"""What silero judges at once: 32 ms at 16 kHz."""
CONTEXT_SAMPLES = 64
"""The end of the window before, which silero wants in front."""
START_PROBABILITY = 0.5
STOP_PROBABILITY = 0.35
"""Silero's own pair of thresholds: a window is speech from 0.5 up, and stays speech down to 0.35."""
START_WINDOWS = 2
"""Speech windows in a row that make a start (64 ms): 131 ms from onset to decision at the median, no false start on noise."""
HOLD_MS = 200.0
"""Silence that ends a stretch of speech. Whether the *turn* is over is `EndOfTurn`'s question."""
ONSET_LAG_MS = 40.0
RELEASE_LAG_MS = 56.0
"""How far silero's first window lies behind the true onset, and its last behind the true end: between the medians against forced
alignment (80, 48) and against the energy of the same 22 clips (43, 65). Single edges scatter: quartiles 4 to 150 and 27 to 87."""

ENERGY_BLOCK_MS = 10
ENERGY_START_DBFS = -45.0
"""A block whose mean power is above this is sound: 15 dB over the noise floor of a neural codec, 20 dB under quiet speech."""


@dataclass(frozen=True, slots=True)
class SpeechEdge:
    """Speech began or ended. Positions are samples at the detector's rate since its first sample."""

    edge: Literal["start", "stop"]
    at: int
    """Where the edge is in the sound, dated back."""
    decided: int
    """The end of the sound that the detector had to hear to be sure."""


class Detector(Protocol):
    """Finds the edges of speech in one stream."""

    name: str
    rate: int

    @property
    def speaking(self) -> bool: ...

    @property
    def position(self) -> int:
        """Samples judged so far."""
        ...

    @property
    def silence_samples(self) -> int:
        """Samples since the end of the last speech, 0 while it sounds; grows within `speaking` until the hold is over."""
        ...

    def push(self, pcm: Pcm) -> list[SpeechEdge]:
        """The next `[n]` samples, any n; the edges they decide, in order."""
        ...

    def finish(self) -> list[SpeechEdge]:
        """The stream has ended: the stop that was still open, if any."""
        ...


class SileroVad:
    """One stream's silero state over the shared model. 72 us per window."""

    def __init__(self) -> None:
        self._model = open_model(SILERO_VAD)
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context: Pcm = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
        self._rate = np.array(LISTEN_RATE, dtype=np.int64)

    def probability(self, window: Pcm) -> float:
        """Probability of speech in the next window, `[512]` at 16 kHz."""
        sound = np.concatenate((self._context, window))[None, :]
        answer, self._state = self._model.run(None, {"input": sound, "state": self._state, "sr": self._rate})
        self._context = window[-CONTEXT_SAMPLES:]
        return float(answer[0, 0])


class _Edges:
    """Turns judged blocks into edges: a run of loud blocks starts speech, silence of `hold` samples ends it."""

    def __init__(self, block: int, start_blocks: int, hold: int, onset_lag: int = 0, release_lag: int = 0) -> None:
        self._block = block
        self._start_blocks = start_blocks
        self._hold = hold
        self._onset_lag = onset_lag
        self._release_lag = release_lag
        self._pending: Pcm = np.zeros(0, dtype=np.float32)
        self._run = 0
        self._last_edge = 0
        self.speaking = False
        self.position = 0
        self.voice_end = 0

    def blocks(self, pcm: Pcm) -> Iterator[Pcm]:
        """Whole blocks out of what has come so far; the rest waits."""
        sound = np.concatenate((self._pending, pcm))
        whole = len(sound) - len(sound) % self._block
        self._pending = sound[whole:]
        for first in range(0, whole, self._block):
            yield sound[first : first + self._block]

    def judge(self, loud: bool) -> SpeechEdge | None:
        self.position += self._block
        if loud:
            self._run += 1
            if not self.speaking and self._run < self._start_blocks:
                return None
            self.voice_end = self.position
            return None if self.speaking else self._edge("start", self.position - self._run * self._block - self._onset_lag)
        self._run = 0
        if self.speaking and self.position - self.voice_end >= self._hold:
            return self.stop()
        return None

    def stop(self) -> SpeechEdge:
        return self._edge("stop", self.voice_end - self._release_lag)

    def _edge(self, edge: Literal["start", "stop"], at: int) -> SpeechEdge:
        self.speaking = edge == "start"
        # Edges never cross, however far they are dated back.
        self._last_edge = max(self._last_edge, at)
        return SpeechEdge(edge, self._last_edge, self.position)


class _BlockDetector:
    """What both detectors share: a stream cut into blocks, each judged once."""

    def __init__(self, edges: _Edges) -> None:
        self._edges = edges

    def _loud(self, block: Pcm) -> bool:
        raise NotImplementedError

    @property
    def speaking(self) -> bool:
        return self._edges.speaking

    @property
    def position(self) -> int:
        return self._edges.position

    @property
    def silence_samples(self) -> int:
        return self._edges.position - self._edges.voice_end

    def push(self, pcm: Pcm) -> list[SpeechEdge]:
        found = (self._edges.judge(self._loud(block)) for block in self._edges.blocks(pcm))
        return [edge for edge in found if edge]

    def finish(self) -> list[SpeechEdge]:
        return [self._edges.stop()] if self.speaking else []


class SpeechDetector(_BlockDetector):
    """Speech in a 16 kHz stream by silero VAD, judged in windows of 512 samples (32 ms).

    `at` is corrected by the detector's measured lag; `silence_samples` is not, it counts whole windows without speech.
    """

    name = "silero"
    rate = LISTEN_RATE

    def __init__(
        self, *, start_windows: int = START_WINDOWS, start_probability: float = START_PROBABILITY, hold_ms: float = HOLD_MS
    ) -> None:
        lags = _samples(ONSET_LAG_MS), _samples(RELEASE_LAG_MS)
        super().__init__(_Edges(WINDOW_SAMPLES, start_windows, _samples(hold_ms), *lags))
        self._vad = SileroVad()
        self._start_probability = start_probability

    def _loud(self, block: Pcm) -> bool:
        return self._vad.probability(block) >= (STOP_PROBABILITY if self.speaking else self._start_probability)


class EnergyDetector(_BlockDetector):
    """Audible sound in a clean stem at 24 kHz, in blocks of 10 ms: a loud block starts it, `hold_ms` without one ends it."""

    name = "energy"
    rate = SAMPLE_RATE

    def __init__(self, *, threshold_dbfs: float = ENERGY_START_DBFS, hold_ms: float = HOLD_MS) -> None:
        super().__init__(_Edges(ms_to_samples(ENERGY_BLOCK_MS), 1, ms_to_samples(hold_ms)))
        self._threshold = 10 ** (threshold_dbfs / 10)

    def _loud(self, block: Pcm) -> bool:
        return float(np.mean(np.square(block))) > self._threshold


def _samples(ms: float) -> int:
    return round(ms * LISTEN_RATE / 1_000)
