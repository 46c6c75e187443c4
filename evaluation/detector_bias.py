"""How late or early each detector places the edges of speech, measured on sound whose edges are known to the sample.

Recorded speech is cut hard, at its first and last loud frame, and laid into noise at a known place, level and signal-to-noise ratio. The
error is the detected edge less the true one: a positive onset is late, a positive offset is late too. Every table of latencies names its
detector and prints the row of `measured` that belongs to it.

`python -m evaluation.detector_bias --clips tests/data/audio` measures anew and writes `detector_bias.json` beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from evaluation.detectors import VAD_RATE, energy_segments, frame_levels, silero_segments
from evaluation.words import Span
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.resample import resample
from workbench.audio.vad import Detector, EnergyDetector, SpeechDetector

STORED = Path(__file__).with_suffix(".json")
EDGE_DB = 20.0
"""Speech is cut at its first and last frame within this of its loudest one."""
SHORT_S = 0.35
"""An acknowledgement's length; the other kind is the whole utterance."""
LEAD_S, TAIL_S = 1.0, 1.5
PLACES = 3
"""Every sound is laid at this many places, so that it meets the detectors' windows at different phases."""
BLURRED_MS = 500
"""An edge this far outside the sound is the noise's own: the detector cannot tell the two apart, and the trial measures no edge."""
CHUNK = 1_280


@dataclass(frozen=True, slots=True)
class Condition:
    """How loud, in what. Levels are RMS in dBFS over the whole sound; the noise is white."""

    name: str
    speech_dbfs: float
    noise_dbfs: float


CONDITIONS = (
    *(Condition(f"clean, {level} dBFS", level, -90) for level in (-20, -30, -40, -50)),
    *(Condition(f"SNR {snr} dB, -25 dBFS", -25, -25 - snr) for snr in (20, 10, 5)),
)


@dataclass(frozen=True, slots=True)
class Bias:
    """One detector in one condition. Errors in ms, over the trials that are neither `missed` (nothing found) nor `blurred` (heard as one
    with the noise); `extra` counts segments that do not touch the sound."""

    detector: str
    kind: str
    condition: str
    n: int
    missed: int
    blurred: int
    extra: int
    onset_median_ms: float | None
    onset_p5_ms: float | None
    onset_p95_ms: float | None
    offset_median_ms: float | None
    offset_p5_ms: float | None
    offset_p95_ms: float | None


def _live(detector: Detector, audio: Pcm) -> list[Span]:
    edges = [edge for first in range(0, len(audio), CHUNK) for edge in detector.push(audio[first : first + CHUNK])] + detector.finish()
    times = [edge.at / detector.rate for edge in edges]
    return list(zip(times[::2], times[1::2], strict=True))


DETECTORS: Mapping[str, Callable[[Pcm], list[Span]]] = {
    "silero, package defaults": silero_segments,
    "silero, live": lambda audio: _live(SpeechDetector(), audio),
    "energy, adaptive": lambda audio: energy_segments(audio, VAD_RATE),
    "energy, live": lambda audio: _live(EnergyDetector(), resample(audio, VAD_RATE, SAMPLE_RATE)),
}
"""All take a clip at 16 kHz. The live ones are those of the talk itself; `energy, live` is meant for the agent's clean stem."""


@lru_cache(maxsize=1)
def measured() -> tuple[Bias, ...]:
    """The stored table. Raises FileNotFoundError where it was never measured."""
    return tuple(Bias(**row) for row in json.loads(STORED.read_text(encoding="utf-8"))["rows"])


def bias_of(detector: str, condition: str, kind: str = "utterance") -> Bias:
    """One row. Raises KeyError for a detector, condition or kind that was not measured."""
    for row in measured():
        if (row.detector, row.condition, row.kind) == (detector, condition, kind):
            return row
    raise KeyError(f"no bias was measured for {detector!r} in {condition!r} ({kind}); see evaluation/detector_bias.json")


def measure(sounds: Mapping[str, Sequence[Pcm]], conditions: Sequence[Condition] = CONDITIONS, seed: int = 0) -> list[Bias]:
    """The table for sounds at 16 kHz by kind, each cut hard at both ends."""
    rows = []
    for kind, clips in sounds.items():
        for condition in conditions:
            trials = list(_trials(clips, condition, np.random.default_rng(seed)))
            rows += [
                _row(name, kind, condition.name, [(find(audio), truth) for audio, truth in trials]) for name, find in DETECTORS.items()
            ]
    return sorted(rows, key=lambda row: [*DETECTORS].index(row.detector))


