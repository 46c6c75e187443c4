"""Talks without sound: typed utterances over HTTP, decided by the same bridge, answered by the same responder, stored as any other."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from workbench.audio.frames import SAMPLE_RATE
from workbench.bridge.bridge import Bridge
from workbench.clock import FastClock, SessionClock
from workbench.conversation.watchers import Watchers
from workbench.engines.base import EngineError
from workbench.engines.classic.responder import Responder, ResponderError
from workbench.events import (
    AgentText,
    EngineChosen,
    Event,
    Notice,
    SessionClosed,
    SessionOpened,
    Speaker,
    ToolCancelled,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolRefused,
    ToolStarted,
    TurnEnded,
    UserText,
)
from workbench.log_context import in_talk
from workbench.personas import Persona
from workbench.store.recorder import Recorder
from workbench.talk import Observer, Saying, Utterance
from workbench.telemetry.following import Follow

E = TypeVar("E", bound=Event)

IDLE_S = 900.0
"""A conversation that nobody continues is closed after this."""
MAX_TALKS = 64
MAX_HISTORY = 40
"""Turns that the responder is shown at most."""


@dataclass(slots=True)
class Reply:
    """What one message led to."""

    text: str = ""
    provider: str = ""
    confirmation_prompt: str | None = None
    error: str | None = None
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By invocation id: `tool`, `arguments`, `status`, and where there is one `result`, `error`, `latency_ms`."""


class TextTalk:
    """One conversation in text; implements `Talk` for the bridge. Its clock is fast: it goes on with the wall between messages and
    stands still while a tool or the responder works, whose measured time it is then charged."""

    can_say = True
    host_can_say = False

    def __init__(
        self,
        conversation_id: str,
        persona: Persona,
        bridge: Bridge,
        responder: Responder,
        observers: Sequence[Observer],
        *,
        trace_id: str = "",
        history: Sequence[tuple[Speaker, str]] = (),
    ) -> None:
        """`observers` see it from its first event; one that fails is cut off and reported, as in any talk. `history`: what was said in
        earlier sessions of this conversation."""
        self.session_id = uuid.uuid4().hex
        self._trace_id = trace_id
        self.conversation_id = conversation_id
        self.user = ""
        self.persona = persona
        self.clock: SessionClock = FastClock()
        self.lock = asyncio.Lock()
        self.used_s = time.monotonic()
        self._began_s = self.used_s
        self._bridge, self._responder, self._watchers = bridge, responder, Watchers(self._report)
        for observer in observers:
            self._watchers.observe(observer)
        self._history: list[tuple[Speaker, str]] = list(history)
        self._running: set[str] = set()
        self._said: list[str] = []
        self._reply = Reply()
        with in_talk(self.session_id, trace_id):
            self._open()
        bridge.attach(self)

    def _open(self) -> None:
        persona, responder = self.persona, self._responder
        self.publish(
            SessionOpened,
            session_id=self.session_id,
            conversation_id=self.conversation_id,
            persona=persona.persona_id,
            persona_hash=persona.content_hash,
            voice=persona.voice,
            transport="http",
            recording=False,
            pace=self.clock.pace,
            latency_model=self.clock.latency_model,
            trace_id=self._trace_id,
        )
        self.publish(
            EngineChosen,
            engine="text",
            requested="text",
            reason="Messages are typed over HTTP.",
            parts={"responder": {"name": responder.name, "why": responder.why}},
        )

    def publish(self, event: type[E], /, *, at_samples: int | None = None, **fields: Any) -> E:
        now = self.clock.now_samples
        made = event(at_samples=now if at_samples is None else at_samples, noticed_samples=now, **fields)
        self._watchers.event(made)
        self._take(made)
        return made

    def observe(self, observer: Observer) -> None:
        self._watchers.observe(observer)

    def _report(self, message: str) -> None:
        self.publish(Notice, level="error", code="failed_part", message=message, repair="See the server's log.")

    def say(self, text: str) -> Saying:
        """Puts `text` into the reply; it is out at once."""
        self._said.append(text)
        words = len(text.split())
        saying = Saying(text, self.clock.signal(), words_asked=words, words_heard=words, started_samples=self.clock.now_samples)
        saying.done.set()
        self.publish(AgentText, text=f"{text} ", forced=True)
        return saying

    def host_say(self, text: str) -> Saying:
        raise EngineError("A conversation in text has no host voice; ask `host_can_say` first.")

    def hold(self, max_ms: float) -> None:
        """Nothing speaks unasked here."""

    async def answer(self, message: str) -> Reply:
        """The whole reply to one message. One at a time: the caller holds `lock`."""
        with in_talk(self.session_id, self._trace_id):
            return await self._answer(message)

    async def _answer(self, message: str) -> Reply:
        self.used_s = time.monotonic()
        await self._catch_up()
        self._reply, self._said = Reply(), []
        now = self.clock.now_samples
        utterance = Utterance(uuid.uuid4().hex, " ".join(message.split()), now, now, source="typed")
        self.publish(UserText, utterance_id=utterance.utterance_id, text=utterance.text, final=True, start_samples=now, source="typed")
        self._turn("user", utterance.text, now)
        began = self.clock.now_samples
        if await self._bridge.offer(utterance) == "taken":
            await self.clock.next_tick()
            while self._running:
                await self.clock.next_tick()
        else:
            await self._respond(utterance.text)
        reply = self._reply
        reply.text = " ".join(self._said)
        if reply.text:
            self._turn("agent", reply.text, began)
        return reply

    async def close(self, reason: str) -> None:
        """Ends the conversation; its last event says why."""
        async with self.lock:
            with in_talk(self.session_id, self._trace_id):
                await self._bridge.close(reason)
                await self.clock.cancel_all()
                self.publish(SessionClosed, reason=reason)

    async def _respond(self, text: str) -> None:
        reply = self._reply
        reply.provider = self._responder.name
        try:
            async with aclosing(self._responder.respond(text, self._history[:-1][-MAX_HISTORY:])) as clauses:
                async for clause in clauses:
                    self._said.append(clause)
                    self.publish(AgentText, text=f"{clause} ")
        except ResponderError as error:
            reply.error = str(error)
            self._said.append(error.spoken)
            self.publish(AgentText, text=f"{error.spoken} ")

    async def _catch_up(self) -> None:
        """Session time goes on while nobody writes: deadlines of pending actions pass."""
        due = round((time.monotonic() - self._began_s) * SAMPLE_RATE)
        while self.clock.now_samples < due:
            await self.clock.next_tick()

    def _turn(self, speaker: Speaker, text: str, start_samples: int) -> None:
        self._history.append((speaker, text))
        del self._history[:-MAX_HISTORY]
        self.publish(
            TurnEnded,
            turn_id=uuid.uuid4().hex,
            speaker=speaker,
            text=text,
            start_samples=start_samples,
            end_samples=self.clock.now_samples,
            latency_ms=None,
        )

    def _take(self, event: Event) -> None:
        tools = self._reply.tools
        match event:
            case ToolProposed():
                self._reply.confirmation_prompt = event.prompt
                tools[event.invocation_id] = {"tool": event.tool, "arguments": dict(event.arguments), "status": "proposed"}
            case ToolStarted():
                self._running.add(event.invocation_id)
                self._reply.provider = event.provider
                tools[event.invocation_id] = {"tool": event.tool, "arguments": dict(event.arguments), "status": "running"}
            case ToolFinished():
                self._ended(event.invocation_id, event.tool, status="success", result=event.result, latency_ms=event.latency_ms)
            case ToolFailed():
                self._ended(event.invocation_id, event.tool, status="error", error=event.error, latency_ms=event.latency_ms)
            case ToolCancelled():
                self._ended(event.invocation_id, event.tool, status="cancelled", error=event.reason)
            case ToolRefused():
                self._ended(event.invocation_id, event.tool, status="refused", error=event.reason)
            case _:
                pass

    def _ended(self, invocation_id: str, tool: str, **fields: Any) -> None:
        self._running.discard(invocation_id)
        self._reply.tools.setdefault(invocation_id, {"tool": tool, "arguments": {}}).update(fields)


