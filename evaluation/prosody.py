"""Full-Duplex-Bench v1.5, before and after an overlap: pitch and loudness of the model's voice, beside its speaking rate.

The benchmark's fourth measure, UTMOSv2, needs weights and is not computed. Pitch is found by YIN (de Cheveigné, Kawahara 2002) as librosa
has it; the benchmark's own pitch tracker is Praat's, so absolute values may differ: compare sides of one file, not tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evaluation.fdb_v15_before_after import Split, split
from evaluation.words import Word
from workbench.audio.frames import Pcm

PITCH_HZ = (50.0, 600.0)
STEP_MS = 10
FRAME_MS = 64
"""Two periods of the lowest pitch must fit in, with room for the lag."""
VOICED_CORRELATION = 0.45
"""A frame is voiced when its correlation with itself one period later is at least this (Praat's default)."""
SILENCE_DB = 30.0
"""Frames further than this under the loudest are pauses: they have neither pitch nor loudness."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """One stretch of voice. None where there is no voiced frame, or no sound. Intensity is RMS in dBFS per 10 ms."""

    pitch_mean_hz: float | None
    pitch_sd_hz: float | None
    intensity_mean_dbfs: float | None
    intensity_sd_db: float | None


@dataclass(frozen=True, slots=True)
class Sides:
    """The voice before and after the split, with the words' own split."""

    split: Split
    before: Prosody
    after: Prosody


def before_and_after(audio: Pcm, rate: int, words: Sequence[Word], overlap_end_s: float) -> Sides:
    """A mono clip `[n]` of the model with its words. Raises ValueError without words."""
    found = split(words, overlap_end_s)
    at = max(0, min(len(audio), round(found.at_s * rate)))
    return Sides(found, prosody(audio[:at], rate), prosody(audio[at:], rate))


def prosody(audio: Pcm, rate: int) -> Prosody:
    """Pitch and intensity of a mono clip `[n]`; all None for one shorter than a frame or silent."""
    frame, step = round(rate * FRAME_MS / 1_000), round(rate * STEP_MS / 1_000)
    if len(audio) < frame or not np.any(audio):
        return Prosody(None, None, None, None)
    frames = sliding_window_view(np.asarray(audio, dtype=np.float64), frame)[::step]
    levels = 10 * np.log10(np.maximum(np.mean(np.square(frames), axis=1), 1e-12))
    sounding = levels >= levels.max() - SILENCE_DB
    pitch = librosa.yin(np.asarray(audio), fmin=PITCH_HZ[0], fmax=PITCH_HZ[1], sr=rate, frame_length=frame, hop_length=step, center=False)
    count = min(len(pitch), len(frames))
    voiced = sounding[:count] & (_correlation(frames[:count], np.round(rate / pitch[:count]).astype(int)) >= VOICED_CORRELATION)
    heard, loud = pitch[:count][voiced], levels[sounding]
    return Prosody(
        pitch_mean_hz=float(heard.mean()) if len(heard) else None,
        pitch_sd_hz=float(heard.std()) if len(heard) else None,
        intensity_mean_dbfs=float(loud.mean()),
        intensity_sd_db=float(loud.std()),
    )


def _correlation(frames: NDArray[np.float64], periods: NDArray[np.int_]) -> NDArray[np.float64]:
    """Each frame's normalised correlation with itself, one period of its own later."""
    found = np.zeros(len(frames))
    for index, (frame, period) in enumerate(zip(frames, periods, strict=True)):
        first, second = frame[:-period], frame[period:]
        power = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
        found[index] = np.dot(first, second) / power if power > 0 else 0.0
    return found
