"""Ogg pages of one stream of Opus packets, one packet a page, as it is sent while it is made (RFC 3533, RFC 7845)."""

from __future__ import annotations

import secrets
import struct
import zlib

MAX_PACKET_BYTES = 255 * 255 - 1
"""A page's table has 255 entries of up to 255 bytes, of which the last must be smaller to end the packet."""
GRANULES_PER_S = 48_000
"""Ogg/Opus counts in samples at 48 kHz, whatever the sound's own rate."""

_FIRST, _LATER = 2, 0
_NOT_COUNTED_YET = 0
_HEADER = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """Makes the pages of one stream."""

    def __init__(self, *, pre_skip: int, vendor: str) -> None:
        """`pre_skip`: samples at 48 kHz by which the decoded sound is late. `vendor`: who encoded."""
        self._serial = secrets.randbits(32)
        self._sequence = 0
        self._granule = 0
        mono, plain_mapping, gain = 1, 0, 0
        self._opening = (
            struct.pack("<8sBBHIhB", b"OpusHead", 1, mono, pre_skip, GRANULES_PER_S, gain, plain_mapping),
            struct.pack("<8sI", b"OpusTags", len(vendor.encode())) + vendor.encode() + struct.pack("<I", 0),
        )

    def header(self) -> bytes:
        """The two pages that a stream begins with."""
        return self._page(self._opening[0], _FIRST) + self._page(self._opening[1], _LATER)

    def page(self, packet: bytes, granules: int) -> bytes:
        """The page of a packet that plays for `granules` (samples at 48 kHz). Raises ValueError for one that fills more than a page."""
        if len(packet) > MAX_PACKET_BYTES:
            raise ValueError(f"a packet has {len(packet):,} bytes; one page takes {MAX_PACKET_BYTES:,}")
        self._granule += granules
        return self._page(packet, _LATER)

    def _page(self, packet: bytes, flags: int) -> bytes:
        whole, rest = divmod(len(packet), 255)
        table = b"\xff" * whole + bytes([rest])
        head = _HEADER.pack(b"OggS", 0, flags, self._granule, self._serial, self._sequence, _NOT_COUNTED_YET, len(table))
        self._sequence += 1
        page = head + table + packet
        return page[:_CRC_AT] + struct.pack("<I", checksum(page)) + page[_CRC_AT + 4 :]


def checksum(page: bytes) -> int:
    """Ogg's CRC-32: the usual polynomial, but most significant bit first, begun at zero and not inverted. zlib does it on mirrored bits."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED), "big")
