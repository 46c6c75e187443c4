"""The pocketsphinx process: `python -m workbench.engines.speech.pocketsphinx_worker`. Talks as `asr_pipe` says.

It lives apart because pocketsphinx never releases Python's global lock: in the server it would stop every talk's sound for up to
half a second. It runs niced, so that it never starves them either.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

import numpy as np

from workbench.audio.frames import from_int16
from workbench.engines.speech.asr_pipe import HEADER, Kind, pack, unpack_header
from workbench.engines.speech.pocketsphinx_decoding import Decoding

NICENESS = 5


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers requests until `source` ends."""
    decoding: Decoding | None = None
    while len(header := source.read(HEADER.size)) == HEADER.size:
        kind, length = unpack_header(header)
        payload = source.read(length)
        try:
            if kind is Kind.OPEN:
                decoding = Decoding(json.loads(payload)["phrases"])
                answer = json.dumps({"left_out": decoding.grammar.left_out}).encode()
            elif decoding is None:
                raise ValueError("sound came before OPEN")
            elif kind is Kind.AUDIO:
                answer = decoding.feed(from_int16(np.frombuffer(payload, dtype="<i2"))).encode()
            else:
                text, command = decoding.finish()
                answer = json.dumps({"text": text, "command": command}).encode()
        except Exception as fault:  # noqa: BLE001 - told to the other side, which raises it
            kind, answer = Kind.FAULT, f"{type(fault).__name__}: {fault}".encode()
        sink.write(pack(kind, answer))
        sink.flush()


def main() -> None:
    os.nice(NICENESS)
    # What a library prints must not come between the messages.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
