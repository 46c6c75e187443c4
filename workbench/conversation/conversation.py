"""One live talk. It owns the clock and the engine session, runs the listeners, and publishes what happens.

A tick takes the user's frame of the 80 ms just past and gives the agent's frame of the 80 ms to come: the user is heard at
[n-1, n) x 1920 samples and the agent's answer to it begins at n x 1920. Transports, observers and the actor are protocols.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.vad import EnergyDetector
from workbench.clock import SessionClock
from workbench.conversation.agent_side import AgentSide
from workbench.conversation.break_in import BreakIn
from workbench.conversation.ears import Ears
from workbench.conversation.host_voice import HostVoice
from workbench.conversation.inputs import UserInput
from workbench.conversation.listener import Listener
from workbench.conversation.turn_tracker import TurnTracker
from workbench.conversation.watchers import Watchers
from workbench.engines.base import AgentFrame, EngineError, Part, Stopped
from workbench.events import (
    AgentSpeech,
    AgentStopped,
    AgentText,
    AudioDelayed,
    AudioLost,
    BargeIn,
    ClockCorrected,
    Edge,
    Event,
    FrameTiming,
    Notice,
    SessionClosed,
    SessionOpened,
    UserText,
)
from workbench.talk import Actor, Observer, Saying, Utterance

log = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)

CloseReason = Literal["hung_up", "completed", "client_lost", "ended_by_api", "time_limit", "engine_failed", "server_stopped", "failed"]
"""Why a talk ended. Recovery adds `crashed` for talks whose process died."""


@dataclass(frozen=True, slots=True)
class TalkSpec:
    """What a talk is, before it begins."""

    session_id: str
    conversation_id: str
    persona: str
    persona_hash: str
    voice: str
    transport: str
    recording: bool
    max_s: float
    """The talk is ended with `time_limit` after this much session time."""
    consent: str = ""
    """The words with which the visitor agreed that the talk is kept."""
    user: str = ""
    """Who talks, as the transport knows them; empty when nobody logged in."""
    first_reply_guard_ms: float = 0.0
    """Onsets this early in the first reply do not stop it: an echo canceller needs that long to settle."""
    barge_in_min_ms: float = 300.0
    """So much speech of the user stops words that a full-duplex engine, or the host's voice beside it, was given to say."""
    trace_id: str = ""
    """Of the talk's OpenTelemetry trace; empty where nothing is traced."""


MAX_TYPED_CHARS = 2_000
"""Typed text beyond this is cut: an utterance is not a document."""

EarsMaker = Callable[..., Ears]
"""Makes the talk's ears from `clock`, `publish` and the three callbacks of `Ears`."""


