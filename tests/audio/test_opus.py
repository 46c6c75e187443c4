"""Ogg/Opus streams: exact lengths, the codec's delay, and hostile bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.audio.opus import (
    CODEC_DELAY_SAMPLES,
    MAX_APPEND_BYTES,
    MAX_PENDING_BYTES,
    PAGE_SAMPLES,
    CodecError,
    OpusReader,
    OpusWriter,
)


def _noise(samples: int, seed: int = 0) -> Pcm:
    """Noise below about 3 kHz, which Opus keeps the waveform of."""
    white = np.random.default_rng(seed).standard_normal(samples + 7)
    return (0.2 * np.convolve(white, np.ones(8) / 8, mode="valid")).astype(np.float32)


def _page(flags: int, sequence: int, segments: bytes, body: bytes) -> bytes:
    return (
        b"OggS\0"
        + bytes([flags])
        + bytes(8)
        + b"\1\0\0\0"
        + sequence.to_bytes(4, "little")
        + bytes(4)
        + bytes([len(segments)])
        + segments
        + body
    )


def test_frames_come_back_in_full_length_and_with_the_stated_delay() -> None:
    sent = _noise(50 * FRAME_SAMPLES)
    writer, reader = OpusWriter(), OpusReader()
    heard = []
    for begin in range(0, sent.size, FRAME_SAMPLES):
        heard.append(reader.append(writer.append(sent[begin : begin + FRAME_SAMPLES])))
        assert heard[-1].size == FRAME_SAMPLES
    back = np.concatenate(heard)
    assert reader.read_samples == writer.written_samples == sent.size
    lags = range(400)
    scores = [float(np.dot(back[lag : lag + 48_000], sent[:48_000])) for lag in lags]
    assert abs(int(np.argmax(scores)) - CODEC_DELAY_SAMPLES) <= 3


def test_stream_begins_with_its_headers_and_flush_fills_the_last_page() -> None:
    writer, reader = OpusWriter(), OpusReader()
    first = writer.append(silence(100))
    assert writer.held_samples == 100
    first += writer.append(silence(1_000))
    assert first.startswith(b"OggS")
    assert b"OpusHead" in first
    assert writer.held_samples == 1_100 - PAGE_SAMPLES
    decoded = reader.append(first + writer.flush())
    assert writer.held_samples == 0
    assert decoded.size == writer.written_samples == 2 * PAGE_SAMPLES
    assert writer.flush() == b""


def test_bytes_may_be_cut_anywhere() -> None:
    writer = OpusWriter()
    stream = writer.append(_noise(10 * PAGE_SAMPLES))
    reader = OpusReader()
    total = sum(reader.append(stream[begin : begin + 37]).size for begin in range(0, len(stream), 37))
    assert total == 10 * PAGE_SAMPLES


def test_a_broken_engine_does_not_break_the_stream() -> None:
    writer, reader = OpusWriter(), OpusReader()
    bad = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], dtype=np.float32)
    decoded = reader.append(writer.append(np.resize(bad, FRAME_SAMPLES)))
    assert np.isfinite(decoded).all()
    with pytest.raises(ValueError, match="shape"):
        writer.append(np.zeros((2, 960), dtype=np.float32))


@pytest.mark.parametrize("junk", [b"\0" * 60_000, b"OggS" * 10_000, b"RIFF" + bytes(40), bytes(range(256))])
def test_junk_is_a_codec_error_and_the_reader_goes_on(junk: bytes) -> None:
    reader = OpusReader()
    with pytest.raises(CodecError, match="send mono Ogg/Opus"):
        reader.append(junk)
    assert reader.errors == 1
    assert reader.append(OpusWriter().append(silence())).size == FRAME_SAMPLES


def test_too_many_bytes_at_once_are_refused() -> None:
    reader = OpusReader()
    with pytest.raises(CodecError, match="at once"):
        reader.append(bytes(MAX_APPEND_BYTES + 1))
    assert reader.append(OpusWriter().append(silence())).size == FRAME_SAMPLES


def test_a_packet_that_never_ends_is_refused() -> None:
    reader = OpusReader()
    reader.append(OpusWriter().append(silence()))
    endless = _page(1, 4, b"\xff" * 255, bytes(255 * 255))
    for _ in range(MAX_PENDING_BYTES // len(endless)):
        assert reader.append(endless).size == 0
    with pytest.raises(CodecError, match="without any sound"):
        reader.append(endless)


def test_bytes_that_unpack_to_hours_are_refused() -> None:
    reader = OpusReader()
    reader.append(OpusWriter().append(silence()))
    # Three bytes are 40 ms of silence, so 200 pages of ten packets are 80 s in 13 kB.
    bomb = b"".join(_page(0, 4 + index, b"\3" * 10, b"\x10\xff\xfe" * 10) for index in range(200))
    with pytest.raises(CodecError, match="unpack to more"):
        reader.append(bomb)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=400), max_size=6), st.integers(0, 5), st.integers(0, 700))
def test_arbitrary_bytes_never_do_worse_than_a_codec_error(pieces: list[bytes], flipped: int, where: int) -> None:
    writer, reader = OpusWriter(), OpusReader()
    stream = bytearray(writer.append(_noise(4 * PAGE_SAMPLES)))
    stream[where % len(stream)] ^= 1 << flipped
    for piece in [bytes(stream), *pieces]:
        try:
            pcm = reader.append(piece)
        except CodecError:
            continue
        assert pcm.dtype == np.float32
        assert pcm.ndim == 1
