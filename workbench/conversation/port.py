"""The seam between a transport and a talk: what a transport sees of the talk, and what the talk sees of its listener.

Everything here is called from the event loop the talk runs in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.audio.frames import Pcm
from workbench.conversation.conversation import CloseReason
from workbench.conversation.listener import Listener
from workbench.events import Event

EventClass = type[Event]
"""A name of its own: a port has a method `type`."""


@dataclass(frozen=True, slots=True)
class TalkRequest:
    """What a visitor asks for. Names come from outside: they are looked up, never used as paths. None = the default."""

    persona: str | None = None
    voice: str | None = None
    engine: str | None = None
    transport: str = "websocket"
    conversation_id: str | None = None
    session_id: str | None = None
    """The id that was promised beforehand; never taken from a visitor unchecked, since rows hang on it."""
    seed: int | None = None
    recording: bool | None = None
    client_address: str = ""
    user: str = ""
    """Who talks, as a login told the transport; never what a visitor merely claims."""
    text_prompt: str | None = None
    """A prompt of the visitor's own, instead of the persona's."""
    sampling: Mapping[str, float] = field(default_factory=dict)
    consent: str | None = None
    """The words with which the visitor agreed that the talk is kept; empty: they did not agree; None: nobody asked them."""


class TalkRefused(Exception):
    """No talk can be opened. `code` is for programs (`busy`, `unknown_persona`, ...), `message` says how to mend it."""

    def __init__(self, code: str, message: str, queue_position: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.queue_position = queue_position


class TalkPort(Protocol):
    """What a transport sees of one talk."""

    session_id: str

    def push(self, pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
        """The user's sound, [n] float32 at 24 kHz. `media_samples` is the packet's own timestamp on the client's clock, in samples
        at 24 kHz (None: packets follow each other without gaps); `arrival_s` is `time.monotonic()` when it came."""
        ...

    def type(self, text: str) -> None:
        """The user typed an utterance."""
        ...

    def publish(self, event: EventClass, /, **fields: Any) -> None:
        """Adds what only the transport can know to the talk's events, stamped now. Not after the talk has ended."""
        ...

    def attach(self, listener: Listener) -> None:
        """From now on the listener hears the talk."""
        ...

    async def hang_up(self, reason: CloseReason) -> None:
        """Ends the talk; returns once its last event is out. May be called twice."""
        ...

    async def closed(self) -> CloseReason:
        """Waits for the end of the talk and gives its reason."""
        ...


Opener = Callable[[TalkRequest], Awaitable[TalkPort]]
"""Opens a talk, or raises TalkRefused."""
