"""A recogniser that understands what a script says, whatever it hears."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from workbench.audio.frames import LISTEN_RATE, Pcm
from workbench.engines.speech.base import SpeechError, Transcript

Script = Sequence[str | Transcript | SpeechError] | Callable[[float], str]
"""What each utterance says, in order (an error is raised), or a function of its length in seconds. A spent script understands nothing."""


class ScriptedAsrSession:
    """One talk's share of a `ScriptedAsr`."""

    def __init__(self, script: Script) -> None:
        self.restarts = 0
        self.partial = ""
        self.fed_samples: list[int] = []
        """Samples at 16 kHz that each finished utterance was fed."""
        self.closed = False
        self._script = script if callable(script) else deque(script)
        self._fed = 0

    async def feed(self, pcm_16k: Pcm) -> None:
        self._fed += pcm_16k.size
        self.partial = "..."

    async def finish(self) -> Transcript:
        fed, self._fed, self.partial = self._fed, 0, ""
        self.fed_samples.append(fed)
        if callable(self._script):
            return Transcript(self._script(fed / LISTEN_RATE), decode_ms=0.0)
        line = self._script.popleft() if self._script else ""
        if isinstance(line, SpeechError):
            raise line
        return line if isinstance(line, Transcript) else Transcript(line, decode_ms=0.0)

    async def close(self) -> None:
        self.closed = True


class ScriptedAsr:
    """Opens sessions that all follow the same script from its beginning."""

    name = "scripted"
    why = "A script says what was said."

    def __init__(self, script: Script = ()) -> None:
        self._script = script
        self.sessions: list[ScriptedAsrSession] = []
        self.phrases: list[Sequence[str]] = []

    async def open(self, phrases: Sequence[str] = ()) -> ScriptedAsrSession:
        self.phrases.append(phrases)
        self.sessions.append(ScriptedAsrSession(self._script))
        return self.sessions[-1]

    async def close(self) -> None:
        """Nothing is held."""
