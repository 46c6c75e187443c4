"""Pitch and loudness of tones, noise and silence."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.prosody import Prosody, before_and_after, prosody
from evaluation.words import Word
from workbench.audio.frames import Pcm

RATE = 16_000


def tone(hz: float, seconds: float, level: float = 0.3) -> Pcm:
    """A voice-like tone: four harmonics."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 5))).astype(np.float32)


@pytest.mark.parametrize("hz", [80.0, 140.0, 220.0, 400.0])
def test_the_pitch_of_a_tone_is_its_frequency(hz: float) -> None:
    found = prosody(tone(hz, 1.0), RATE)
    assert found.pitch_mean_hz == pytest.approx(hz, rel=0.02)
    assert found.pitch_sd_hz is not None
    assert found.pitch_sd_hz < 0.03 * hz


def test_noise_has_loudness_and_hardly_a_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    found = prosody(noise, RATE)
    assert found.intensity_mean_dbfs == pytest.approx(-20, abs=0.5)
    assert found.pitch_mean_hz is None


def test_pauses_count_for_nothing() -> None:
    spoken = prosody(tone(150, 1.0), RATE)
    paused = prosody(np.concatenate([tone(150, 1.0), np.zeros(RATE, np.float32)]), RATE)
    assert paused.pitch_mean_hz == pytest.approx(spoken.pitch_mean_hz, rel=0.02)
    assert paused.intensity_mean_dbfs == pytest.approx(spoken.intensity_mean_dbfs, abs=0.5)


def test_silence_and_a_scrap_have_nothing() -> None:
    assert prosody(np.zeros(RATE, np.float32), RATE) == Prosody(None, None, None, None)
    assert prosody(tone(150, 0.03), RATE) == Prosody(None, None, None, None)


def test_a_voice_that_is_raised_after_the_overlap_is_seen() -> None:
    audio = np.concatenate([tone(120, 1.0, 0.1), tone(180, 1.0, 0.2)])
    words = [Word("one", 0.0, 0.4), Word("two", 0.5, 0.95), Word("three", 1.0, 1.4), Word("four", 1.5, 1.9)]
    found = before_and_after(audio, RATE, words, overlap_end_s=0.97)
    assert found.split.at_s == 1.0
    assert found.before.pitch_mean_hz == pytest.approx(120, rel=0.02)
    assert found.after.pitch_mean_hz == pytest.approx(180, rel=0.02)
    assert found.after.intensity_mean_dbfs is not None
    assert found.before.intensity_mean_dbfs is not None
    assert found.after.intensity_mean_dbfs - found.before.intensity_mean_dbfs == pytest.approx(6, abs=0.3)
