"""From a synthesiser's own sound to what the talk plays: 24 kHz, beginning with the first sound of the voice."""

from __future__ import annotations

import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm, ms_to_samples, silence
from workbench.audio.resample import StreamResampler

SILENCE_LEVEL = 0.01
"""Samples below this (-40 dBFS) before the first louder one count as leading silence: flite's pauses are noise of up to -46 dBFS."""
LEAD_MS = 10
"""Leading silence that is kept, so that a soft first consonant is not cut."""


class Shaper:
    """One text's sound: chunks `[n]` at `rate` in, chunks at 24 kHz out, leading silence trimmed to `LEAD_MS`."""

    def __init__(self, rate: int) -> None:
        self._resampler = StreamResampler(rate, SAMPLE_RATE)
        # The filter still holds the last sound when the text ends; this much silence at `rate` pushes it out.
        self._tail = -(-self._resampler.delay_samples * rate // SAMPLE_RATE)
        self._lead: Pcm | None = silence(0)

    def push(self, pcm: Pcm) -> Pcm:
        """Takes `[n]` samples at `rate`; gives what may be played by now, possibly nothing."""
        sound = self._resampler.push(pcm)
        if self._lead is None:
            return sound
        sound = np.concatenate((self._lead, sound))
        loud = np.flatnonzero(np.abs(sound) >= SILENCE_LEVEL)
        kept = ms_to_samples(LEAD_MS)
        if len(loud):
            self._lead = None
            return sound[max(0, int(loud[0]) - kept) :]
        self._lead = sound[max(0, len(sound) - kept) :]
        return silence(0)

    def flush(self) -> Pcm:
        """The end of the text: what the filter still holds. Empty when nothing was ever audible."""
        return self.push(silence(self._tail)) if self._tail else silence(0)