class TextTalks:
    """The conversations in text of one server, by conversation id."""

    def __init__(
        self,
        *,
        recorder: Recorder | None,
        bridge_for: Callable[[Persona], Bridge],
        responder_for: Callable[[Persona], Responder],
        on_open: Callable[[TextTalk], None],
        follow: Follow,
    ) -> None:
        """`recorder`: None where nothing may be kept. `on_open` is told of every conversation before anything is said in it; who is there
        from its first event is in `follow`."""
        self._follow = follow
        self._recorder, self._bridge_for, self._responder_for, self._on_open = recorder, bridge_for, responder_for, on_open
        self._talks: dict[str, TextTalk] = {}

    def knows(self, conversation_id: str) -> bool:
        """Whether the conversation goes on here."""
        return conversation_id in self._talks

    async def get(self, conversation_id: str, persona: Persona, history: Sequence[tuple[Speaker, str]] = ()) -> TextTalk:
        """The conversation of that id; where it does not go on here a new session of it with `persona`, after `history`."""
        await self.close_idle()
        talk = self._talks.get(conversation_id)
        if talk is None:
            if len(self._talks) >= MAX_TALKS:
                await self._close(min(self._talks.values(), key=lambda known: known.used_s), "time_limit")
            if self._recorder is not None:
                self._recorder.remember_persona(persona)
            with self._follow() as followed:
                talk = TextTalk(
                    conversation_id,
                    persona,
                    self._bridge_for(persona),
                    self._responder_for(persona),
                    [*([self._recorder.observer()] if self._recorder is not None else []), *followed.observers],
                    trace_id=followed.trace_id,
                    history=history,
                )
            self._talks[conversation_id] = talk
            self._on_open(talk)
        return talk

    @property
    def live(self) -> Sequence[TextTalk]:
        """The conversations that go on."""
        return tuple(self._talks.values())

    async def end(self, session_id: str) -> bool:
        """False when no conversation has that session id."""
        for talk in tuple(self._talks.values()):
            if talk.session_id == session_id:
                await self._close(talk, "ended_by_api")
                return True
        return False

    async def close_idle(self) -> None:
        """Closes the conversations that nobody has continued for `IDLE_S`."""
        oldest_s = time.monotonic() - IDLE_S
        for talk in [known for known in self._talks.values() if known.used_s < oldest_s]:
            await self._close(talk, "time_limit")

    async def close(self) -> None:
        """The server stops."""
        for talk in tuple(self._talks.values()):
            await self._close(talk, "server_stopped")

    async def _close(self, talk: TextTalk, reason: str) -> None:
        if self._talks.pop(talk.conversation_id, None) is not None:
            await talk.close(reason)
