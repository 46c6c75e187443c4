"""The agent's side of a talk: the engine in use, its replacement in mid-talk, and the host voice beside it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from workbench.audio.frames import SAMPLE_RATE, Pcm, silence
from workbench.clock import SessionClock
from workbench.conversation.host_voice import HostVoice
from workbench.conversation.recap import Recap
from workbench.engines.base import AgentFrame, Capabilities, EngineError, EngineSession, EngineSpec, OpenedEngine, Part, Stopped
from workbench.events import AgentText, EngineChosen, EngineLost, Notice, StageTiming, UserText
from workbench.talk import Saying, Utterance

log = logging.getLogger(__name__)

STEP_TIMEOUT_S = 5.0
"""An engine that holds a frame longer than this is lost. Far over the 80 ms deadline: a stutter is not a death."""
RESUME_WITHIN_S = 8.0
"""How long the same engine may take to take up a talk that it lost, prompt included; then the next engine has it."""
MAX_RESUMES, RESUME_SPAN_SAMPLES = 3, 60 * SAMPLE_RATE
"""An engine that has lost a talk more often than this within a minute is given up."""
ACCOUNT_EVERY_SAMPLES = 4 * SAMPLE_RATE
"""How often an engine is told what was said. PersonaPlex renews its memory after four minutes and begins to 16 s before."""
DUCK_GAIN = 0.125
"""The agent at -18 dB while the host voice speaks."""
NO_CAPABILITIES = Capabilities(full_duplex=False, can_say=False, can_interrupt=False, can_hold=False, takes_text=False)


class EngineSupply(Protocol):
    """Gives engines by name, or by choice (`auto`)."""

    async def open(self, requested: str, excluded: frozenset[str], spec: EngineSpec) -> OpenedEngine:
        """Raises EngineError: the engine asked for by name is not there, or none is left."""
        ...


class AgentSide:
    """One agent frame per tick, whatever engine gives it. An engine that dies takes the talk up again where it can, else it is replaced;
    the frames in between are silence."""

    def __init__(
        self,
        supply: EngineSupply,
        spec: EngineSpec,
        *,
        requested: str,
        host_voice: HostVoice | None,
        listening: Mapping[str, Part],
        publish: Callable[..., Any],
    ) -> None:
        """`listening`: the parts that hear the user (`asr`, ...), told with every engine although they are the talk's own."""
        self._supply = supply
        self._spec = spec
        self._requested = requested
        self._host_voice = host_voice
        self._listening = listening
        self._publish = publish
        self._clock: SessionClock = spec.clock
        self._session: EngineSession | None = None
        self._excluded: frozenset[str] = frozenset()
        self._unanswered: Utterance | None = None
        self._sayings: list[Saying] = []
        self._recap = Recap()
        self._resumed_at: list[int] = []
        self._account = ""
        self._account_at = 0
        self.name = ""
        self.failed: str | None = None
        """Why no engine is left; the talk ends then."""

    async def open(self) -> None:
        """Opens the first engine. Raises EngineError."""
        self._take_over(await self._supply.open(self._requested, self._excluded, self._spec))

    def words(self, event: UserText | AgentText) -> None:
        """What is said in the talk, by whichever side, for the account that engines are told."""
        self._recap.add(event)

    @property
    def parts(self) -> Mapping[str, Part]:
        """Of the engine in use."""
        return self._session.parts if self._session is not None else {}

    def _take_over(self, opened: OpenedEngine, *, resumed: bool = False) -> None:
        self._session, self.name, self._account = opened.session, opened.name, ""
        self._publish(
            EngineChosen,
            engine=opened.name,
            requested=self._requested,
            reason=opened.reason,
            parts={role: {"name": part.name, "why": part.why} for role, part in {**self._listening, **opened.session.parts}.items()},
            handshake_ms=opened.handshake_ms,
            resumed=resumed,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._session.capabilities if self._session is not None else NO_CAPABILITIES

    @property
    def host_can_say(self) -> bool:
        return self._host_voice is not None

    @property
    def saying_since(self) -> int | None:
        """Session time at which words that it was given to say became audible, by its own voice or the host's, while they go on."""
        self._sayings = [saying for saying in self._sayings if not saying.done.is_set()]
        return next((saying.started_samples for saying in self._sayings if saying.started_samples is not None), None)

    async def step(self, user: Pcm) -> AgentFrame:
        """The user's frame in, the agent's out, [1920] each. Never raises for the engine's faults."""
        frame = AgentFrame(silence())
        if self._session is not None:
            self._tell_account(self._session)
            try:
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    frame = await self._session.step(user)
            except EngineError as error:
                self._lose(str(error))
            except TimeoutError:
                self._lose(f"gave no frame for {STEP_TIMEOUT_S:.0f} s")
            else:
                self._drain(self._session)
        if self._host_voice is not None and self._host_voice.active:
            host = self._host_voice.take()
            frame = AgentFrame((frame.pcm * DUCK_GAIN + host.pcm).astype(np.float32), frame.pieces + host.pieces)
        return frame

    def _tell_account(self, session: EngineSession) -> None:
        if self._clock.now_samples - self._account_at < ACCOUNT_EVERY_SAMPLES:
            return
        self._account_at = self._clock.now_samples
        if (text := self._recap.text()) != self._account:
            self._account = text
            session.tell_account(text)

    def _drain(self, session: EngineSession) -> None:
        for message in session.notices:
            self._publish(Notice, level="warning", code="engine", message=message)
        session.notices.clear()
        for stage in session.stages:
            self._publish(StageTiming, utterance_id=stage.utterance_id, stage=stage.stage, ms=stage.ms)
        session.stages.clear()

    def _lose(self, reason: str) -> None:
        lost, self._session = self._session, None
        self._publish(EngineLost, engine=self.name, reason=reason)
        if lost is not None:
            self._clock.spawn(lost.close(), "engine-close")
        if lost is not None and lost.capabilities.can_resume and self._may_resume():
            self._clock.spawn(self._resume(self.name, reason), "engine-resume")
        else:
            self._clock.spawn(self._replace(self.name, reason), "engine-replace")

    def _may_resume(self) -> bool:
        now = self._clock.now_samples
        self._resumed_at = [at for at in self._resumed_at if now - at < RESUME_SPAN_SAMPLES]
        if len(self._resumed_at) == MAX_RESUMES:
            return False
        self._resumed_at.append(now)
        return True

    async def _resume(self, lost: str, reason: str) -> None:
        """The same engine again, told what was said; the next one when it refuses. Nothing is tried twice: a refusal costs no time."""
        spec = dataclasses.replace(self._spec, account=self._recap.text())
        try:
            async with asyncio.timeout(RESUME_WITHIN_S):
                opened = await self._supply.open(lost, frozenset(), spec)
        except (EngineError, TimeoutError) as error:
            why = str(error) or f"It gave no answer within {RESUME_WITHIN_S:g} s."
            self._publish(Notice, level="warning", code="engine_not_resumed", message=f"{lost} did not take the talk up again. {why}")
            await self._replace(lost, reason)
            return
        if await self._is_needed(opened):
            reason = f"{lost} took the talk up again, with its persona and a short account of what was said."
            self._take_over(dataclasses.replace(opened, reason=reason), resumed=True)

    async def _is_needed(self, opened: OpenedEngine) -> bool:
        """False, and it is closed, when the user has switched to another engine meanwhile."""
        if self._session is None:
            return True
        await opened.session.close()
        return False

    async def _replace(self, lost: str, reason: str) -> None:
        if self._session is not None:
            return
        self._excluded |= {lost}
        self._requested = "auto"
        try:
            opened = await self._supply.open("auto", self._excluded, self._spec)
        except EngineError as error:
            if self._session is None:
                self.failed = f"{reason}; no other engine: {error}"
            return
        if not await self._is_needed(opened):
            return
        self._take_over(opened)
        if self._unanswered is not None and not opened.session.capabilities.full_duplex:
            opened.session.answer(self._unanswered)

    async def switch(self, requested: str) -> None:
        """The user asked for another engine in mid-call. The present one goes on if that fails, and the user is told why."""
        try:
            opened = await self._supply.open(requested, frozenset(), self._spec)
        except EngineError as error:
            self._publish(Notice, level="error", code="engine_unavailable", message=str(error))
            return
        old, self._requested = self._session, requested
        self._excluded = frozenset()
        self._take_over(opened)
        if old is not None:
            await old.close()

    def prepare(self, utterance: Utterance) -> None:
        if self._session is not None and not self.capabilities.full_duplex:
            self._session.prepare(utterance)

    def answer(self, utterance: Utterance) -> None:
        """Leaves the answer to the engine; if it dies before the next utterance, its successor answers."""
        self._unanswered = utterance
        if self._session is not None:
            self._session.answer(utterance)

    def took(self, utterance: Utterance) -> None:
        """The actor took the utterance: nothing is left to answer."""
        self._unanswered = None
        if self._session is not None:
            self._session.took(utterance)

    def say(self, text: str) -> Saying:
        if self._session is None or not self.capabilities.can_say:
            raise EngineError(f"The engine {self.name or '(none)'} cannot say given words; ask `can_say` first.")
        return self._given(self._session.say(text))

    def host_say(self, text: str) -> Saying:
        if self._host_voice is None:
            raise EngineError("This talk has no host voice; ask `host_can_say` first.")
        return self._given(self._host_voice.say(text))

    def _given(self, saying: Saying) -> Saying:
        self._sayings.append(saying)
        return saying

    def hold(self, max_ms: float) -> None:
        if self._session is not None and self.capabilities.can_hold:
            self._session.hold(max_ms)

    def interrupt(self) -> Stopped:
        """Stops whatever voice is speaking. Nothing to stop gives empty texts."""
        stopped = Stopped()
        if self._host_voice is not None and self._host_voice.active:
            stopped = self._host_voice.stop()
        if self._session is not None and self.capabilities.can_interrupt:
            own = self._session.interrupt()
            stopped = own if own.heard_text or own.cancelled_text else stopped
        return stopped

    def stop_saying(self) -> Stopped:
        """Stops only what it was given to say, by whichever voice; a full-duplex agent's own words are its own affair."""
        if self._host_voice is not None and self._host_voice.active:
            return self._host_voice.stop()
        if self._session is not None and self.capabilities.can_interrupt and self.saying_since is not None:
            return self._session.interrupt()
        return Stopped()

    async def close(self) -> None:
        if self._host_voice is not None:
            self._host_voice.stop()
        if self._session is not None:
            await self._session.close()
            self._session = None
