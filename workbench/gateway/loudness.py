"""Loudness of a mono clip at 24 kHz by ITU-R BS.1770-4, as pyloudnorm's `Meter(24000)` measures it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import SAMPLE_RATE, Pcm

BLOCK_SAMPLES = round(0.4 * SAMPLE_RATE)
STEP_SAMPLES = BLOCK_SAMPLES // 4
"""Blocks of 0.4 s overlap by 75 %."""
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
OFFSET_LU = -0.691

Biquad = tuple[tuple[float, float, float], tuple[float, float, float]]


def integrated_lufs(pcm: Pcm) -> float:
    """Gated loudness of `[n]` samples in LUFS; -inf when every block is below the absolute gate.

    Raises ValueError for less than one block of 0.4 s."""
    if len(pcm) < BLOCK_SAMPLES:
        raise ValueError(f"{len(pcm) / SAMPLE_RATE:.2f} s are too short to measure loudness; 0.4 s are needed")
    weighted = _filter(_filter(pcm.astype(np.float64), _high_shelf()), _high_pass())
    # pyloudnorm rounds the number of blocks, so the last one may reach past the end; its missing samples count as silence.
    blocks = round((len(pcm) - BLOCK_SAMPLES) / STEP_SAMPLES) + 1
    squared = np.concatenate(([0.0], np.cumsum(weighted**2)))
    starts = np.arange(blocks) * STEP_SAMPLES
    power = (squared[np.minimum(starts + BLOCK_SAMPLES, len(pcm))] - squared[starts]) / BLOCK_SAMPLES
    with np.errstate(divide="ignore"):
        loudness = OFFSET_LU + 10 * np.log10(np.maximum(power, 0.0))
    loud = loudness >= ABSOLUTE_GATE_LUFS
    if not loud.any():
        return -math.inf
    gate = OFFSET_LU + 10 * math.log10(power[loud].mean()) + RELATIVE_GATE_LU
    return OFFSET_LU + 10 * math.log10(power[loud & (loudness > gate)].mean())


def normalise(pcm: Pcm, target_lufs: float) -> Pcm:
    """The clip at `target_lufs`, not clipped. Raises ValueError for silence or less than 0.4 s."""
    loudness = integrated_lufs(pcm)
    if loudness == -math.inf:
        raise ValueError("the clip is silent")
    return (pcm * 10 ** ((target_lufs - loudness) / 20)).astype(np.float32)


def _high_shelf() -> Biquad:
    """RBJ audio EQ cookbook, high shelf: +4 dB above 1500 Hz, Q 1/sqrt 2."""
    a = 10 ** (4 / 40)
    w = 2 * math.pi * 1500 / SAMPLE_RATE
    alpha = math.sin(w) / (2 / math.sqrt(2))
    cos, root = math.cos(w), 2 * math.sqrt(a) * alpha
    b = (a * ((a + 1) + (a - 1) * cos + root), -2 * a * ((a - 1) + (a + 1) * cos), a * ((a + 1) + (a - 1) * cos - root))
    return b, ((a + 1) - (a - 1) * cos + root, 2 * ((a - 1) - (a + 1) * cos), (a + 1) - (a - 1) * cos - root)


def _high_pass() -> Biquad:
    """RBJ audio EQ cookbook, high pass at 38 Hz, Q 0.5."""
    w = 2 * math.pi * 38 / SAMPLE_RATE
    cos, alpha = math.cos(w), math.sin(w)
    return ((1 + cos) / 2, -(1 + cos), (1 + cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)


def _filter(x: NDArray[np.float64], biquad: Biquad) -> NDArray[np.float64]:
    """Direct form, one pass; a voice clip has some 100,000 samples and is filtered once."""
    (b0, b1, b2), (a0, a1, a2) = biquad
    driven = b0 * x
    driven[1:] += b1 * x[:-1]
    driven[2:] += b2 * x[:-2]
    y = np.empty_like(x)
    last = before = 0.0
    for index, value in enumerate((driven / a0).tolist()):
        last, before = value - (a1 * last + a2 * before) / a0, last
        y[index] = last
    return y
