"""Telephone sound for listeners that were taught on wideband speech.

A telephone carries nothing above 4 kHz. Recognisers and models that learnt from wider sound never met an empty band, and understand little
with one: `benchmarks/phone_words.py` measures it. So the band above is filled, 20 dB down, with the mirror image of the one below.
"""

from __future__ import annotations

import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.mulaw import TELEPHONE_RATE
from workbench.audio.resample import StreamResampler

IMAGE_GAIN = 0.1
"""-20 dB."""


class TelephoneBand:
    """One caller's sound from 8 kHz to 24 kHz, chunk by chunk: `n` samples in, `3 n` out, 4.5 ms later. Raises nothing."""

    def __init__(self) -> None:
        self._smooth = StreamResampler(TELEPHONE_RATE, 2 * TELEPHONE_RATE)
        self._up = StreamResampler(2 * TELEPHONE_RATE, SAMPLE_RATE)
        self._delayed: Pcm = np.zeros(self._smooth.delay_samples, np.float32)

    def push(self, pcm: Pcm) -> Pcm:
        """Takes the next `[n]` samples at 8 kHz, gives `[3 n]` at 24 kHz."""
        below = self._smooth.push(pcm)
        # A zero after every sample: the band and its image above 4 kHz, equally loud.
        stuffed = np.zeros(2 * pcm.size, np.float32)
        stuffed[::2] = 2 * pcm
        both = np.concatenate((self._delayed, stuffed))
        self._delayed = both[stuffed.size :]
        return self._up.push((below + IMAGE_GAIN * (both[: stuffed.size] - below)).astype(np.float32))