class Conversation:
    """Runs one talk from `run()` to its `SessionClosed`. All methods belong to the event loop that runs it."""

    def __init__(
        self,
        spec: TalkSpec,
        *,
        clock: SessionClock,
        user_input: UserInput,
        agent: Callable[[Callable[..., Any]], AgentSide],
        ears: EarsMaker,
        agent_detector: EnergyDetector,
        actor: Actor | None = None,
        typist: Callable[[Callable[..., Any]], HostVoice | None] = lambda _publish: None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.session_id = spec.session_id
        self.conversation_id = spec.conversation_id
        self.user = spec.user
        self.spec = spec
        self._now = 0
        self.clock = clock
        self._input = user_input
        self._watchers = Watchers(self._report)
        for observer in observers:
            self._watchers.observe(observer)
        self._tracker = TurnTracker(self.publish)
        self._agent = agent(self.publish)
        self._ears = ears(
            clock=clock,
            publish=self.publish,
            on_speech=self._user_speech,
            on_probable_end=self._prepare,
            on_utterance=self._utterance,
        )
        self._detector = agent_detector
        self._actor = actor
        self._typist = typist(self.publish)
        self._frame = 0
        self._break_in = BreakIn(
            self._agent, guard_ms=spec.first_reply_guard_ms, saying_min_ms=spec.barge_in_min_ms, on_stopped=self._stopped
        )
        self._closing: tuple[CloseReason, str] | None = None
        self._ended: CloseReason = "failed"
        self.open_error: EngineError | None = None
        """Why no engine could be opened, when `run` failed for it."""
        self._open = asyncio.Event()
        self._over = asyncio.Event()
        self._last_agent: Pcm = silence()
        clock.on_failure = self._task_failed
        if actor is not None:
            actor.attach(self)

    # --- what an actor and the faces may do ---------------------------------------------------------------------------

    @property
    def now_samples(self) -> int:
        """Session time of the last tick; between ticks the clock itself."""
        return max(self._now, self.clock.now_samples)

    @property
    def engine(self) -> str:
        return self._agent.name

    @property
    def engine_parts(self) -> Mapping[str, Part]:
        """The components of the engine in use, by role; empty while there is none."""
        return self._agent.parts

    @property
    def can_say(self) -> bool:
        return self._agent.capabilities.can_say

    @property
    def host_can_say(self) -> bool:
        return self._agent.host_can_say

    def say(self, text: str) -> Saying:
        return self._agent.say(text)

    def host_say(self, text: str) -> Saying:
        return self._agent.host_say(text)

    def hold(self, max_ms: float) -> None:
        self._agent.hold(max_ms)

    def attach(self, listener: Listener) -> None:
        """From now on the listener hears the agent and sees every event."""
        self._watchers.attach(listener)

    def observe(self, observer: Observer) -> None:
        """From now on the observer sees every event and frame."""
        self._watchers.observe(observer)

    def publish(self, event: type[E], /, *, at_samples: int | None = None, **fields: Any) -> E:
        """Stamps an event and shows it to everybody. `at_samples` is now where it is None."""
        now = self.now_samples
        made = event(at_samples=now if at_samples is None else at_samples, noticed_samples=now, **fields)
        if isinstance(made, UserText | AgentText):
            self._tracker.words(made)
            self._agent.words(made)
        self._watchers.event(made)
        return made

    def _report(self, message: str) -> None:
        self.publish(Notice, level="error", code="failed_part", message=message, repair="See the server's log.")

    def type(self, text: str) -> None:
        """A typed utterance: given as text to an engine that takes it, else spoken into the user stem."""
        text = " ".join(text.split())[:MAX_TYPED_CHARS]
        if not text:
            return
        if not self._agent.capabilities.takes_text:
            if self._typist is None:
                self.publish(
                    Notice,
                    level="error",
                    code="cannot_type",
                    message=f"The engine {self.engine} only hears, and no voice is there to speak typed text to it.",
                    repair="Install a synthesiser (see `workbench doctor`), or say it.",
                )
                return
            self._typist.say(text)
            return
        stopped = self._break_in.stop_at(self.now_samples)
        if stopped.heard_text or stopped.cancelled_text:
            # Nobody spoke, so there is no onset to measure a stop latency from.
            self.publish(
                BargeIn,
                barge_in_id=uuid.uuid4().hex,
                outcome="yielded",
                stop_samples=self.now_samples,
                stop_latency_ms=None,
                heard_text=stopped.heard_text,
                cancelled_text=stopped.cancelled_text,
            )
        utterance = Utterance(
            utterance_id=uuid.uuid4().hex, text=text, start_samples=self.now_samples, end_samples=self.now_samples, source="typed"
        )
        self.publish(
            UserText, utterance_id=utterance.utterance_id, text=text, final=True, start_samples=utterance.start_samples, source="typed"
        )
        self._utterance(utterance)

    def switch_engine(self, requested: str) -> None:
        """Goes over to another engine in mid-call; the present one speaks until the new one is open."""
        self.clock.spawn(self._agent.switch(requested), "engine-switch")

    def hang_up(self, reason: CloseReason = "hung_up", detail: str = "") -> None:
        """Ends the talk at the next tick. The first reason counts."""
        if self._closing is None:
            self._closing = (reason, detail)

    async def opened(self) -> None:
        """Waits until the engine is there and the first frame is due, or the talk ended before that (`open_error` says why)."""
        await self._open.wait()

    async def closed(self) -> CloseReason:
        """Waits for the end and gives its reason."""
        await self._over.wait()
        return self._ended

    # --- the run -------------------------------------------------------------------------------------------------------

    async def run(self) -> CloseReason:
        """The whole talk. Every fault ends it with a reason; only being cancelled is raised, after the end was recorded."""
        spec = self.spec
        self.publish(
            SessionOpened,
            session_id=spec.session_id,
            conversation_id=spec.conversation_id,
            persona=spec.persona,
            persona_hash=spec.persona_hash,
            voice=spec.voice,
            transport=spec.transport,
            recording=spec.recording,
            consent=spec.consent,
            pace=self.clock.pace,
            latency_model=self.clock.latency_model,
            trace_id=spec.trace_id,
        )
        try:
            await self._agent.open()
            self._open.set()
            while self._closing is None:
                await self._tick(await self.clock.next_tick())
        except EngineError as error:
            self.open_error = error
            self.hang_up("engine_failed", str(error))
        except asyncio.CancelledError:
            self.hang_up("server_stopped")
            raise
        except Exception as error:
            log.exception("talk %s failed", self.session_id)
            if not self._open.is_set():
                self.open_error = EngineError("The talk could not be opened because of a fault in the server; its log says more.")
            self.hang_up("failed", f"{type(error).__name__}: {error}")
        finally:
            await self._close()
        return self._ended

    async def _close(self) -> None:
        reason, detail = self._closing or ("failed", "The run was left without a reason.")
        self._ended = reason
        if self._actor is not None:
            await self._actor.close(reason)
        await self.clock.cancel_all()
        await self._ears.close()
        await self._agent.close()
        if self._typist is not None:
            self._typist.stop()
        for edge in self._detector.finish():
            self._agent_speech(edge.edge, self._agent_position(edge.at))
        ended = self.now_samples
        self._tracker.settle(ended, closing=True)
        self.publish(SessionClosed, at_samples=ended, reason=reason, detail=detail)
        self._watchers.end(reason, detail)
        self._open.set()
        self._over.set()

    async def _tick(self, late_ms: float) -> None:
        began_s = time.perf_counter()
        self._frame += 1
        self._now = self._frame * FRAME_SAMPLES
        user = self._take_user()
        self._ears.hear(user)
        self._break_in.listen(self._now, self._ears.silence_ms)
        await self.clock.settle()
        heard_s = time.perf_counter()
        agent = await self._agent.step(user)
        stepped_s = time.perf_counter()
        self._play(user, agent)
        self._tracker.settle(self._now)
        ended_s = time.perf_counter()
        self.publish(
            FrameTiming,
            at_samples=self._now,
            frame=self._frame,
            late_ms=late_ms,
            listen_ms=(heard_s - began_s) * 1_000,
            engine_ms=(stepped_s - heard_s) * 1_000,
            total_ms=(ended_s - began_s) * 1_000,
        )
        if self._agent.failed is not None:
            self.hang_up("engine_failed", self._agent.failed)
        if self._now >= self.spec.max_s * SAMPLE_RATE:
            self.hang_up("time_limit", f"A talk lasts at most {self.spec.max_s:.0f} s (WORKBENCH_MAX_SESSION_S).")

    def _take_user(self) -> Pcm:
        taken = self._input.take(FRAME_SAMPLES, self._now)
        if taken.lost_samples:
            silent_from = max(0, self._now - max(FRAME_SAMPLES, taken.lost_samples))
            self.publish(AudioLost, at_samples=silent_from, samples=taken.lost_samples, packets=taken.lost_packets)
        if taken.dropped_samples:
            self.publish(AudioLost, samples=taken.dropped_samples, packets=0, cause="backlog")
        if taken.delayed_samples:
            self.publish(AudioDelayed, at_samples=self._now - FRAME_SAMPLES, samples=taken.delayed_samples)
        if taken.correction_samples:
            self.publish(ClockCorrected, samples=taken.correction_samples, drift_ppm=taken.drift_ppm)
        if self._typist is None or not self._typist.active:
            return taken.pcm
        return np.clip(taken.pcm + self._typist.take().pcm, -1.0, 1.0).astype(np.float32)

    def _play(self, user: Pcm, agent: AgentFrame) -> None:
        self._watchers.play(agent, self._now)
        for edge in self._detector.push(agent.pcm):
            self._agent_speech(edge.edge, self._agent_position(edge.at))
        for piece in agent.pieces:
            self.publish(AgentText, at_samples=self._now + piece.offset_samples, text=piece.text, forced=piece.forced)
        # What the agent was given to play a tick ago sounded while the user's frame was spoken: that is how the stems lie side by side.
        self._watchers.frame(self._now - FRAME_SAMPLES, user, self._last_agent)
        self._last_agent = agent.pcm

    def _agent_position(self, at: int) -> int:
        """Session time of a sample of the agent stem: its first one is played at the end of the first tick."""
        return FRAME_SAMPLES + at

    # --- what the listeners found ----------------------------------------------------------------------------------------

    def _agent_speech(self, edge: Edge, at: int) -> None:
        if edge == "start":
            self._break_in.agent_began(at)
        self._tracker.edge("agent", edge, at)
        self.publish(AgentSpeech, at_samples=at, edge=edge, detector=self._detector.name)

    def _user_speech(self, edge: Edge, at: int) -> None:
        self._tracker.edge("user", edge, at)
        self._break_in.user_edge(edge, at)

    def _stopped(self, stopped: Stopped) -> None:
        """The agent was stopped for the user."""
        self.publish(AgentStopped, at_samples=self._now, heard_text=stopped.heard_text, cancelled_text=stopped.cancelled_text)
        self._tracker.stopped(self._now, stopped)
        self._watchers.flush()

    def _utterance(self, utterance: Utterance) -> None:
        self.clock.spawn(self._decide(utterance), "decide")

    def _prepare(self, utterance: Utterance) -> None:
        """The user has probably finished: the engine and the actor may make ready what they will need if so."""
        self._agent.prepare(utterance)
        if self._actor is not None:
            self._actor.prepare(utterance)

    async def _decide(self, utterance: Utterance) -> None:
        """One utterance, one decision: the actor takes it, or the engine answers it, or it was nothing that the user said."""
        verdict = await self._actor.offer(utterance) if self._actor is not None and utterance.text else "left"
        match verdict:
            case "taken":
                self._agent.took(utterance)
            case "left":
                self._agent.answer(utterance)

    def _task_failed(self, name: str, error: BaseException) -> None:
        log.error("task %s of talk %s failed", name, self.session_id, exc_info=error)
        self._report(f"The task {name} failed: {type(error).__name__}: {error}")
