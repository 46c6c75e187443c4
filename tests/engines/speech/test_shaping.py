from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.frames import SAMPLE_RATE, Pcm, ms_to_samples
from workbench.engines.speech.shaping import LEAD_MS, SILENCE_LEVEL, Shaper


def tone(rate: int, ms: int) -> Pcm:
    return (0.5 * np.cos(2 * np.pi * 300 * np.arange(rate * ms // 1000) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
@settings(deadline=None)
@given(lead_ms=st.integers(0, 200), sizes=st.lists(st.integers(1, 2_000), min_size=1, max_size=20))
def test_leading_silence_is_trimmed_and_nothing_else(rate: int, lead_ms: int, sizes: list[int]) -> None:
    sound = np.concatenate([np.zeros(rate * lead_ms // 1000, dtype=np.float32), tone(rate, 100)])
    shaper = Shaper(rate)
    out: list[Pcm] = []
    start = 0
    while start < len(sound):
        size = sizes[len(out) % len(sizes)]
        out.append(shaper.push(sound[start : start + size]))
        start += size
    shaped = np.concatenate([*out, shaper.flush()])
    onset = int(np.flatnonzero(np.abs(shaped) >= SILENCE_LEVEL)[0])
    assert onset <= ms_to_samples(LEAD_MS)
    loud = np.flatnonzero(np.abs(shaped) >= 0.25)
    assert (loud[-1] - loud[0]) / SAMPLE_RATE == pytest.approx(0.1, abs=0.003)


def test_silence_alone_gives_nothing() -> None:
    shaper = Shaper(16_000)
    assert len(shaper.push(np.full(16_000, SILENCE_LEVEL / 4, dtype=np.float32))) == 0
    assert len(shaper.flush()) == 0
