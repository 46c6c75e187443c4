"""Proof that a synthesiser can speak just now."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from workbench.audio.frames import Pcm
from workbench.engines.speech.base import SpeechError

WORD = "ready"


class SpokenHandshake(ABC):
    """For synthesisers on this machine: the handshake is a word said to nobody."""

    name: str

    @abstractmethod
    def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        """See `Tts.stream`."""

    async def handshake(self) -> float:
        """Milliseconds from asking for a word to its first sound. Raises SpeechError."""
        began_s = time.monotonic()
        async with aclosing(self.stream(WORD)) as sound:
            if await anext(sound, None) is None:
                raise SpeechError(f"{self.name} gave no sound; choose another voice with WORKBENCH_TTS")
        return (time.monotonic() - began_s) * 1_000
