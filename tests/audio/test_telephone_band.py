"""The band above a telephone's: filled with a faint image of the one below, the same whatever the chunks, and empty where that is."""

from __future__ import annotations

import numpy as np

from workbench.audio.mulaw import TELEPHONE_RATE
from workbench.audio.telephone_band import TelephoneBand


def level_db(pcm: np.ndarray, hertz: float) -> float:
    """The level of one tone in sound at 24 kHz, against full scale."""
    window = np.hanning(pcm.size)
    spectrum = np.abs(np.fft.rfft(pcm * window)) * 2 / window.sum()
    return float(20 * np.log10(spectrum[round(hertz * pcm.size / 24_000)] + 1e-12))


def test_a_tone_stays_and_its_image_is_twenty_decibels_below() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(TELEPHONE_RATE) / TELEPHONE_RATE).astype(np.float32)
    wide = TelephoneBand().push(tone)
    assert wide.size == 3 * tone.size
    assert abs(level_db(wide, 1_000)) < 0.5
    assert abs(level_db(wide, 7_000) + 20) < 1.0
    for hertz in (9_000, 11_000, 3_000, 5_000):
        assert level_db(wide, hertz) < -60


def test_chunks_make_no_difference_and_silence_stays_silent() -> None:
    noise = np.random.default_rng(1).standard_normal(1_600).astype(np.float32)
    whole, parts = TelephoneBand(), TelephoneBand()
    pieces = [parts.push(noise[at : at + 160]) for at in range(0, 1_600, 160)]
    assert np.allclose(np.concatenate(pieces), whole.push(noise), atol=1e-6)
    assert not TelephoneBand().push(np.zeros(160, np.float32)).any()
