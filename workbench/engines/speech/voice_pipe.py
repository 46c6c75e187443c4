"""Talk between us and a synthesiser in a child process: messages over the child's stdin and stdout.

A message is `<id: u32> <kind: u8> <length: u32> <payload>`, little-endian. We send SAY (JSON `{"text", "voice"}`) and STOP; the child
sends READY once (id 0, JSON `{"rate"}`), then for each SAY any number of SOUND (int16, little-endian, mono) and one END or
ERROR (a sentence). This module needs nothing but the standard library, so that the child starts fast.
"""

from __future__ import annotations

import json
import os
import queue
import struct
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import BinaryIO

HEADER = struct.Struct("<IBI")
MAX_PAYLOAD = 1 << 20
"""Bytes; a longer message means that the two sides have lost step."""


class Kind(IntEnum):
    """What a message is."""

    SAY = 1
    STOP = 2
    READY = 3
    SOUND = 4
    END = 5
    ERROR = 6


def pack(request: int, kind: Kind, payload: bytes = b"") -> bytes:
    """One message. Raises ValueError for a payload over `MAX_PAYLOAD`."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a message of {len(payload)} bytes is too long; send at most {MAX_PAYLOAD}")
    return HEADER.pack(request, kind, len(payload)) + payload


def unpack_header(header: bytes) -> tuple[int, Kind, int]:
    """`(id, kind, payload length)`. Raises ValueError for a header that cannot be one."""
    request, kind, length = HEADER.unpack(header)
    if length > MAX_PAYLOAD:
        raise ValueError(f"a message claims {length} bytes, more than {MAX_PAYLOAD}; the two sides have lost step")
    return request, Kind(kind), length


def read_message(stream: BinaryIO) -> tuple[int, Kind, bytes] | None:
    """The next message; None at the end of the stream, also in the middle of a message."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    request, kind, length = unpack_header(header)
    payload = stream.read(length)
    return (request, kind, payload) if len(payload) == length else None


Speak = Callable[[str, str, Callable[[bytes], bool]], None]
"""`(text, voice, emit)`: hands int16 bytes to `emit` as they are made; stops soon after `emit` has returned False. May raise."""


def protocol_streams() -> tuple[BinaryIO, BinaryIO]:
    """The child's two ends. What a library prints goes to stderr from here on, never between the messages."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sys.stdin.buffer, output


def serve(rate: int, speak: Speak, streams: tuple[BinaryIO, BinaryIO]) -> None:
    """The child's life: speaks one text after the other in this thread until its input ends."""
    source, sink = streams
    waiting: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
    stopped: set[int] = set()
    ended = threading.Event()

    def listen() -> None:
        while (message := read_message(source)) is not None:
            request, kind, payload = message
            if kind is Kind.SAY:
                waiting.put((request, payload))
            elif kind is Kind.STOP:
                stopped.add(request)
        ended.set()
        waiting.put(None)

    def send(request: int, kind: Kind, payload: bytes = b"") -> None:
        sink.write(pack(request, kind, payload))

    threading.Thread(target=listen, name="requests", daemon=True).start()
    send(0, Kind.READY, json.dumps({"rate": rate}).encode())
    while (asked := waiting.get()) is not None:
        request, payload = asked

        def emit(sound: bytes, request: int = request) -> bool:
            if sound and request not in stopped:
                send(request, Kind.SOUND, sound)
            return request not in stopped and not ended.is_set()

        try:
            order = json.loads(payload)
            if emit(b""):
                speak(order["text"], order["voice"], emit)
        except Exception as error:  # noqa: BLE001 - told to the other side, which raises it
            send(request, Kind.ERROR, str(error).encode()[:MAX_PAYLOAD])
        else:
            send(request, Kind.END)
        stopped.discard(request)