def hard_cut(audio: Pcm, length_s: float | None = None) -> Pcm:
    """A clip at 16 kHz from its first loud frame to its last, or for `length_s` from the first. Raises ValueError for a silent clip."""
    levels = frame_levels(audio, VAD_RATE)
    loud = np.flatnonzero(levels >= levels.max() - EDGE_DB)
    if levels.max() <= -100:
        raise ValueError("the clip is silent; there is no speech to cut")
    # A frame of 20 ms begins every 10 ms; its middle is the edge.
    start, end = int(loud[0] * VAD_RATE / 100 + VAD_RATE / 100), int(loud[-1] * VAD_RATE / 100 + VAD_RATE / 100)
    return audio[start : end if length_s is None else min(end, start + round(length_s * VAD_RATE))]


def load_sounds(folder: Path) -> dict[str, list[Pcm]]:
    """The recordings of people in a folder with `alignment.json`, cut, by kind. Raises FileNotFoundError where there is none."""
    names = sorted(json.loads((folder / "alignment.json").read_text(encoding="utf-8"))["clips"])
    clips = []
    for name in names:
        audio, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
        clips.append(resample(np.ascontiguousarray(audio[:, 0]), int(rate), VAD_RATE))
    return {"utterance": [hard_cut(clip) for clip in clips], "short": [hard_cut(clip, SHORT_S) for clip in clips]}


def markdown(rows: Sequence[Bias]) -> str:
    """The table as a page shows it: median [5 %, 95 %] in ms."""
    lines = [
        "| detector | sound | condition | n | missed ↓ | blurred ↓ | extra ↓ | onset error, ms | offset error, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        onset = _cell(row.onset_median_ms, row.onset_p5_ms, row.onset_p95_ms)
        offset = _cell(row.offset_median_ms, row.offset_p5_ms, row.offset_p95_ms)
        counts = " | ".join(str(count) for count in (row.n, row.missed, row.blurred, row.extra))
        lines.append(f"| {row.detector} | {row.kind} | {row.condition} | {counts} | {onset} | {offset} |")
    return "\n".join(lines)


def _trials(clips: Sequence[Pcm], condition: Condition, rng: np.random.Generator) -> Iterator[tuple[Pcm, Span]]:
    for clip in clips:
        for _ in range(PLACES):
            start = round(LEAD_S * VAD_RATE) + int(rng.integers(0, VAD_RATE // 10))
            audio = rng.normal(0, 10 ** (condition.noise_dbfs / 20), start + len(clip) + round(TAIL_S * VAD_RATE))
            gain = 10 ** (condition.speech_dbfs / 20) / np.sqrt(np.mean(np.square(clip, dtype=np.float64)))
            audio[start : start + len(clip)] += gain * clip
            yield np.clip(audio, -1, 1).astype(np.float32), (start / VAD_RATE, (start + len(clip)) / VAD_RATE)


def _row(detector: str, kind: str, condition: str, trials: Sequence[tuple[list[Span], Span]]) -> Bias:
    onsets: list[float] = []
    offsets: list[float] = []
    missed = blurred = extra = 0
    for found, (start, end) in trials:
        touching = [segment for segment in found if segment[0] < end and segment[1] > start]
        extra += len(found) - len(touching)
        if not touching:
            missed += 1
            continue
        late_ms, after_ms = 1_000 * (touching[0][0] - start), 1_000 * (touching[-1][1] - end)
        if late_ms < -BLURRED_MS or after_ms > BLURRED_MS:
            blurred += 1
            continue
        onsets.append(late_ms)
        offsets.append(after_ms)
    return Bias(detector, kind, condition, len(trials), missed, blurred, extra, *_spread(onsets), *_spread(offsets))


def _spread(errors_ms: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if not errors_ms:
        return None, None, None
    median, low, high = (round(float(value), 1) for value in np.percentile(errors_ms, (50, 5, 95)))
    return median, low, high


def _cell(median: float | None, low: float | None, high: float | None) -> str:
    return "–" if median is None else f"{median:+.0f} [{low:+.0f}, {high:+.0f}]"


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and stores; 2 where the clips are not there."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.detector_bias", description="Measures the detectors' bias and stores it.")
    parser.add_argument("--clips", type=Path, required=True, help="a folder of recorded speech with alignment.json (tests/data/audio)")
    parser.add_argument("--out", type=Path, default=STORED)
    asked = parser.parse_args(argv)
    try:
        sounds = load_sounds(asked.clips)
    except FileNotFoundError as fault:
        print(f"{fault}; give a folder of recordings with alignment.json", file=sys.stderr)
        return 2
    rows = measure(sounds)
    how = f"{len(sounds['utterance'])} recordings cut hard, {PLACES} places each, white noise"
    asked.out.write_text(json.dumps({"how": how, "rows": [asdict(row) for row in rows]}, indent=1) + "\n", encoding="utf-8")
    print(markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
