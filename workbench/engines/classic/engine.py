"""The classic engine: half duplex, on any machine. The talk does the listening; this finds the words and speaks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from workbench.engines.base import Availability, EngineBusy, EngineSpec
from workbench.engines.classic.responder import Responder
from workbench.engines.classic.session import ClassicSession
from workbench.engines.speech.base import SpeechError, Tts
from workbench.personas import Persona

PROBE_TIMEOUT_S = 3.0

State = Literal["ready", "busy", "unavailable"]
ResponderFor = Callable[[Persona], Responder]
VoiceFor = Callable[[Tts, str], tuple[str | None, str | None]]
"""`(tts, persona_voice) -> (voice of the tts, note for the user)`."""


class ClassicEngine:
    """Implements `Engine`. `max_sessions` is what the machine holds in real time, as measured by the caller."""

    name = "classic"

    def __init__(self, tts: Tts, responder_for: ResponderFor, voice_for: VoiceFor, *, max_sessions: int) -> None:
        self._tts = tts
        self._responder_for = responder_for
        self._voice_for = voice_for
        self._max_sessions = max_sessions
        self._sessions: list[ClassicSession] = []

    async def probe(self) -> Availability:
        """A handshake with the voice, which costs no quota; it alone can be missing."""
        if len(self._sessions) >= self._max_sessions:
            return self._answer("busy", self._full(), "Wait until a talk ends.")
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                ms = await self._tts.handshake()
        except TimeoutError:
            return self._answer(
                "unavailable", f"{self._tts.name} gave no sound within {PROBE_TIMEOUT_S:g} s.", "Choose another voice with WORKBENCH_TTS."
            )
        except SpeechError as error:
            return self._answer("unavailable", str(error))
        except Exception as error:  # noqa: BLE001 - a probe never raises; whatever is wrong is its answer
            return self._answer("unavailable", f"{self._tts.name} failed: {error!r}", "Choose another voice with WORKBENCH_TTS.")
        return self._answer("ready", f"{self._tts.name} answered.", handshake_ms=ms)

    async def open(self, spec: EngineSpec) -> ClassicSession:
        """Raises EngineBusy when every place is taken."""
        if len(self._sessions) >= self._max_sessions:
            raise EngineBusy(f"{self._full()} Wait until a talk ends, or raise the limit if this machine can hold more.")
        voice, note = (spec.voice, None) if spec.voice in self._tts.voices else self._voice_for(self._tts, spec.voice)
        session = ClassicSession(spec, self._responder_for(spec.persona), self._tts, voice, on_close=lambda: self._sessions.remove(session))
        if note:
            session.notices.append(note)
        self._sessions.append(session)
        return session

    def announce(self, message: str) -> None:
        """A notice to every open talk: the shared voice has changed."""
        for session in self._sessions:
            session.notices.append(message)

    def _full(self) -> str:
        return f"All {self._max_sessions} places of the classic engine are taken."

    def _answer(self, state: State, reason: str, repair: str = "", *, handshake_ms: float | None = None) -> Availability:
        return Availability(state, reason, repair, handshake_ms, self._max_sessions, len(self._sessions))
