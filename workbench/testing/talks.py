"""Whole talks in virtual time: a clip as the user, fakes or real parts at every seam, and everything that happened as the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.audio.vad import EnergyDetector, SpeechDetector
from workbench.clock import FastClock, SessionClock, fixed
from workbench.conversation.agent_side import AgentSide
from workbench.conversation.conversation import CloseReason, Conversation, TalkSpec
from workbench.conversation.ears import Ears, EndOfTurnModel
from workbench.conversation.host_voice import HostVoice
from workbench.conversation.inputs import ClipInput
from workbench.conversation.turn_policy import TurnPolicy
from workbench.engines.base import Engine, EngineSpec
from workbench.engines.roster import Roster
from workbench.engines.speech.base import Asr, Tts
from workbench.events import Event
from workbench.personas import Persona
from workbench.talk import Actor, Observer
from workbench.transports.clip import Account, ClipDriver

E = TypeVar("E", bound=Event)

TEST_PERSONA = Persona(
    persona_id="tester",
    name="Tess",
    voice="NATF2",
    role="assistant",
    prompt="You are Tess. You work at the Blue Kiosk in Ghent. A coffee costs two euros. The kiosk opens at seven.",
    tools=("*",),
)
CHARGES: Mapping[str, float] = {"asr": 20.0, "end_of_turn": 40.0, "responder": 5.0, "tts": 40.0}
"""A latency model near what the embedded parts were measured to need, so that runs repeat exactly."""


def spoken(seconds: float, *, level: float = 0.1) -> Pcm:
    """A stand-in for speech that an energy detector hears and silero does not: a 200 Hz tone, [n] at 24 kHz."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone: Pcm = (level * np.sin(2 * np.pi * 200 * t)).astype(np.float32)
    return tone


def pause(seconds: float) -> Pcm:
    return silence(round(seconds * SAMPLE_RATE))


class ToneDetector:
    """An `EnergyDetector` for 16 kHz, so that tones can play the user: exact edges, no neural net."""

    name = "tone"
    rate = 16_000

    def __init__(self, hold_ms: float = 200.0) -> None:
        # The energy detector counts 24 kHz samples in blocks of 240; at 16 kHz the same block lasts 15 ms.
        self._inner = EnergyDetector(hold_ms=hold_ms * 16_000 / SAMPLE_RATE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(slots=True)
class TalkResult:
    """What a talk left behind."""

    reason: CloseReason
    events: list[Event]
    account: Account
    agent: Pcm
    """The agent stem from session time 0, [n] at 24 kHz."""
    conversation: Conversation

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


class _Collector:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Frames are kept by the clip driver."""


async def run_talk(
    clip: Pcm | ClipInput,
    *,
    engines: Sequence[Engine],
    asr: Asr,
    requested: str = "auto",
    persona: Persona = TEST_PERSONA,
    actor: Actor | None = None,
    host_tts: Tts | None = None,
    end_of_turn: EndOfTurnModel | None = None,
    policy: TurnPolicy | None = None,
    tones: bool = False,
    charges: Mapping[str, float] = CHARGES,
    max_s: float = 3_600.0,
    clock: SessionClock | None = None,
    session_id: str = "test-session",
    observers: Sequence[Observer] = (),
    on_start: Callable[[Conversation], None] | None = None,
) -> TalkResult:
    """Plays `clip` [n] at 24 kHz as the user and runs the talk to its end. `tones`: the user is played by tones, not by speech. `clock`:
    instead of one with these `charges`, for parts that must know it beforehand, or for a talk in real time."""
    clock = clock or FastClock(fixed(charges), latency_model="test")
    user = clip if isinstance(clip, ClipInput) else ClipInput(clip)
    spec = EngineSpec(session_id, persona, persona.voice, clock)
    asr_session = await asr.open(actor.phrases if actor is not None else ())
    collector = _Collector()
    made: list[Conversation] = []
    driver = ClipDriver(user, lambda reason: made[0].hang_up(reason), keep_sound=True)

    def host_voice(_publish: Callable[..., Any]) -> HostVoice | None:
        return HostVoice(clock, host_tts, None, on_notice=lambda _message: None) if host_tts is not None else None

    def ears(**wiring: Any) -> Ears:
        return Ears(
            detector=ToneDetector() if tones else SpeechDetector(),
            asr=asr_session,
            recogniser=asr.name,
            end_of_turn=end_of_turn,
            policy=policy or TurnPolicy(),
            **wiring,
        )

    roster = Roster(engines, automatic=[engine.name for engine in engines])
    conversation = Conversation(
        TalkSpec(
            session_id=session_id,
            conversation_id="test-conversation",
            persona=persona.persona_id,
            persona_hash=persona.content_hash,
            voice=persona.voice,
            transport="clip",
            recording=False,
            max_s=max_s,
        ),
        clock=clock,
        user_input=user,
        agent=lambda publish: AgentSide(roster, spec, requested=requested, host_voice=host_voice(publish), listening={}, publish=publish),
        typist=host_voice,
        ears=ears,
        agent_detector=EnergyDetector(),
        actor=actor,
        observers=[collector, driver, *observers],
    )
    made.append(conversation)
    if on_start is not None:
        on_start(conversation)
    reason = await conversation.run()
    return TalkResult(reason, collector.events, driver.account, driver.agent_sound, conversation)
