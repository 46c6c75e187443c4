"""A synthesiser for tests: one burst of tone per word, so that every sample can be predicted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm, ms_to_samples
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.handshake import SpokenHandshake

TONE_MS = 240
GAP_MS = 60
WORD_SAMPLES = ms_to_samples(TONE_MS + GAP_MS)
"""Samples at 24 kHz that each word takes: 240 ms of tone, then 60 ms of silence."""
TONE_HZ = 440.0
LEVEL = 0.25
"""Peak of the tone."""


def tone_word() -> Pcm:
    """The sound of any one word, `[WORD_SAMPLES]`."""
    pcm = np.zeros(WORD_SAMPLES, dtype=np.float32)
    tone = ms_to_samples(TONE_MS)
    # A cosine, so that the very first sample is already at the peak: speech begins exactly where the chunk does.
    pcm[:tone] = LEVEL * np.cos(2 * np.pi * TONE_HZ * np.arange(tone) / SAMPLE_RATE)
    return pcm


class ToneTts(SpokenHandshake):
    """Implements `Tts`: a chunk of `WORD_SAMPLES` per white-space separated word.

    `first_chunk_delay_ms` is waited for once per text (wall time). After `fail_after_chunks` chunks, counted over all texts, every
    `stream` raises `SpeechError(error)`. `said` lists the texts asked for, `voices_used` their voices, `chunks` counts what was given
    out, `closed_early` the streams that were closed before their end.
    """

    def __init__(
        self,
        name: str = "tone",
        *,
        voices: Sequence[str] = ("tone",),
        first_chunk_delay_ms: float = 0.0,
        fail_after_chunks: int | None = None,
        error: str = "the test voice was told to fail; ask for fewer chunks",
    ) -> None:
        self.name = name
        self.why = "it is the test voice"
        self.voices: Sequence[str] = tuple(voices)
        self.said: list[str] = []
        self.voices_used: list[str] = []
        self.chunks = 0
        self.closed_early = 0
        self.closed = False
        self._delay_s = first_chunk_delay_ms / 1_000
        self._fail_after_chunks = fail_after_chunks
        self._error = error

    async def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        if voice is not None and voice not in self.voices:
            raise SpeechError(f"{self.name} has no voice {voice!r}; take one of: {', '.join(self.voices)}")
        self.said.append(text)
        self.voices_used.append(voice or self.voices[0])
        # Even without a delay the first chunk costs one turn of the loop, as with every real synthesiser.
        await asyncio.sleep(self._delay_s)
        finished = False
        try:
            for _word in text.split():
                if self._fail_after_chunks is not None and self.chunks >= self._fail_after_chunks:
                    finished = True
                    raise SpeechError(self._error)
                self.chunks += 1
                yield tone_word()
            finished = True
        finally:
            if not finished:
                self.closed_early += 1

    async def close(self) -> None:
        self.closed = True
