"""Talk between us and a recogniser in a child process: one request, one reply, over the child's stdin and stdout.

A message is `<kind: u8> <length: u32> <payload>`, little-endian. The first request is OPEN (JSON `{"phrases"}`), answered by JSON
`{"left_out"}`; then AUDIO (int16 at 16 kHz) is answered by the guess so far (UTF-8), and FINISH by JSON `{"text", "command"}`. A
reply has the kind of its request, or is FAULT with a sentence. Standard library only, so that the child starts fast.
"""

from __future__ import annotations

import struct
from enum import IntEnum

HEADER = struct.Struct("<BI")
MAX_PAYLOAD = 1 << 22
"""Bytes, two minutes of sound; a longer message means that the two sides have lost step."""


class Kind(IntEnum):
    """What a message is."""

    OPEN = 1
    AUDIO = 2
    FINISH = 3
    FAULT = 4


def pack(kind: Kind, payload: bytes = b"") -> bytes:
    """One message. Raises ValueError for a payload over `MAX_PAYLOAD`."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a message of {len(payload)} bytes is too long; send at most {MAX_PAYLOAD}")
    return HEADER.pack(kind, len(payload)) + payload


def unpack_header(header: bytes) -> tuple[Kind, int]:
    """`(kind, payload length)`. Raises ValueError for a header that cannot be one."""
    kind, length = HEADER.unpack(header)
    if length > MAX_PAYLOAD:
        raise ValueError(f"a message claims {length} bytes, more than {MAX_PAYLOAD}; the two sides have lost step")
    return Kind(kind), length
