"""A talk that is only an echo, for tests of transports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, Pcm, silence
from workbench.conversation.conversation import CloseReason
from workbench.conversation.listener import Listener
from workbench.conversation.port import EventClass, TalkRefused, TalkRequest
from workbench.engines.base import AgentFrame, TextPiece
from workbench.events import EngineChosen, Event


class EchoPort:
    """Plays the user's sound back in frames of 80 ms as soon as each is complete, sample by sample, without a clock of its own.

    A typed text comes back as one text piece on a silent frame.
    """

    def __init__(self, request: TalkRequest | None = None, session_id: str = "echo") -> None:
        self.session_id = session_id
        self.request = request or TalkRequest()
        self.pushed: list[tuple[int, int | None, float]] = []
        """Every packet: samples, media timestamp, arrival."""
        self.typed: list[str] = []
        self.published: list[Event] = []
        self.listener: Listener | None = None
        self._waiting: Pcm = silence(0)
        self._played = 0
        self._closed: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()

    def push(self, pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
        self.pushed.append((pcm.size, media_samples, arrival_s))
        self._waiting = np.concatenate((self._waiting, pcm))
        while self._waiting.size >= FRAME_SAMPLES:
            frame, self._waiting = self._waiting[:FRAME_SAMPLES], self._waiting[FRAME_SAMPLES:]
            self.play(AgentFrame(frame))

    def type(self, text: str) -> None:
        self.typed.append(text)
        self.play(AgentFrame(silence(), (TextPiece(text),)))

    def play(self, frame: AgentFrame) -> None:
        """Has the agent play something of its own."""
        if self.listener is not None:
            self.listener.play(frame, self._played)
        self._played += FRAME_SAMPLES

    def publish(self, event: EventClass, /, **fields: Any) -> None:
        self.published.append(event(at_samples=self._played, noticed_samples=self._played, **fields))

    def attach(self, listener: Listener) -> None:
        self.listener = listener
        parts = {"asr": {"name": "none", "why": "An echo listens to nobody."}}
        listener.event(
            EngineChosen(at_samples=0, noticed_samples=0, engine="echo", requested="echo", reason="There is no other.", parts=parts)
        )

    async def hang_up(self, reason: CloseReason) -> None:
        if not self._closed.done():
            self._closed.set_result(reason)
            if self.listener is not None:
                self.listener.end(reason, "The echo has ended.")

    async def closed(self) -> CloseReason:
        return await asyncio.shield(self._closed)


class EchoOpener:
    """Opens echoes, as many as `capacity`, and refuses the next as `busy`."""

    def __init__(self, capacity: int = 64) -> None:
        self.capacity = capacity
        self.ports: list[EchoPort] = []
        self.live = 0
        self.before_open: Callable[[], Awaitable[object]] | None = None
        """Set: awaited before a talk is open, as an engine's prompt phase would be."""

    async def __call__(self, request: TalkRequest) -> EchoPort:
        if self.live >= self.capacity:
            raise TalkRefused("busy", f"All {self.capacity} places are taken. Try again when a talk has ended.", queue_position=1)
        if request.persona is not None and request.persona != "echo":
            raise TalkRefused("unknown_persona", f"There is no persona {request.persona!r}. Known: echo.")
        self.live += 1
        port = EchoPort(request, f"echo-{len(self.ports)}")
        self.ports.append(port)
        port._closed.add_done_callback(self._ended)
        try:
            if self.before_open is not None:
                await self.before_open()
        except asyncio.CancelledError:
            await port.hang_up("client_lost")
            raise
        return port

    def _ended(self, _reason: asyncio.Future[CloseReason]) -> None:
        self.live -= 1
