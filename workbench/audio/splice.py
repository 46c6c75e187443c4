"""Making a stretch of sound longer or shorter where it is heard least."""

from __future__ import annotations

import numpy as np

from workbench.audio.frames import Pcm

FADE_SAMPLES = 96
"""4 ms: long enough that the joint does not click."""
_STEP = 48

_RISE: Pcm = (0.5 - 0.5 * np.cos(np.pi * (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES)).astype(np.float32)


def quietest(pcm: Pcm, width: int) -> tuple[int, float]:
    """Where the quietest window of `width` samples begins (in steps of 2 ms), and its RMS."""
    energy = np.concatenate(([0.0], np.cumsum(np.square(pcm, dtype=np.float64))))
    starts = np.arange(0, pcm.size - width + 1, _STEP)
    sums = energy[starts + width] - energy[starts]
    best = int(np.argmin(sums))
    return int(starts[best]), float(np.sqrt(max(0.0, sums[best]) / width))


def shorten(pcm: Pcm, begin: int, samples: int) -> Pcm:
    """`pcm` without `samples` of it from about `begin` on, cross-faded over `FADE_SAMPLES`."""
    fade = FADE_SAMPLES
    joint = pcm[begin : begin + fade] * (1 - _RISE) + pcm[begin + samples : begin + samples + fade] * _RISE
    return np.concatenate((pcm[:begin], joint, pcm[begin + samples + fade :]))


def lengthen(pcm: Pcm, begin: int, samples: int) -> Pcm:
    """`pcm` with the `samples` from `begin` on heard twice, cross-faded over `FADE_SAMPLES`."""
    fade, again = FADE_SAMPLES, begin + samples
    joint = pcm[again : again + fade] * (1 - _RISE) + pcm[begin : begin + fade] * _RISE
    return np.concatenate((pcm[:again], joint, pcm[begin + fade :]))
