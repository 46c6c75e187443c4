"""What an engine is: something that takes the user's 80 ms frames and gives the agent's.

A full-duplex engine (PersonaPlex) hears and speaks by itself. A half-duplex engine (classic) is told the user's finished
utterances by the talk, which transcribes every user once, for all engines alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from workbench.audio.frames import Pcm
from workbench.clock import SessionClock
from workbench.personas import Persona
from workbench.talk import Saying, Utterance


class EngineError(Exception):
    """An engine cannot be opened or has died. The message names what was wrong and how to mend it."""


class EngineBusy(EngineError):
    """Every place of an engine is taken."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; told truly, never assumed."""

    full_duplex: bool
    """Decides by itself when to speak; the talk never calls `answer` or stops it for a barge-in."""
    can_say: bool
    can_interrupt: bool
    can_hold: bool
    takes_text: bool
    """Understands a typed utterance as text; else it is spoken into the user stem."""
    can_resume: bool = False
    """A talk that it lost may be opened again with an `account`: there may be another server behind its address."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a model server tells of its work in the handshake. None: it does not say."""

    model: str
    device: str
    waiting: int
    """Visitors in its queue."""
    trial_step_ms: float | None
    """A step of all its places, tried when it started."""
    step_n: int = 0
    """Steps that the two figures below are over: the last 30 s of talk."""
    step_p50_ms: float | None = None
    step_p95_ms: float | None = None
    memory_used_mib: int | None = None
    memory_total_mib: int | None = None
    instance: str = ""
    """Which server told this, where several stand behind one address."""
    gateways: int | None = None
    """Servers behind the address that take talks; None: no balancer tells."""


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer of a real handshake made just now."""

    state: Literal["ready", "busy", "starting", "unavailable"]
    """`starting`: it is being made ready by this server; nothing but waiting is needed."""
    reason: str
    repair: str = ""
    handshake_ms: float | None = None
    capacity: int | None = None
    """Talks that fit at once, None when unknown."""
    in_use: int | None = None
    voices: tuple[str, ...] = ()
    """Voices that the engine tells it has, beside those that are known everywhere."""
    load: Load | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A component that an engine chose, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the agent's words whose sound begins in this frame, `offset_samples` into it."""

    text: str
    forced: bool = False
    offset_samples: int = 0


@dataclass(frozen=True, slots=True)
class AgentFrame:
    """80 ms of the agent: `pcm` [1920] float32 at 24 kHz and the pieces of text that begin in it."""

    pcm: Pcm
    pieces: tuple[TextPiece, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """What an interruption cut off, counted from audible audio. Empty texts when the agent was silent."""

    heard_text: str = ""
    cancelled_text: str = ""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What a talk asks of an engine."""

    session_id: str
    persona: Persona
    voice: str
    clock: SessionClock
    seed: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)
    account: str = ""
    """What was said so far in a talk that is taken up again; empty for one that begins. Words of both sides, so data."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one answer that was heard, in ms of session time: `responder` (utterance to first words), `tts` (words to sound)."""

    utterance_id: str
    stage: str
    ms: float


class EngineSession(Protocol):
    """One talk's share of an engine. All methods are called from the talk's event loop; only `step` has a deadline (80 ms)."""

    capabilities: Capabilities
    parts: Mapping[str, Part]
    notices: list[str]
    """Things the user must know (a quota was hit, the next voice was taken); the talk drains it every tick."""
    stages: list[Stage]
    """Measured stages of answers, drained every tick like the notices; empty for an engine that cannot tell."""

    async def step(self, user: Pcm) -> AgentFrame:
        """Takes the user's frame [1920] and gives the agent's frame of the same tick. Raises EngineError when the engine died."""
        ...

    def prepare(self, utterance: Utterance) -> None:
        """The user has probably finished: an engine that answers text may make its reply ready. Nothing may be heard yet."""
        ...

    def answer(self, utterance: Utterance) -> None:
        """The user has finished and no tool took the utterance: answer it. Nothing to do for a full-duplex engine."""
        ...

    def took(self, utterance: Utterance) -> None:
        """A tool took the utterance and will see to its answer: not to be answered, but to be remembered as said."""
        ...

    def say(self, text: str) -> Saying:
        """Speak `text` in the agent's own voice, after what is being said now. Only if `can_say`."""
        ...

    def interrupt(self) -> Stopped:
        """Stop speaking at once and drop what is queued. Only if `can_interrupt`."""
        ...

    def hold(self, max_ms: float) -> None:
        """Keep quiet for a while (a tool is being asked). Only if `can_hold`; `say`, `answer`, the time or `hold(0)` end it."""
        ...

    def tell_account(self, text: str) -> None:
        """What was said so far, in short, told every few seconds when there is something new: for an engine whose memory ends within a
        talk. Nothing to do for one that remembers by itself."""
        ...

    async def close(self) -> None:
        """Gives everything back. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class PromptSize:
    """What a persona's prompt costs an engine that takes it in token by token."""

    tokens: int
    """Of the text alone, with its tags."""
    frames: int
    """Of the whole prompt, voice included: 80 ms of the model's window each, for as long as the talk lasts."""
    ready_ms: float | None
    """How long a new prompt of this size takes to be ready on an idle server, by what its first one took; None when that is unknown."""
    error: str = ""
    """Why the engine would refuse it; empty when it would not."""


@runtime_checkable
class MeasuresPrompts(Protocol):
    """An engine that can tell beforehand what a prompt costs."""

    async def prompt_size(self, persona: Persona) -> PromptSize | None:
        """None when the engine cannot tell just now."""
        ...


class Engine(Protocol):
    """A kind of engine, shared by all talks."""

    name: str

    async def probe(self) -> Availability:
        """A real handshake, bounded to 3 s. Never raises; what is wrong is in the answer."""
        ...

    async def open(self, spec: EngineSpec) -> EngineSession:
        """Raises EngineError with the repair when the engine cannot serve this talk."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedEngine:
    """An engine session and how it came to be chosen."""

    session: EngineSession
    name: str
    reason: str
    handshake_ms: float | None
