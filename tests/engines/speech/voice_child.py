"""A child that speaks as `voice_pipe` says and misbehaves on request; started by test_worker_tts.py."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from workbench.engines.speech.voice_pipe import protocol_streams, serve

RATE = 16_000
PIECE = b"\x00\x40" * 1_600  # 100 ms at half of full scale


def speak(text: str, voice: str, emit: Callable[[bytes], bool]) -> None:
    word = text.split()[0]
    marker = Path(sys.argv[1])
    if word == "die" or (word == "once" and not marker.exists()):
        marker.touch()
        os._exit(3)
    if word == "hang":
        threading.Event().wait()
    if word == "fail":
        raise ValueError(f"no such word as {text}")
    if word == "print":
        print("a library talks on stdout")  # noqa: T201 - that is the test
    if word == "garbage":
        streams[1].write(b"\xff" * 9)
    going = emit(PIECE)
    if word == "half":
        os._exit(4)
    while word == "long" and going:
        going = emit(PIECE)


if __name__ == "__main__":
    if sys.argv[2:] == ["broken"]:
        sys.exit(5)
    streams = protocol_streams()
    serve(RATE, speak, streams)
