"""Where a talk is put together: persona, engine, recogniser, bridge and recorder, handed to the parts that need them."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.audio.end_of_turn import EndOfTurn
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.audio.timeline import UserTimeline
from workbench.audio.vad import EnergyDetector, SpeechDetector
from workbench.clock import RealtimeClock, SessionClock
from workbench.conversation.agent_side import AgentSide
from workbench.conversation.conversation import CloseReason, Conversation, TalkSpec
from workbench.conversation.ears import Ears
from workbench.conversation.host_voice import HostVoice
from workbench.conversation.inputs import EndingInput, UserInput
from workbench.conversation.listener import Listener
from workbench.conversation.port import EventClass, TalkRefused, TalkRequest
from workbench.conversation.turn_policy import TurnPolicy
from workbench.engines.base import Availability, EngineBusy, EngineError, EngineSpec, Part
from workbench.engines.roster import Roster
from workbench.engines.speech.base import Asr, SpeechError, Tts
from workbench.engines.speech.synthesisers import voice_for
from workbench.engines.voices import PERSONAPLEX_VOICES
from workbench.events import Notice
from workbench.log_context import in_talk
from workbench.persona_library import PersonaLibrary
from workbench.personas import Persona, PersonaError
from workbench.settings import Settings
from workbench.store.recorder import Recorder
from workbench.talk import Actor, Observer

log = logging.getLogger(__name__)

CONVERSATION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_PROMPT_CHARS = 8_000
USER_MARGIN_MS = 10.0
"""How long a user's packet waits at first; the timeline takes more where it sees more jitter. Every millisecond is mouth-to-ear delay."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all talks of a process share."""

    settings: Settings
    personas: PersonaLibrary
    roster: Roster
    asr: Asr
    end_of_turn: EndOfTurn | None
    host_tts: Tts | None
    recorder: Recorder | None
    bridge_for: Callable[[Persona], Actor] | None


