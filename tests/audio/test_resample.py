from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.audio.resample import StreamResampler, resample, to_listen_rate

LIVE_RATES = [(24_000, 16_000), (48_000, 24_000), (24_000, 48_000), (16_000, 24_000), (44_100, 24_000), (11_025, 24_000)]


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Pcm:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("from_rate", "to_rate"), LIVE_RATES)
def test_stream_gives_the_same_tone_delayed_by_what_it_says(from_rate: int, to_rate: int) -> None:
    stream = StreamResampler(from_rate, to_rate)
    out = stream.push(tone(1_000, from_rate))
    delayed = np.sin(2 * np.pi * 1_000 * (np.arange(len(out)) - stream.delay_samples) / to_rate)
    settled = 2 * stream.delay_samples
    assert np.abs(out - delayed)[settled:].max() < 1e-3
    assert stream.delay_samples / to_rate <= 0.0025


@given(cuts=st.lists(st.integers(0, 700), max_size=12), rates=st.sampled_from(LIVE_RATES))
@settings(max_examples=60, deadline=None)
def test_chunking_changes_nothing(cuts: list[int], rates: tuple[int, int]) -> None:
    sound = np.random.default_rng(3).standard_normal(sum(cuts)).astype(np.float32)
    whole = StreamResampler(*rates).push(sound)
    stream = StreamResampler(*rates)
    parts = [stream.push(part) for part in np.split(sound, np.cumsum(cuts)[:-1])] if cuts else []
    chunked = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    np.testing.assert_allclose(chunked, whole, atol=1e-5)
    assert len(whole) == ceil(len(sound) * rates[1] / rates[0])


def test_every_frame_in_is_a_whole_frame_out() -> None:
    down, up, listen = StreamResampler(48_000, 24_000), StreamResampler(24_000, 48_000), to_listen_rate()
    frame = np.zeros(FRAME_SAMPLES, np.float32)
    for _ in range(5):
        assert len(listen.push(frame)) == 1_280
        assert len(up.push(frame)) == 3_840
        assert len(down.push(np.zeros(3_840, np.float32))) == FRAME_SAMPLES


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    out = StreamResampler(48_000, 24_000).push(tone(13_000, 48_000))
    assert np.abs(out[200:]).max() < 10 ** (-60 / 20)


def test_equal_rates_pass_through() -> None:
    stream = StreamResampler(24_000, 24_000)
    sound = tone(440, 24_000)
    assert stream.push(sound) is sound
    assert stream.delay_samples == 0


def test_clip_keeps_length_and_tone() -> None:
    out = resample(tone(1_000, 44_100, 1.0), 44_100, 24_000)
    assert len(out) == 24_000
    assert np.abs(out - tone(1_000, 24_000, 1.0))[500:-500].max() < 1e-3


@pytest.mark.parametrize("rate", [0, -8_000, 1_000, 10**9])
def test_impossible_rates_are_named(rate: int) -> None:
    with pytest.raises(ValueError, match=f"is {rate} Hz"):
        resample(np.zeros(10, np.float32), rate, 24_000)
    with pytest.raises(ValueError, match=f"is {rate} Hz"):
        StreamResampler(24_000, rate)


def test_a_rate_that_needs_thousands_of_filters_is_refused() -> None:
    with pytest.raises(ValueError, match="44099 Hz cannot be streamed"):
        StreamResampler(44_099, 24_000)
