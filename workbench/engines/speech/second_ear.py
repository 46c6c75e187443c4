"""A recogniser beside the talks': hears what agents said, for whoever wants to know whether it could be understood."""

from __future__ import annotations

import asyncio
import logging

from workbench.audio.frames import LISTEN_RATE, SAMPLE_RATE, Pcm, silence
from workbench.audio.resample import StreamResampler
from workbench.engines.speech.base import Asr, AsrSession, SpeechError

log = logging.getLogger(__name__)

MAX_WAITING = 4
"""Stretches that may wait or be heard at once, over all talks. What comes beyond that is not heard at all."""
CHUNK_SAMPLES = SAMPLE_RATE // 2
"""Resampled at once: under a millisecond of the loop that also plays frames."""
TAIL_SAMPLES = SAMPLE_RATE // 4
"""Silence after the stretch, which recognisers with a look-ahead need."""


class SecondEar:
    """Hears one stretch after the other, for all talks of a process. Its recogniser is open only while there is something to hear."""

    def __init__(self, asr: Asr, *, max_waiting: int = MAX_WAITING) -> None:
        self.name = asr.name
        self.refused = 0
        """Stretches that were not heard because too many waited."""
        self._asr = asr
        self._max_waiting = max_waiting
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._session: AsrSession | None = None

    async def transcribe(self, pcm: Pcm) -> str | None:
        """The words of `pcm` [n] float32 at 24 kHz, in free dictation; empty when there are none. None when nobody could listen: too many
        stretches wait, or the recogniser failed."""
        if self._waiting >= self._max_waiting:
            self.refused += 1
            log.info("a stretch of %.1f s is not heard: %d wait already", len(pcm) / SAMPLE_RATE, self._waiting)
            return None
        self._waiting += 1
        try:
            async with self._turn:
                return await self._heard(pcm)
        except SpeechError as error:
            log.warning("the recogniser of what agents say failed: %s", error)
            return None
        finally:
            self._waiting -= 1

    async def _heard(self, pcm: Pcm) -> str:
        whole = False
        try:
            if self._session is None:
                self._session = await self._asr.open()
            to_16k = StreamResampler(SAMPLE_RATE, LISTEN_RATE)
            for at in range(0, len(pcm), CHUNK_SAMPLES):
                await self._session.feed(to_16k.push(pcm[at : at + CHUNK_SAMPLES]))
                # Other talks' frames go first.
                await asyncio.sleep(0)
            await self._session.feed(to_16k.push(silence(TAIL_SAMPLES)))
            transcript = await self._session.finish()
            whole = True
            return transcript.text
        finally:
            # Closed too when it was cut off in the middle: what it had heard so far belongs to nobody.
            if self._session is not None and (not whole or self._waiting == 1):
                session, self._session = self._session, None
                await session.close()