class LiveTalk:
    """One running talk, as transports and the API see it (`TalkPort`)."""

    def __init__(self, conversation: Conversation, timeline: UserTimeline | None, request: TalkRequest, persona: Persona) -> None:
        self.session_id = conversation.session_id
        self.conversation = conversation
        self.request = request
        self.persona = persona
        self._timeline = timeline
        self.task: asyncio.Task[CloseReason] | None = None

    def push(self, pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
        """The user's sound, [n] at 24 kHz; see `TalkPort.push`."""
        if self._timeline is not None:
            age_s = time.monotonic() - arrival_s
            self._timeline.push(pcm, media_samples, self.conversation.clock.now_samples / SAMPLE_RATE - age_s)

    def type(self, text: str) -> None:
        with in_talk(self.session_id, self.conversation.spec.trace_id):
            self.conversation.type(text)

    def publish(self, event: EventClass, /, **fields: Any) -> None:
        self.conversation.publish(event, **fields)

    def attach(self, listener: Listener) -> None:
        self.conversation.attach(listener)

    async def hang_up(self, reason: CloseReason) -> None:
        self.conversation.hang_up(reason)
        await self.closed()

    async def closed(self) -> CloseReason:
        return await self.conversation.closed()


class Sessions:
    """The talks of one process: opens them, knows them, ends them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._live: dict[str, LiveTalk] = {}
        self._stopping = False

    @property
    def live(self) -> Mapping[str, LiveTalk]:
        """Running talks by session id."""
        return self._live

    async def open(
        self,
        request: TalkRequest,
        *,
        clip: EndingInput | None = None,
        clock: SessionClock | None = None,
        observers: Sequence[Observer] = (),
        trace_id: str = "",
    ) -> LiveTalk:
        """Opens a talk and returns once its engine is there. `clip` plays instead of a live user; `observers` see the talk
        from its first event; `trace_id` is kept with it.

        Raises TalkRefused: `busy`, `unknown_persona`, `unknown_engine`, `unknown_voice`, `bad_request`, `engine_unavailable`, `stopping`.
        """
        settings = self.parts.settings
        if self._stopping:
            raise TalkRefused("stopping", "The server is stopping. Try again in a moment.")
        if len(self._live) >= settings.max_sessions:
            raise TalkRefused("busy", f"All {settings.max_sessions} places are taken. Try again when a talk has ended.")
        persona = self._persona(request)
        engine, answer = await self._check_engine(request)
        voice = self._voice(request, persona, answer.voices)
        actor = self.parts.bridge_for(persona) if self.parts.bridge_for is not None else None
        try:
            ears = await self._ears(actor)
        except SpeechError as error:
            raise TalkRefused("asr_unavailable", str(error)) from error
        timeline = UserTimeline(target_depth_ms=USER_MARGIN_MS)
        conversation = self._conversation(
            request,
            persona,
            voice,
            engine=engine,
            user_input=clip if clip is not None else timeline,
            clock=clock if clock is not None else RealtimeClock(),
            ears=ears,
            actor=actor,
            observers=observers,
            trace_id=trace_id,
        )
        talk = LiveTalk(conversation, timeline if clip is None else None, request, persona)
        self._live[talk.session_id] = talk
        with in_talk(talk.session_id, trace_id):
            talk.task = asyncio.create_task(talk.conversation.run(), name=f"talk-{talk.session_id}")
            talk.task.add_done_callback(functools.partial(self._ended, talk))
        await talk.conversation.opened()
        if talk.conversation.open_error is not None:
            code = "busy" if isinstance(talk.conversation.open_error, EngineBusy) else "engine_unavailable"
            raise TalkRefused(code, str(talk.conversation.open_error))
        if (recorder := self._recorder(request)) is not None:
            recorder.remember_persona(persona)
        elif self.parts.recorder is not None:
            talk.publish(Notice, level="info", code="not_kept", message="Nothing of this talk is kept: nobody agreed to it.")
        return talk

    def _recorder(self, request: TalkRequest) -> Recorder | None:
        """Who writes the talk down; nobody where consent is asked for and was not given."""
        return None if self.parts.settings.ask_consent and not request.consent else self.parts.recorder

    def _persona(self, request: TalkRequest) -> Persona:
        try:
            persona = self.parts.personas.get(request.persona or self.parts.settings.persona)
        except PersonaError as error:
            raise TalkRefused("unknown_persona", str(error)) from error
        if request.text_prompt is None:
            return persona
        prompt = request.text_prompt.strip()
        if not 0 < len(prompt) <= MAX_PROMPT_CHARS:
            raise TalkRefused("bad_request", f"A text prompt has 1 to {MAX_PROMPT_CHARS} characters; this one has {len(prompt)}.")
        return dataclasses.replace(persona, prompt=prompt)

    def _voice(self, request: TalkRequest, persona: Persona, offered: Sequence[str]) -> str:
        """The persona's own is never refused: an engine that has it not takes another and tells so. `offered`: the engine's own."""
        if request.voice is None:
            return persona.voice
        voice = request.voice.removesuffix(".pt").removesuffix(".wav")
        known = {*PERSONAPLEX_VOICES, *offered, *(self.parts.host_tts.voices if self.parts.host_tts is not None else ())}
        if voice not in known:
            raise TalkRefused("unknown_voice", f"There is no voice {voice[:64]!r}. Known: {', '.join(sorted(known))}.")
        return voice

    async def _check_engine(self, request: TalkRequest) -> tuple[str, Availability]:
        """The engine's name and its handshake: a full or missing engine refuses the talk before it begins."""
        requested = request.engine or self.parts.settings.engine
        try:
            self.parts.roster.check(requested)
        except EngineError as error:
            raise TalkRefused("unknown_engine", str(error)) from error
        try:
            _name, _why, answer = await self.parts.roster.choose(requested)
        except EngineBusy as error:
            raise TalkRefused("busy", str(error)) from error
        except EngineError as error:
            raise TalkRefused("engine_unavailable", str(error)) from error
        return requested, answer

    async def _ears(self, actor: Actor | None) -> Callable[..., Ears]:
        settings, parts = self.parts.settings, self.parts
        return functools.partial(
            Ears,
            detector=SpeechDetector(),
            asr=await parts.asr.open(actor.phrases if actor is not None else ()),
            recogniser=parts.asr.name,
            end_of_turn=parts.end_of_turn,
            policy=TurnPolicy(cap_ms=settings.turn_cap_ms, fixed_hold_ms=settings.turn_fixed_hold_ms),
        )

    def _conversation(
        self,
        request: TalkRequest,
        persona: Persona,
        voice: str,
        *,
        engine: str,
        user_input: UserInput,
        clock: SessionClock,
        ears: Callable[..., Ears],
        actor: Actor | None,
        observers: Sequence[Observer],
        trace_id: str,
    ) -> Conversation:
        parts, settings = self.parts, self.parts.settings
        session_id = request.session_id or uuid.uuid4().hex
        conversation_id = request.conversation_id or uuid.uuid4().hex
        if not CONVERSATION_ID.fullmatch(conversation_id):
            raise TalkRefused("bad_request", "A conversation id is 1 to 64 letters, digits, hyphens and underscores.")
        recorder = self._recorder(request)
        recording = recorder is not None and (settings.recording if request.recording is None else request.recording)
        spec = EngineSpec(session_id, persona, voice, clock, request.seed, {**persona.sampling, **request.sampling})
        listening = {"asr": Part(parts.asr.name, parts.asr.why), "end_of_turn": _end_of_turn_part(parts.end_of_turn, settings)}

        def voice_of_host(publish: Callable[..., Any]) -> HostVoice | None:
            if parts.host_tts is None:
                return None
            chosen, _note = voice_for(parts.host_tts, voice)
            return HostVoice(
                clock, parts.host_tts, chosen, on_notice=lambda text: publish(Notice, level="warning", code="voice", message=text)
            )

        return Conversation(
            TalkSpec(
                session_id=session_id,
                conversation_id=conversation_id,
                persona=persona.persona_id,
                persona_hash=persona.content_hash,
                voice=voice,
                transport=request.transport,
                recording=recording,
                consent=request.consent or "",
                max_s=settings.max_session_s,
                user=request.user,
                first_reply_guard_ms=settings.first_reply_guard_ms if request.transport == "webrtc" else 0.0,
                barge_in_min_ms=settings.barge_in_min_ms,
                trace_id=trace_id,
            ),
            clock=clock,
            user_input=user_input,
            agent=lambda publish: AgentSide(
                parts.roster, spec, requested=engine, host_voice=voice_of_host(publish), listening=listening, publish=publish
            ),
            typist=voice_of_host,
            ears=ears,
            agent_detector=EnergyDetector(),
            actor=actor,
            observers=[*([recorder.observer()] if recorder is not None else []), *observers],
        )

    def _ended(self, talk: LiveTalk, task: asyncio.Task[CloseReason]) -> None:
        self._live.pop(talk.session_id, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("talk %s ended with an error", talk.session_id, exc_info=task.exception())

    async def end(self, session_id: str, reason: CloseReason = "ended_by_api") -> bool:
        """Ends a running talk; False when there is none of that id."""
        talk = self._live.get(session_id)
        if talk is None:
            return False
        await talk.hang_up(reason)
        return True

    async def stop(self) -> None:
        """Ends every talk and refuses new ones."""
        self._stopping = True
        await asyncio.gather(*(talk.hang_up("server_stopped") for talk in tuple(self._live.values())))


def _end_of_turn_part(model: EndOfTurn | None, settings: Settings) -> Part:
    if settings.turn_fixed_hold_ms is not None:
        return Part("fixed hold", f"Every turn ends after {settings.turn_fixed_hold_ms:.0f} ms of silence, as set.")
    if model is None:
        return Part("fixed hold", "The end-of-turn model is not installed; every turn ends after 500 ms of silence.")
    return Part(model.name, "Judges from the sound whether the user has finished.")
