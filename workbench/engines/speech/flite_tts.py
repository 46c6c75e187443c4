"""The embedded voice: flite, from the system library, in a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from workbench.audio.frames import Pcm, from_int16
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.flite_library import FliteLibrary
from workbench.engines.speech.handshake import SpokenHandshake
from workbench.engines.speech.shaping import Shaper
from workbench.engines.speech.spoken_text import clauses, spoken
from workbench.engines.speech.threads import stream_from_thread

Chunk = tuple[NDArray[np.int16], int]
"""Samples and their rate."""


class FliteTts(SpokenHandshake):
    """Implements `Tts`. The library speaks one clause at a time for all talks together, 80 times faster than real time on one core,
    so that many talks take turns by clause. Raises SpeechError with the repair when the library is not installed."""

    name = "flite"

    def __init__(self, why: str = "flite is installed on this machine", library: FliteLibrary | None = None) -> None:
        self.why = why
        self._library = library or FliteLibrary()
        self.voices: Sequence[str] = self._library.voices
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flite")

    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        chosen = voice or self.voices[0]
        if chosen not in self.voices:
            raise SpeechError(f"flite has no voice {voice!r}; take one of: {', '.join(self.voices)}")
        for clause in clauses(spoken(text)):
            shaper: Shaper | None = None
            async with aclosing(stream_from_thread(self._thread, self._work(clause, chosen))) as chunks:
                async for samples, rate in chunks:
                    shaper = shaper or Shaper(rate)
                    pcm = shaper.push(from_int16(samples))
                    if len(pcm):
                        yield pcm
            if shaper and len(pcm := shaper.flush()):
                yield pcm

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(self, clause: str, voice: str) -> Callable[[Callable[[Chunk], bool]], None]:
        def work(emit: Callable[[Chunk], bool]) -> None:
            self._library.say(clause, voice, lambda samples, rate: emit((samples, rate)))

        return work
