"""Full-Duplex-Bench v1, backchannels: takeover, how often the model speaks, and how like human listeners it times it.

Two script versions exist and must never share a table. The *fixed* one (2026-05 on) resamples the model's audio to 16 kHz. The
*original* one fed 24 kHz audio to a 16 kHz detector unresampled, so that every time came out 1.5 times too long; all numbers published
before, PersonaPlex's among them, carry that. `audio_for` prepares the sound for either; the rest is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.detectors import VAD_RATE, to_vad_rate
from evaluation.words import Span, Word
from workbench.audio.frames import Pcm

WINDOW_S = 0.2
"""Width of a histogram bin."""
EPSILON = 1e-10
"""What an empty bin holds, so that the logarithm exists."""
LONG_SEGMENT_S = 3.0
"""A segment longer than this is a formal turn: a takeover, and nothing after it counts."""
MAX_WORDS = 3
SHORT_S = 1.0
SHORT_WORDS = 2
"""A segment is a backchannel when it is shorter than 1 s and has at most 2 words. The paper says fewer than 2; the code decides."""
NO_BACKCHANNEL_DISTANCE = 1.0
"""The distance of a file without any segment. It lies outside the range of the measure, which ends at sqrt(ln 2) = 0.8326."""

Script = Literal["fixed", "original"]


@dataclass(frozen=True, slots=True)
class BackchannelScore:
    """One file. Lower is better for `takeover` and `distance`, higher for `frequency_per_s`."""

    takeover: bool
    frequency_per_s: float
    distance: float


def audio_for(script: Script, audio: Pcm, rate: int) -> Pcm:
    """What the script gives to its 16 kHz detector: resampled sound (`fixed`) or the samples as they are (`original`)."""
    return to_vad_rate(audio, rate) if script == "fixed" else audio


def duration_s(audio_16k: Pcm) -> float:
    """Length in the script's own seconds: samples over 16,000."""
    return len(audio_16k) / VAD_RATE


def score(segments: Sequence[Span], words: Sequence[Word] | None, audio_s: float, human: ArrayLike) -> BackchannelScore:
    """One file, from the model's speech segments, its words, the length of its audio and the human listeners' histogram `[bins]`.

    The last segment decides about the takeover; the frequency and the distance count every segment up to the first long one.
    Raises ValueError when a segment must be judged by its words and `words` is None (no transcript), or the audio has no length.
    """
    if audio_s <= 0:
        raise ValueError(f"the audio is {audio_s} s long; a frequency needs a length")
    takeover = False
    counted: list[Span] = []
    for segment in segments:
        length = segment[1] - segment[0]
        if length > LONG_SEGMENT_S:
            takeover = True
            break
        if words is None:
            raise ValueError("there is no transcript of the model's audio; a speech segment cannot be judged without its words")
        spoken = words_within(segment, words)
        takeover = spoken > MAX_WORDS or not (length < SHORT_S and spoken <= SHORT_WORDS)
        counted.append(segment)
    return BackchannelScore(takeover, len(counted) / audio_s, timing_distance(counted, audio_s, human))


def words_within(segment: Span, words: Sequence[Word]) -> int:
    """How many words overlap the segment, if only in part. A word without a start is none; one without an end has no length."""
    return sum(w.start_s is not None and w.start_s < segment[1] and w.offset_s > segment[0] for w in words)


def timing_distance(segments: Sequence[Span], audio_s: float, human: ArrayLike) -> float:
    """Jensen-Shannon distance of the segments' histogram to the human one; `NO_BACKCHANNEL_DISTANCE` for no segment."""
    if not segments:
        return NO_BACKCHANNEL_DISTANCE
    counts = np.zeros(int(audio_s / WINDOW_S) + 1)
    for start, end in segments:
        counts[int(start / WINDOW_S) : int(end / WINDOW_S) + 1] += 1
    return jensen_shannon(counts + EPSILON, stretched(human, len(counts)))


def stretched(histogram: ArrayLike, bins: int) -> NDArray[np.float64]:
    """A histogram interpolated linearly to another number of bins."""
    given = np.asarray(histogram, dtype=np.float64)
    return np.asarray(np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, len(given)), given))


def jensen_shannon(first: ArrayLike, second: ArrayLike) -> float:
    """Square root of the Jensen-Shannon divergence in nats, 0 to 0.8326. Both are normalised here; zeros are allowed (Lin 1991)."""
    p, q = (np.asarray(h, dtype=np.float64) / np.sum(h) for h in (first, second))
    middle = (p + q) / 2
    return float(np.sqrt(max(0.0, (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2)))


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    held = p > 0
    return float(np.sum(p[held] * np.log(p[held] / q[held])))
