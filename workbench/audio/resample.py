"""Change of sample rate: live streams by a polyphase filter with a fixed short delay, whole clips by soxr.

soxr's stream holds back 12 to 38 ms and gives blocks of uneven length (measured, every quality from LQ up), so a live stream uses
its own filter: 1.5 ms at 16 kHz, and every 80 ms frame in is a whole frame out.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workbench.audio.frames import LISTEN_RATE, SAMPLE_RATE, Pcm

RATE_RANGE = (4_000, 192_000)
"""Sample rates that are taken, in Hz."""
MAX_PHASES = 960
"""Filters per stream; every rate of a sound card or codec needs at most 320 (11,025 Hz), 44,099 Hz would need 24,000."""
HALF_WIDTH = 24
"""Zero crossings of the filter on each side, in samples of the lower rate; also the delay."""
CUTOFF = 0.93
"""Middle of the transition band, as a share of the lower rate's Nyquist frequency."""
KAISER_BETA = 6.76
"""70 dB of stop band (Kaiser 1974: beta = 0.1102 (A - 8.7))."""


def check_rate(rate: int) -> int:
    """The rate itself. Raises ValueError for one outside `RATE_RANGE`."""
    low, high = RATE_RANGE
    if not low <= rate <= high:
        raise ValueError(f"the sample rate is {rate} Hz; give audio between {low} and {high} Hz")
    return rate


@lru_cache(maxsize=16)
def _bank(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """Windowed-sinc filters `[up, taps]`, one per phase, and their delay in output samples. Equation: Oppenheim and Schafer, 7.5."""
    band = min(1.0, up / down)
    half = HALF_WIDTH / band
    delay = ceil(half * up / down)
    delay_in = delay * down / up
    taps = ceil(delay_in + half) + 1
    offsets = (taps - 1) - np.arange(taps)[None, :] + np.arange(up)[:, None] / up - delay_in
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(KAISER_BETA)
    kernel = np.sinc(offsets * band * CUTOFF) * np.where(np.abs(offsets) <= half, window, 0)
    return (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32), delay


class StreamResampler:
    """One mono stream from one rate to another, chunk by chunk, without clicks between chunks.

    After `n` samples in, `ceil(n * to_rate / from_rate)` have come out: 1920 at 24 kHz are always 1280 at 16 kHz and 3840 at
    48 kHz. Output sample `k` is the sound of `k - delay_samples`, so the first `delay_samples` are silence.

    Delay in output samples (measured with an impulse): 24 for 24 to 16 kHz and for 48 to 24 kHz, 48 for 24 to 48 kHz, 36 for 16 to
    24 kHz; 1.0 ms between 24 and 48 kHz, 1.5 ms with 16 kHz. Flat within 0.1 dB to 85 % of the lower Nyquist frequency, -69 dB above
    it. Raises ValueError for a rate that is impossible or unusual.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        common = gcd(check_rate(from_rate), check_rate(to_rate))
        self._up = to_rate // common
        self._down = from_rate // common
        if self._up > MAX_PHASES:
            raise ValueError(f"{from_rate} Hz cannot be streamed to {to_rate} Hz; use a usual rate such as 16000, 44100 or 48000 Hz")
        self._same = from_rate == to_rate
        self._bank, delay = _bank(self._up, self._down)
        self.delay_samples = 0 if self._same else delay
        self._history: Pcm = np.zeros(self._bank.shape[1] - 1, dtype=np.float32)
        self._phase = 0
        """Position of the next output sample after the newest input sample, in input samples times `up`."""

    def push(self, pcm: Pcm) -> Pcm:
        """Takes the next `[n]` samples at `from_rate`, gives what they complete at `to_rate`."""
        if self._same or not len(pcm):
            return pcm
        sound = np.concatenate((self._history, pcm))
        self._history = sound[len(pcm) :]
        count = max(0, ceil((len(pcm) * self._up - self._phase) / self._down))
        windows = sliding_window_view(sound, self._bank.shape[1])
        out = np.empty(count, dtype=np.float32)
        for first in range(min(self._up, count)):
            start, phase = divmod(self._phase + first * self._down, self._up)
            out[first :: self._up] = windows[start :: self._down] @ self._bank[phase]
        self._phase += count * self._down - len(pcm) * self._up
        return out


def to_listen_rate() -> StreamResampler:
    """24 kHz session audio to the 16 kHz that detectors and recognisers take."""
    return StreamResampler(SAMPLE_RATE, LISTEN_RATE)


def resample(pcm: Pcm, from_rate: int, to_rate: int) -> Pcm:
    """A whole clip `[n]` at once, without delay (soxr HQ). Raises ValueError for an impossible rate."""
    check_rate(from_rate)
    check_rate(to_rate)
    if from_rate == to_rate or not len(pcm):
        return pcm
    clip: Pcm = soxr.resample(np.ascontiguousarray(pcm, dtype=np.float32), from_rate, to_rate)
    return clip
