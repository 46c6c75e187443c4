"""A sound whose every moment is known again: where each piece of it lies in a recording, and what of it was silenced.

Noise of one seed: 2.5 s loud, 0.5 s at -62 dBFS, and so on. The quiet parts count as pauses to the user's timeline, and are no zeros:
a stretch of exact zeros in a recording of it stands for sound that was not heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.resample import StreamResampler

RTC_RATE = 48_000
LOUD_S, QUIET_S = 2.5, 0.5
LOUD_RMS, QUIET_RMS = 0.1, 0.0008
PIECE_S = 0.5
"""Length of a piece that is looked for."""
STRAY_MS = 2_000.0
LEAST_LIKENESS = 0.5
"""Correlation below which a piece is not found: its sound was lost, or not the piece."""
LEAST_ZEROS = 48
"""2 ms of exact zeros in a row are a hole; noise has no such."""

Samples = NDArray[np.float64]


def noise(seconds: float, seed: int) -> Pcm:
    """The signal at 48 kHz, 200 to 6,000 Hz."""
    count = round(seconds * RTC_RATE)
    white = np.random.default_rng(seed).standard_normal(count)
    band = sosfilt(butter(4, (200, 6_000), "bandpass", fs=RTC_RATE, output="sos"), white)
    place = np.arange(count) / RTC_RATE % (LOUD_S + QUIET_S)
    level = np.where(place < LOUD_S, LOUD_RMS, QUIET_RMS)
    sound: Pcm = (band / np.std(band) * level).astype(np.float32)
    return sound


def at_24k(sound: Pcm) -> Pcm:
    """As the server hears it."""
    return StreamResampler(RTC_RATE, SAMPLE_RATE).push(sound)


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of the signal in a recording, both places in samples at 24 kHz."""

    sent: int
    heard: int

    @property
    def offset_ms(self) -> float:
        """How much later it lies in the recording than in the signal."""
        return (self.heard - self.sent) * 1_000 / SAMPLE_RATE


def find_pieces(sent: Pcm, heard: Pcm, *, latest_ms: float = 20_000.0) -> list[Found]:
    """Every loud piece of `sent` that is in `heard`: the first at most `latest_ms` later than it was sent, each at most `STRAY_MS` from
    where the one before says. A piece across a splice is found where the greater part of it lies."""
    size, stray, around = round(PIECE_S * SAMPLE_RATE), round(STRAY_MS * SAMPLE_RATE / 1_000), None
    found: list[Found] = []
    for begin in range(0, sent.size - size + 1, size):
        piece = sent[begin : begin + size].astype(np.float64)
        if np.sqrt(np.mean(np.square(piece))) < LOUD_RMS / 2:
            continue
        low = begin if around is None else max(0, begin + around - stray)
        high = size + (begin + around + stray if around is not None else begin + round(latest_ms * SAMPLE_RATE / 1_000))
        stretch = heard[low:high].astype(np.float64)
        if stretch.size < size:
            break
        at, likeness = _best(piece, stretch)
        if likeness >= LEAST_LIKENESS:
            found.append(Found(begin, low + at))
            around = low + at - begin
    return found


def _best(piece: Samples, stretch: Samples) -> tuple[int, float]:
    """Where `stretch` is most like `piece`, and the correlation there."""
    length = 1 << int(np.ceil(np.log2(piece.size + stretch.size)))
    products = np.fft.irfft(np.fft.rfft(stretch, length) * np.conj(np.fft.rfft(piece, length)), length)[: stretch.size - piece.size + 1]
    at = int(np.argmax(products))
    there = stretch[at : at + piece.size]
    norm = float(np.linalg.norm(piece) * np.linalg.norm(there))
    return at, float(products[at]) / norm if norm else 0.0


def silenced_samples(heard: Pcm) -> int:
    """How many samples between the first sound and the last are holes."""
    sound = np.flatnonzero(heard)
    if not sound.size:
        return 0
    gaps = np.diff(sound) - 1
    return int(gaps[gaps >= LEAST_ZEROS].sum())
