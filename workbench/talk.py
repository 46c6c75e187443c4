"""What passes between a conversation and those around it: the words of the talk, and the protocols of its observers and its actor.

A conversation knows nobody by name. Whoever watches is an `Observer`, whoever acts on the user's words is the one `Actor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from workbench.audio.frames import Pcm
from workbench.clock import SessionClock, Signal
from workbench.events import Event

E = TypeVar("E", bound=Event)

Verdict = Literal["taken", "left", "ignored"]
"""What the actor does with an utterance: it sees to the answer, leaves the answer to the engine, or takes it for nothing the user said."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One finished utterance of the user. Times are samples of session time."""

    utterance_id: str
    text: str
    start_samples: int
    end_samples: int
    source: Literal["asr", "typed"] = "asr"


@dataclass(slots=True)
class Saying:
    """A text that the engine was asked to say. `done` is set when it is out, cut off or dropped."""

    text: str
    done: Signal
    words_asked: int
    words_heard: int = 0
    started_samples: int | None = None
    """Session time of its first audible sample; None while (or if) nothing of it was heard."""
    interrupted: bool = False


class Talk(Protocol):
    """What an actor may do in a conversation."""

    session_id: str
    conversation_id: str
    user: str
    """Who talks, as the transport knows them; empty when nobody logged in."""
    clock: SessionClock

    @property
    def can_say(self) -> bool:
        """The engine can speak given words in its own voice just now."""
        ...

    @property
    def host_can_say(self) -> bool:
        """A host voice (TTS) is there to speak in the engine's stead, with the agent ducked."""
        ...

    def say(self, text: str) -> Saying:
        """Have the engine say `text` in its own voice. Only if `can_say`."""
        ...

    def host_say(self, text: str) -> Saying:
        """Have the host voice say `text`. Only if `host_can_say`."""
        ...

    def hold(self, max_ms: float) -> None:
        """Keep the agent quiet where the engine can, 0 lets it go again; does nothing where it cannot."""
        ...

    def publish(self, event: type[E], /, *, at_samples: int | None = None, **fields: Any) -> E:
        """Stamp an event with session time (now, when `at_samples` is None) and show it to every observer."""
        ...

    def observe(self, observer: Observer) -> None:
        """From now on the observer sees every event and frame."""
        ...


class Actor(Protocol):
    """Decides what a user's utterance asks for, and does it: the tool bridge. One per talk."""

    @property
    def phrases(self) -> Sequence[str]:
        """Phrases the user may say to ask for a tool, for recognisers with a closed grammar."""
        ...

    def attach(self, talk: Talk) -> None:
        """Called once, before the first frame."""
        ...

    def prepare(self, utterance: Utterance) -> None:
        """The user has probably finished: what is needed for a decision may be made ready. Nothing may be done or said yet."""
        ...

    async def offer(self, utterance: Utterance) -> Verdict:
        """One finished utterance, decided once. Returns quickly: what takes long goes on in tasks of the talk's clock."""
        ...

    async def close(self, reason: str) -> None:
        """The talk ends: cancel what runs, leave a row for it."""
        ...


class Observer(Protocol):
    """Watches a conversation; never delays or changes it. One that raises is cut off and reported."""

    def on_event(self, event: Event) -> None:
        """Called in order of publication."""
        ...

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Both stems of one tick, [1920] each, as heard."""
        ...
