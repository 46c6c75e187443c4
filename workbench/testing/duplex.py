"""A full-duplex fake that talks of its own accord, can be held, and says what it is given: what PersonaPlex does, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from workbench.audio.frames import Pcm, ms_to_samples
from workbench.engines.base import AgentFrame, Availability, Capabilities, EngineSession, EngineSpec, Stopped
from workbench.talk import Saying, Utterance
from workbench.testing.engines import ScriptedSession

INTERRUPT_HOLD_MS = 1_000.0
"""Quiet after an interruption, as the gateway keeps it."""


class DuplexSession(ScriptedSession):
    """Says `own` words over and over, one after the other, whenever it is neither held nor given something to say."""

    capabilities = Capabilities(full_duplex=True, can_say=True, can_interrupt=True, can_hold=True, takes_text=False)

    def __init__(self, spec: EngineSpec, own: Sequence[str]) -> None:
        super().__init__(spec, ())
        self._own = cycle(own) if own else None
        self._held_until = 0

    async def step(self, user: Pcm) -> AgentFrame:
        if self._own is not None and not self.busy and self._clock.now_samples >= self._held_until:
            self.enqueue(next(self._own), forced=False)
        return await super().step(user)

    def answer(self, utterance: Utterance) -> None:
        """It answers by itself."""
        self.heard.append(utterance)

    def say(self, text: str) -> Saying:
        self._held_until = 0
        return super().say(text)

    def hold(self, max_ms: float) -> None:
        self._held_until = self._clock.now_samples + ms_to_samples(max_ms)

    def interrupt(self) -> Stopped:
        stopped = super().interrupt()
        self.hold(INTERRUPT_HOLD_MS)
        return stopped


class DuplexEngine:
    """A full-duplex engine in this process."""

    name = "duplex"

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._own = own
        self.sessions: list[DuplexSession] = []

    async def probe(self) -> Availability:
        return Availability("ready", "Talks of its own accord in this process.")

    async def open(self, spec: EngineSpec) -> EngineSession:
        self.sessions.append(DuplexSession(spec, self._own))
        return self.sessions[-1]
