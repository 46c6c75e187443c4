"""What a recogniser and a synthesiser are to the workbench."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from workbench.audio.frames import Pcm


class SpeechError(Exception):
    """A recogniser or synthesiser cannot be used. The message names what was wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser understood of one stretch of speech."""

    text: str
    """Lower case or as the model writes it; empty when nothing was understood."""
    decode_ms: float
    """Wall time from the call of `finish` to the answer."""
    command: str | None = None
    """The phrase of the closed grammar that fits the same sound, when one does clearly; None otherwise."""


class AsrSession(Protocol):
    """One user's recogniser, one utterance after the other. A dead worker is restarted by the session itself, and counted."""

    restarts: int

    async def feed(self, pcm_16k: Pcm) -> None:
        """More sound of the current utterance, [n] float32 at 16 kHz; the first call opens it. Returns once it is accepted."""
        ...

    @property
    def partial(self) -> str:
        """The best guess so far for the current utterance."""
        ...

    async def finish(self) -> Transcript:
        """Ends the utterance and gives its words. The next `feed` opens another."""
        ...

    async def close(self) -> None: ...


class Asr(Protocol):
    """A recogniser that many talks share."""

    name: str
    why: str
    """Why this one was chosen, in one sentence for the page."""

    async def open(self, phrases: Sequence[str] = ()) -> AsrSession:
        """`phrases`: the registered tools' phrases, for recognisers with a closed grammar. Raises SpeechError."""
        ...

    async def close(self) -> None: ...


class Tts(Protocol):
    """A synthesiser that many talks share."""

    name: str
    why: str
    voices: Sequence[str]

    def stream(self, text: str, voice: str | None = None) -> AsyncGenerator[Pcm, None]:
        """Chunks of float32 at 24 kHz, the first as soon as there is one; leading silence trimmed. Closing the generator
        stops the work at once. Raises SpeechError; an unknown voice is an error, None is the default."""
        ...

    async def handshake(self) -> float:
        """Proves that it can speak just now, at no cost to anybody's quota. Milliseconds it took; raises SpeechError."""
        ...

    async def close(self) -> None: ...
