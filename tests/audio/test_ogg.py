"""Ogg pages, held against what two other libraries write and read."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
import sphn
from hypothesis import given
from hypothesis import strategies as st

from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.audio.ogg import MAX_PACKET_BYTES, OggPages, checksum
from workbench.audio.opus import CODEC_DELAY_SAMPLES, OpusWriter
from workbench.testing.talks import spoken


def pages(stream: bytes) -> list[tuple[bytes, bytes]]:
    """Whole pages and what each of them carries."""
    found = []
    while stream:
        assert stream[:5] == b"OggS\0"
        table = stream[27 : 27 + stream[26]]
        begin = 27 + len(table)
        end = begin + sum(table)
        found.append((stream[:end], stream[begin:end]))
        stream = stream[end:]
    return found


def test_the_checksum_is_that_of_another_writers_pages() -> None:
    foreign = bytes(sphn.OpusStreamWriter(SAMPLE_RATE).append_pcm(spoken(1.0)))
    found = pages(foreign)
    assert len(found) > 20
    for page, _packet in found:
        assert struct.unpack_from("<I", page, 22)[0] == checksum(page[:22] + bytes(4) + page[26:])


def test_another_reader_plays_the_whole_stream_without_the_codecs_delay() -> None:
    sound = spoken(2.0)
    with av.open(io.BytesIO(OpusWriter().append(sound))) as container:
        stream = container.streams.audio[0]
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        assert (stream.rate, stream.layout.name) == (48_000, "mono")
    assert heard.size == 2 * (sound.size - CODEC_DELAY_SAMPLES)
    assert np.corrcoef(heard[::2], sound[: heard[::2].size])[0, 1] > 0.9


@given(st.lists(st.binary(max_size=1_100), max_size=5))
def test_packets_of_every_size_come_back(packets: list[bytes]) -> None:
    writer = OggPages(pre_skip=312, vendor="Ä writer")
    found = pages(writer.header() + b"".join(writer.page(packet, 960) for packet in packets))
    assert [packet for _page, packet in found[2:]] == packets
    assert [struct.unpack_from("<q", page, 6)[0] for page, _packet in found] == [0, 0, *(960 * n for n in range(1, len(packets) + 1))]
    assert [struct.unpack_from("<I", page, 18)[0] for page, _packet in found] == list(range(len(found)))
    assert len({page[14:18] for page, _packet in found}) == 1


def test_a_packet_that_does_not_fit_one_page_is_refused() -> None:
    writer = OggPages(pre_skip=0, vendor="")
    assert pages(writer.page(bytes(MAX_PACKET_BYTES), 960))[0][1] == bytes(MAX_PACKET_BYTES)
    with pytest.raises(ValueError, match="65,025 bytes"):
        writer.page(bytes(MAX_PACKET_BYTES + 1), 960)


def test_silence_costs_next_to_nothing() -> None:
    writer = OpusWriter()
    writer.append(spoken(1.0))
    assert len(writer.append(silence(10 * SAMPLE_RATE))) < 10 * 25 * 60
