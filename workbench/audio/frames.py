"""The unit of everything: mono float32 PCM at 24 kHz in frames of 1920 samples (80 ms), as Mimi uses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
"""Mono samples in [-1, 1], shape [n]. The rate is 24 kHz unless a name says otherwise (`pcm_16k`)."""

SAMPLE_RATE = 24_000
"""Samples per second of session time."""
FRAME_SAMPLES = 1_920
FRAME_MS = 80
FRAME_RATE = 12.5
SAMPLES_PER_MS = SAMPLE_RATE // 1_000

LISTEN_RATE = 16_000
"""Samples per second that detectors and recognisers take."""


def silence(samples: int = FRAME_SAMPLES) -> Pcm:
    """`samples` of digital silence."""
    return np.zeros(samples, dtype=np.float32)


def ms_to_samples(ms: float) -> int:
    """Milliseconds of session time to samples at 24 kHz, rounded."""
    return round(ms * SAMPLES_PER_MS)


def samples_to_ms(samples: int) -> float:
    """Samples at 24 kHz to milliseconds of session time."""
    return samples / SAMPLES_PER_MS


def from_int16(samples: NDArray[np.int16]) -> Pcm:
    """int16 samples of any shape, flattened to float32 in [-1, 1)."""
    return samples.reshape(-1).astype(np.float32) / 32_768.0


def to_int16(pcm: Pcm) -> NDArray[np.int16]:
    """float32 samples to int16, clipped. NaN becomes silence: a broken engine must not write noise."""
    return (np.nan_to_num(pcm).clip(-1.0, 32_767 / 32_768) * 32_768.0).astype(np.int16)
