"""Packets in order for aiortc's decoder: a loss costs the lost packet and no more."""

from __future__ import annotations

import itertools
import random

import av
import numpy as np
import pytest
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from workbench.transports.webrtc_patches import CALM_PACKETS, MOST_HOLD, GroupDecoder, PacketGroup, PacketOrder

MODULUS = 65_536


def _packet(sequence: int, data: bytes = b"x") -> RtpPacket:
    packet = RtpPacket(payload_type=96, sequence_number=sequence % MODULUS, timestamp=(sequence * 960) % 2**32)
    packet._data = data  # type: ignore[attr-defined]  # as the receiver does
    return packet


def _timestamps(frame: JitterFrame | None) -> list[int]:
    if frame is None:
        return []
    assert isinstance(frame, PacketGroup)
    return [frame.timestamp, *((frame.timestamp + later) % 2**32 for _data, later in frame.rest)]


def _through(order: PacketOrder, sequence: list[int]) -> list[int]:
    out: list[int] = []
    for number in sequence:
        _key_frame, frame = order.add(_packet(number))
        out += [stamp // 960 for stamp in _timestamps(frame)]
    return out


def test_packets_in_order_go_on_at_once() -> None:
    order = PacketOrder(hold=3)
    for number in range(65_500, 65_600):
        _key_frame, frame = order.add(_packet(number))
        assert len(_timestamps(frame)) == 1
    assert order.lost == order.late == 0


def test_a_loss_costs_the_lost_packet_only() -> None:
    order = PacketOrder(hold=1)
    assert _through(order, [number for number in range(100) if number not in {10, 50, 51}]) == [
        n for n in range(100) if n not in {10, 50, 51}
    ]
    assert order.lost == 3


@pytest.mark.parametrize("hold", [0, 1, 4])
def test_a_missing_packet_is_waited_for_no_longer_than_asked(hold: int) -> None:
    order = PacketOrder(hold)
    assert _through(order, [0, 1]) == [0, 1]
    assert _through(order, list(range(3, 3 + hold))) == []
    assert _through(order, [3 + hold]) == list(range(3, 4 + hold))
    assert _through(order, [4 + hold]) == [4 + hold]


def test_neighbours_that_changed_places_are_put_in_order() -> None:
    assert _through(PacketOrder(hold=1), [0, 2, 1, 3, 5, 4, 6]) == list(range(7))
    assert _through(PacketOrder(hold=2), [0, 3, 2, 1, 4]) == list(range(5))


def test_what_comes_too_late_or_twice_is_left_out() -> None:
    order = PacketOrder(hold=0)
    assert _through(order, [0, 1, 1, 3, 2, 4]) == [0, 1, 3, 4]
    assert (order.late, order.duplicates, order.lost) == (1, 1, 1)


def test_a_gap_waits_longer_where_packets_overtake_each_other_and_less_again_where_they_do_not() -> None:
    order = PacketOrder(hold=1)
    assert _through(order, [0, 2, 3, 1]) == [0, 2, 3]
    assert order.hold == 2
    assert _through(order, [5, 6, 4]) == [4, 5, 6]
    for number in range(7, 7 + CALM_PACKETS):
        order.add(_packet(number))
    assert order.hold == 1
    assert (order.lost, order.late) == (1, 1)


def test_a_duplicate_lengthens_no_wait() -> None:
    order = PacketOrder(hold=1)
    assert _through(order, [0, 1, 1, 0, 2, 2]) == [0, 1, 2]
    assert (order.hold, order.late, order.duplicates) == (1, 0, 3)


def test_no_gap_waits_longer_than_the_most() -> None:
    order, number = PacketOrder(hold=1), 0
    for _ in range(20):
        order.add(_packet(number))
        for later in range(2, 12):
            order.add(_packet(number + later))
        order.add(_packet(number + 1))
        number += 12
    assert order.hold == MOST_HOLD


def test_a_new_numbering_is_followed() -> None:
    assert _through(PacketOrder(), [5, 6, 30_000, 30_001, 2, 3]) == [5, 6, 30_000, 30_001, 2, 3]


def test_padding_is_no_sound() -> None:
    order = PacketOrder()
    assert order.add(_packet(0, b"")) == (False, None)
    assert _through(order, [1, 2]) == [1, 2]


@given(
    start=st.integers(0, 70_000),
    lost=st.frozensets(st.integers(1, 199), max_size=60),
    hold=st.integers(0, 8),
    seed=st.integers(0, 10_000),
    spread=st.floats(0, 6),
    twice=st.frozensets(st.integers(1, 199), max_size=30),
)
def test_whatever_comes_goes_out_in_order_and_at_most_once(
    start: int, lost: frozenset[int], hold: int, seed: int, spread: float, twice: frozenset[int]
) -> None:
    shuffler = random.Random(seed)
    kept = [start + index for index in range(200) if index not in lost]
    copies = [*kept, *(start + index for index in twice - lost)]
    arrived = sorted(copies, key=lambda number: (number != start, number + shuffler.uniform(0, spread)))
    order = PacketOrder(hold)
    out: list[int] = []
    for number in arrived:
        _key_frame, frame = order.add(_packet(number))
        out += _timestamps(frame)
    expected = [(number * 960) % 2**32 for number in kept]
    assert [expected.index(stamp) for stamp in out] == sorted({expected.index(stamp) for stamp in out})
    assert len(arrived) == len(out) + order.late + order.duplicates + len(order._waiting)
    assert len(order._waiting) <= order.hold
    given_up = {(start + index) * 960 % 2**32 for index in range(200)} - {*out} - {packet.timestamp for packet in order._waiting.values()}
    assert order.lost <= len(given_up)
    if spread <= 1:
        assert order.late == 0


def test_decoded_frames_keep_their_place_in_time() -> None:
    encoder, decoder, order = OpusEncoder(), GroupDecoder(OpusDecoder()), PacketOrder()
    stamps: list[int] = []
    for index in range(60):
        wave = (9_000 * np.sin(np.arange(960) * 0.06 + index * 57.6)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, index * 960
        payloads, _timestamp = encoder.encode(frame)
        for payload in payloads:
            if index in {20, 21, 40}:
                continue
            _key_frame, group = order.add(_packet(index, payload))
            if group is not None:
                stamps += [decoded.pts for decoded in decoder.decode(group)]
    assert {after - before for before, after in itertools.pairwise(stamps)} == {960, 1_920, 2_880}
    assert len(stamps) >= 56


def test_the_librarys_own_buffer_is_what_we_say_it_is() -> None:
    """When this fails, aiortc has mended its buffer, and `PacketOrder` may go."""
    buffer = JitterBuffer(capacity=16, prefetch=4)
    released = [buffer.add(_packet(number))[1] is not None for number in range(200) if number != 50]
    stall = "".join("x" if there else "." for there in released).split("x", 1)[1]
    assert max(len(gap) for gap in stall.split("x")) >= 10
