"""G.711 mu-law: against FFmpeg's coder, and against the decision values of the Recommendation."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import from_int16
from workbench.audio.mulaw import SILENCE, decode_mulaw, encode_mulaw

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32_768, 32_768).astype(np.int16)


def decision_values() -> NDArray[np.int64]:
    """G.711 table 2a, in 16 bits: eight segments of sixteen steps, each twice as coarse as the one before; the first step is half one."""
    ends = (31, 95, 223, 479, 991, 2_015, 4_063, 8_159)
    values = [0, *range(1, ends[0] + 1, 2)]
    for low, high in pairwise(ends):
        values += list(range(low + (high - low) // 16, high + 1, (high - low) // 16))
    return 4 * np.array(values)


def test_every_code_is_decoded_as_ffmpeg_does() -> None:
    context = av.CodecContext.create("pcm_mulaw", "r")
    context.sample_rate, context.layout = 8_000, "mono"  # type: ignore[attr-defined]  # of an audio context
    frames = context.decode(av.Packet(ALL_CODES))  # type: ignore[attr-defined]
    theirs = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    assert np.array_equal(decode_mulaw(ALL_CODES), from_int16(theirs))


def test_every_sample_takes_the_code_of_its_interval() -> None:
    bounds = decision_values()
    assert bounds.size == 129
    found = np.frombuffer(encode_mulaw(from_int16(ALL_SAMPLES)), np.uint8)
    magnitude = np.abs(ALL_SAMPLES.astype(np.int64))
    interval = np.minimum(np.searchsorted(bounds, magnitude, side="right") - 1, 127)
    wanted = (255 - interval) - np.where(ALL_SAMPLES < 0, 128, 0)
    assert np.array_equal(found, wanted)


def test_ffmpeg_codes_differ_by_one_interval_at_its_edges() -> None:
    """FFmpeg's coder is built from the midpoints of its outputs, which where segments meet are not the decision values."""
    context = av.CodecContext.create("pcm_mulaw", "w")
    context.sample_rate, context.layout, context.format = 8_000, "mono", "s16"  # type: ignore[attr-defined]
    context.time_base = Fraction(1, 8_000)
    frame = av.AudioFrame.from_ndarray(ALL_SAMPLES[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = 8_000, 0
    packed = b"".join(bytes(packet) for given in (frame, None) for packet in context.encode(given))  # type: ignore[attr-defined]
    theirs = np.frombuffer(packed, np.uint8)
    ours = np.frombuffer(encode_mulaw(from_int16(ALL_SAMPLES)), np.uint8)
    assert np.count_nonzero(ours != theirs) < 0.02 * ALL_SAMPLES.size
    assert np.abs(ours.astype(int) - theirs)[ALL_SAMPLES != 0].max() == 1


def test_a_code_survives_and_the_error_is_that_of_13_bits() -> None:
    again = encode_mulaw(decode_mulaw(ALL_CODES))
    assert [code for code in ALL_CODES if again[code] != code] == [0x7F], "minus zero is zero"
    assert encode_mulaw(np.zeros(3, np.float32)) == bytes([SILENCE] * 3)
    tone = 0.3 * np.sin(np.arange(8_000) * 0.7).astype(np.float32)
    noise = decode_mulaw(encode_mulaw(tone)) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise**2)) > 35


def test_too_loud_is_clipped_and_nan_is_silence() -> None:
    codes = encode_mulaw(np.array([5.0, -5.0, np.nan, 1.0], np.float32))
    assert codes == bytes([0x80, 0x00, 0xFF, 0x80])
