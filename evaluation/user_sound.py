"""What a scripted user sounds like: clips and synthesised speech at one level, noise under it, babble."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.scenario import Clip, Noise, Say, Scenario
from evaluation.scenario_files import ScenarioError
from workbench.audio.frames import SAMPLE_RATE, SAMPLES_PER_MS, Pcm
from workbench.audio.wav import load_wav
from workbench.engines.speech.base import Tts

LEVEL_DB = -26.0
"""RMS of a user's speech while it sounds, dBFS: a usual telephone level (ITU-T P.56 active speech level), with room for peaks."""
ACTIVE_BELOW_PEAK_DB = 30.0
"""20 ms blocks softer than the loudest one by more than this are pauses and do not count in the level."""
BLOCK_SAMPLES = 480
BABBLE_VOICES = 4
PINK_FLOOR_HZ = 20.0
NOISE_PERIOD_S = 10.0
"""Noise repeats after this long: longer than any pause, and cheap to make."""


def level_db(pcm: Pcm) -> float:
    """RMS of the active part in dBFS. Raises ValueError for silence."""
    blocks = pcm[: pcm.size // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES).astype(np.float64)
    power = np.mean(np.square(blocks), axis=1) if len(blocks) else np.mean(np.square(pcm.astype(np.float64)), keepdims=True)
    if not power.size or power.max() <= 0:
        raise ValueError("it is silent, so it has no level")
    active = power[power >= power.max() * 10 ** (-ACTIVE_BELOW_PEAK_DB / 10)]
    return float(10 * np.log10(active.mean()))


def at_level(pcm: Pcm, gain_db: float = 0.0) -> Pcm:
    """The sound at `LEVEL_DB` and `gain_db` more, clipped to -1..1. Raises ValueError for silence."""
    gain = 10 ** ((LEVEL_DB + gain_db - level_db(pcm)) / 20)
    leveled: Pcm = np.clip(pcm * gain, -1.0, 1.0).astype(np.float32)
    return leveled


async def render(scenario: Scenario, tts: Tts | None) -> dict[str, Pcm]:
    """The sound of every step that has one, by its id. Raises ScenarioError for a silent clip, and where a voice is missing."""
    sounds: dict[str, Pcm] = {}
    for step in scenario.user:
        match step:
            case Clip():
                pcm = load_wav(scenario.folder / step.clip)
            case Say():
                pcm = await _spoken(scenario, step, tts)
            case _:
                continue
        try:
            sounds[step.id] = at_level(pcm, step.gain_db)
        except ValueError as error:
            raise ScenarioError(f"{scenario.id}: step {step.id!r}: {error}") from error
    return sounds


async def _spoken(scenario: Scenario, step: Say, tts: Tts | None) -> Pcm:
    if tts is None:
        raise ScenarioError(f"{scenario.id}: step {step.id!r} is to be synthesised, and there is no synthesiser; install libflite1")
    if step.voice is not None and step.voice not in tts.voices:
        raise ScenarioError(f"{scenario.id}: step {step.id!r}: {tts.name} has no voice {step.voice!r}; it has {', '.join(tts.voices)}")
    async with aclosing(tts.stream(step.text, step.voice or tts.voices[0])) as chunks:
        made = [chunk async for chunk in chunks]
    return np.concatenate(made) if made else np.zeros(0, np.float32)


def noise_of(noise: Noise, folder: Path, seed: int) -> Pcm:
    """`NOISE_PERIOD_S` of one noise at its level below `LEVEL_DB`, to be repeated. The same seed gives the same samples.

    Babble is `BABBLE_VOICES` voices at once, from the clips beside the scenario. Raises ScenarioError where there are too few.
    """
    rng = np.random.default_rng([seed, zlib.crc32(noise.kind.encode())])
    samples = round(NOISE_PERIOD_S * SAMPLE_RATE)
    match noise.kind:
        case "white":
            wave = rng.standard_normal(samples)
        case "pink":
            wave = _pink(rng, samples)
        case "babble":
            wave = _babble(rng, samples, folder)
    wave = wave * 10 ** ((LEVEL_DB - noise.snr_db) / 20) / np.sqrt(np.mean(np.square(wave)))
    made: Pcm = np.clip(wave, -1.0, 1.0).astype(np.float32)
    return made


def _pink(rng: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """White noise whose power falls by 3 dB an octave above `PINK_FLOOR_HZ`."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), PINK_FLOOR_HZ))
    wave: NDArray[np.float64] = np.fft.irfft(spectrum, samples)
    return wave


def babble_clips(folder: Path) -> list[Path]:
    """What babble is made of in the suite `folder`."""
    return sorted((folder / "clips").glob("*.flac"))


def _babble(rng: np.random.Generator, samples: int, folder: Path) -> NDArray[np.float64]:
    found = babble_clips(folder)
    if len(found) < BABBLE_VOICES:
        raise ScenarioError(f"babble needs {BABBLE_VOICES} clips in {folder / 'clips'}; there are {len(found)}")
    wave = np.zeros(samples)
    for path in rng.choice(np.array(found), BABBLE_VOICES, replace=False):
        voice = at_level(load_wav(path))
        wave += np.roll(np.resize(voice, samples), int(rng.integers(samples)))
    return wave


def noise_between(noise: Noise, period: Pcm, start: int, samples: int) -> Pcm:
    """What of a repeated noise falls into `samples` from `start` on (samples of session time); zeros outside of its time."""
    at = np.arange(start, start + samples)
    sounding = at >= noise.from_ms * SAMPLES_PER_MS
    if noise.to_ms is not None:
        sounding &= at < noise.to_ms * SAMPLES_PER_MS
    mixed: Pcm = np.where(sounding, period[at % period.size], 0.0).astype(np.float32)
    return mixed


def jitter_samples(step_id: str, jitter_ms: float, seed: int) -> int:
    """How much later a step comes under this seed, 0 to `jitter_ms`, evenly."""
    drawn = np.random.default_rng([seed, zlib.crc32(step_id.encode())]).uniform(0, jitter_ms)
    return round(drawn * SAMPLES_PER_MS)


Sounds = Mapping[str, Pcm]
"""Step id to its sound, [n] at 24 kHz."""
