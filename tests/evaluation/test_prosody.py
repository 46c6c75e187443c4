"""Pitch and loudness of tones, noise and silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fdb_made import answer, track, v15_sample, write

from evaluation.fdb_folders import read_benchmark
from evaluation.fdb_score import score
from evaluation.fdb_table import tables
from evaluation.prosody import Prosody, before_and_after, prosody
from evaluation.words import Word
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.resample import resample

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


def test_the_voice_before_and_after_is_compared_in_answers_that_responded(tmp_path: Path) -> None:
    """Three answers that rise from 150 to 200 Hz and by about 6 dB at the overlap's end, and one that resumed and does not count."""
    for number, louder in ((1, 2.0), (2, 2.1), (3, 1.9), (4, 1.0)):
        folder = v15_sample(tmp_path, "user_interruption", str(number))
        sound = track(
            6.0,
            (2.0, resample(tone(150, 0.5, 0.1), RATE, SAMPLE_RATE)),
            (2.5, resample(tone(195 + 5 * louder / 2, 0.5, 0.1 * louder), RATE, SAMPLE_RATE)),
        )
        said = [("word", 2.0, 2.25), ("word", 2.25, 2.5)] + [("word", 2.5 + 0.1 * n, 2.6 + 0.1 * n) for n in range(number)]
        answer(folder, *said, sound=sound)
        write(folder / "content_tag.json", {"behaviour": ["C_RESPOND" if number < 4 else "C_RESUME"]})
    scores = score(read_benchmark("fdb-v1.5", tmp_path), tmp_path, "fdb-v1.5", words="made", resamples=100)
    tests = {t.key: t for t in scores.tasks[0].sides}
    rate, pitch, level = tests["wpm"].test, tests["pitch_mean"].test, tests["intensity_mean"].test
    # A word every 0.25 s, then one every 0.1 s: 240 and 600 words a minute in every file, so there is no spread to test.
    assert rate is None
    assert "two pairs that differ" in tests["wpm"].unknown
    assert pitch is not None
    assert level is not None
    assert (pitch.n_raw, pitch.mean_before, pitch.mean_after) == (3, pytest.approx(150, abs=1), pytest.approx(200, abs=1))
    assert level.mean_diff == pytest.approx(6.0, abs=0.3)
    assert tests["intensity_mean"].p_holm is not None
    assert tests["intensity_mean"].p_holm >= level.p
    told = tables(scores, "mine")
    assert "| mean pitch Hz | 150." in told
    assert "| words/min | unknown:" in told
