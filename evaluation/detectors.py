"""The two detectors that published numbers rest on, for whole clips: silero with its package's post-processing, and an energy detector.

`silero_segments` follows silero-vad 6.2.3's `get_speech_timestamps` with its defaults, over the same network as the live talk's
detector: the live one has no padding, a longer hold and edges corrected for lag, so its times differ. `frame_levels` and
`energy_activity` follow hotato 1.20: a threshold above the clip's own noise floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from evaluation.words import Span
from workbench.audio.frames import LISTEN_RATE, Pcm
from workbench.audio.resample import check_rate
from workbench.audio.vad import START_PROBABILITY, STOP_PROBABILITY, WINDOW_SAMPLES, SileroVad

VAD_RATE = LISTEN_RATE
MIN_SPEECH_MS = 250
MIN_SILENCE_MS = 100
PAD_MS = 30
"""silero-vad's defaults: shorter speech is dropped, shorter silence bridged, and what is left is widened on both sides."""
VAD_WINDOW_S = WINDOW_SAMPLES / VAD_RATE
"""One judgement of silero, 32 ms: what its versions and the resamplers before it may move an edge by."""
ROUNDED_S = 0.1
"""`return_seconds=True` rounds to this."""

FRAME_MS = 20
HOP_MS = 10
NOISE_PERCENTILE = 0.10
ABOVE_NOISE_DB = 15.0
GATE_DBFS = -60.0
BELOW_PEAK_DB = 22.0
HANGOVER_MS = 150
FLOOR_DBFS = -120.0
"""hotato's: speech is 15 dB above the quietest tenth of the clip, above -60 dBFS, and never asked to be within 22 dB of the peak."""


def to_vad_rate(audio: Pcm, rate: int) -> Pcm:
    """A whole clip at 16 kHz, by the polyphase filter that the reference values were made with (scipy's `resample_poly`)."""
    common = gcd(check_rate(rate), VAD_RATE)
    if rate == VAD_RATE:
        return audio
    clip: Pcm = resample_poly(audio, VAD_RATE // common, rate // common).astype(np.float32)
    return clip


def silero_segments(audio_16k: Pcm) -> list[Span]:
    """Speech in a mono clip `[n]` at 16 kHz, in seconds."""
    found = _pad(_runs(_probabilities(audio_16k), len(audio_16k)), len(audio_16k))
    return [(start / VAD_RATE, end / VAD_RATE) for start, end in found]


def rounded(segments: list[Span]) -> list[Span]:
    """Edges rounded to 0.1 s, as `return_seconds=True` gives them."""
    return [(round(start, 1), round(end, 1)) for start, end in segments]


def _probabilities(audio: Pcm) -> list[float]:
    vad = SileroVad()
    short = -len(audio) % WINDOW_SAMPLES
    windows = np.pad(audio, (0, short)).reshape(-1, WINDOW_SAMPLES)
    return [vad.probability(window) for window in windows]


def _runs(probabilities: list[float], samples: int) -> list[list[int]]:
    """Unpadded speech: opened at 0.5, kept down to 0.35, closed by 100 ms below it, at least 250 ms long."""
    min_speech, min_silence = MIN_SPEECH_MS * VAD_RATE // 1_000, MIN_SILENCE_MS * VAD_RATE // 1_000
    found: list[list[int]] = []
    start: int | None = None
    quiet_from: int | None = None
    for index, probability in enumerate(probabilities):
        at = index * WINDOW_SAMPLES
        if probability >= START_PROBABILITY:
            quiet_from = None
            start = at if start is None else start
        elif probability < STOP_PROBABILITY and start is not None:
            quiet_from = at if quiet_from is None else quiet_from
            if at - quiet_from >= min_silence:
                if quiet_from - start > min_speech:
                    found.append([start, quiet_from])
                start = quiet_from = None
    if start is not None and samples - start > min_speech:
        found.append([start, samples])
    return found


def _pad(runs: list[list[int]], samples: int) -> list[list[int]]:
    """Each run wider by 30 ms on both sides; two that would meet share the silence between them."""
    pad = PAD_MS * VAD_RATE // 1_000
    if runs:
        runs[0][0] = max(0, runs[0][0] - pad)
        runs[-1][1] = min(samples, runs[-1][1] + pad)
    for earlier, later in pairwise(runs):
        reach = min(pad, (later[0] - earlier[1]) // 2)
        earlier[1] += reach
        later[0] -= reach
    return runs


@dataclass(frozen=True, slots=True)
class Activity:
    """Sound in a clip, one boolean per 10 ms hop. `held` bridges gaps of 150 ms and keeps that hangover at the end of each run;
    `trimmed` is the same without the hangover, so that a run ends at its last loud frame. Levels in dBFS."""

    held: NDArray[np.bool_]
    trimmed: NDArray[np.bool_]
    threshold_dbfs: float
    noise_dbfs: float


def energy_segments(audio: Pcm, rate: int) -> list[Span]:
    """Sound in a mono clip `[n]` in seconds, by energy: sees the soft acknowledgements that silero misses, and every other noise too.

    Raises ValueError for an empty clip.
    """
    length_s = len(audio) / rate
    found = ((start * HOP_MS / 1_000, end * HOP_MS / 1_000) for start, end in runs(energy_activity(audio, rate).trimmed))
    return [(start, min(end, length_s)) for start, end in found]


def runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """From, to (exclusive) of every stretch of True."""
    edges = np.diff(np.concatenate(([False], active, [False])).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def frame_levels(audio: Pcm, rate: int) -> NDArray[np.float64]:
    """RMS level in dBFS of every 20 ms frame, one per 10 ms hop; the last frames are as long as the clip lets them be."""
    frame, hop = round(rate * FRAME_MS / 1_000), round(rate * HOP_MS / 1_000)
    energy = np.concatenate(([0.0], np.cumsum(np.square(audio, dtype=np.float64))))
    starts = np.arange(0, len(audio), hop)
    ends = np.minimum(starts + frame, len(audio))
    power = np.maximum((energy[ends] - energy[starts]) / (ends - starts), 10 ** (FLOOR_DBFS / 10))
    return np.asarray(10 * np.log10(power))


def energy_activity(audio: Pcm, rate: int) -> Activity:
    """Where a clip sounds above its own noise. Raises ValueError for an empty clip."""
    if not len(audio):
        raise ValueError("the clip holds no samples; a noise floor needs sound")
    levels = frame_levels(audio, rate)
    noise = float(np.sort(levels)[int(NOISE_PERCENTILE * (len(levels) - 1))])
    threshold = max(noise + ABOVE_NOISE_DB, GATE_DBFS)
    # On a channel that is hardly ever silent the quietest tenth is speech itself.
    cap = float(levels.max()) - BELOW_PEAK_DB
    if cap > GATE_DBFS:
        threshold = min(threshold, cap)
    loud = levels >= threshold
    index = np.arange(len(loud))
    last = np.maximum.accumulate(np.where(loud, index, -len(loud) - HANGOVER_MS))
    held = index - last <= HANGOVER_MS // HOP_MS
    following = np.minimum.accumulate(np.where(loud, index, 2 * len(loud) + HANGOVER_MS)[::-1])[::-1]
    # A hop inside a run that the hangover holds together: loud hops on both sides, no further apart than it reaches.
    trimmed = loud | (held & (following - last <= HANGOVER_MS // HOP_MS + 1))
    return Activity(held, trimmed, threshold, noise)
