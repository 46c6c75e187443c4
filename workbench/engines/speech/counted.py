"""A recogniser that counts: open sessions, and workers that died and were started again."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.audio.frames import Pcm
from workbench.engines.speech.base import Asr, AsrSession, Transcript


class CountedAsr:
    """Implements `Asr` over another one, and changes nothing about it."""

    def __init__(self, inner: Asr) -> None:
        self.name, self.why = inner.name, inner.why
        self.sessions = 0
        """Open now."""
        self.restarts = 0
        """Workers started again, over all sessions since the process began."""
        self._inner = inner

    async def open(self, phrases: Sequence[str] = ()) -> AsrSession:
        session = await self._inner.open(phrases)
        self.sessions += 1
        return _CountedSession(session, self)

    async def close(self) -> None:
        await self._inner.close()


class _CountedSession:
    def __init__(self, inner: AsrSession, counter: CountedAsr) -> None:
        self.restarts = 0
        self._inner = inner
        self._counter = counter
        self._closed = False

    @property
    def partial(self) -> str:
        return self._inner.partial

    async def feed(self, pcm_16k: Pcm) -> None:
        try:
            await self._inner.feed(pcm_16k)
        finally:
            self._count()

    async def finish(self) -> Transcript:
        try:
            return await self._inner.finish()
        finally:
            self._count()

    async def close(self) -> None:
        try:
            await self._inner.close()
        finally:
            self._count()
            if not self._closed:
                self._closed = True
                self._counter.sessions -= 1

    def _count(self) -> None:
        self._counter.restarts += self._inner.restarts - self.restarts
        self.restarts = self._inner.restarts
