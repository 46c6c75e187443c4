"""A recogniser that understands nothing."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.audio.frames import Pcm
from workbench.engines.speech.base import AsrSession, Transcript


class DeafSession:
    """Understands nothing."""

    restarts = 0
    partial = ""

    async def feed(self, pcm_16k: Pcm) -> None: ...

    async def finish(self) -> Transcript:
        return Transcript("", 0.0)

    async def close(self) -> None: ...


class DeafAsr:
    name = "deaf"
    why = "It is the test recogniser."

    async def open(self, phrases: Sequence[str] = ()) -> AsrSession:
        return DeafSession()

    async def close(self) -> None: ...
