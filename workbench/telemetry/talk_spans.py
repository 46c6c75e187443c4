"""The trace of one talk, made from its events. A span is named by the kind of the event that ends it; words are in none of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import Span, Status, StatusCode, Tracer, format_trace_id, set_span_in_context

from workbench import events
from workbench.audio.frames import Pcm
from workbench.events import Event
from workbench.telemetry.session_time import SessionTime
from workbench.telemetry.tool_spans import ToolSpans

KEPT_EDGES = 64
"""Edges of the user's speech that wait for the words."""
KEPT_STAGES = 64


class TalkSpans:
    """An `Observer` of one talk. The span `talk` begins when this is made, within the trace of whoever asked for the talk."""

    def __init__(
        self, tracer: Tracer, *, engine: Callable[[str], str], tool: Callable[[str], str], time: SessionTime | None = None
    ) -> None:
        """`engine` and `tool` bound the names that may become attributes."""
        self.root: Span = tracer.start_span("talk")
        self._tracer, self._engine = tracer, engine
        self._time = time or SessionTime()
        self._within = set_span_in_context(self.root)
        self._tools = ToolSpans(tracer, self._within, self._time, tool)
        self._edges: deque[events.UserSpeech] = deque(maxlen=KEPT_EDGES)
        self._early: dict[str, dict[str, float]] = {}
        self._utterance: tuple[str, Span, int] | None = None
        """The last one, its span and its end in wall time: what answers it is still to come."""
        self._takes: dict[type[Event], Callable[[Any], None]] = {
            events.SessionOpened: self._opened,
            events.SessionClosed: self._closed,
            events.EngineChosen: self._engine_chosen,
            events.EngineLost: self._engine_lost,
            events.Notice: lambda event: self._note(event, level=event.level, code=event.code),
            events.UserSpeech: self._edges.append,
            events.UserText: self._user_text,
            events.AgentText: self._agent_text,
            events.TurnEnded: self._turn,
            events.BargeIn: self._barge_in,
            events.Backchannel: lambda event: self._note(event, speaker=event.speaker, duration_ms=event.duration_ms),
            events.AgentStopped: self._note,
            events.IntentFound: self._tools.intent,
            events.DecisionMade: self._decided,
            events.StageTiming: self._stage,
            events.FrameTiming: self._frame,
            events.AudioLost: lambda event: self._note(event, samples=event.samples, cause=event.cause),
            events.ClockCorrected: lambda event: self._note(event, samples=event.samples),
        }

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty when this talk is not sampled."""
        told = self.root.get_span_context()
        return format_trace_id(told.trace_id) if told.trace_flags.sampled else ""

    def on_event(self, event: Event) -> None:
        if isinstance(event, events.ToolEvent):
            self._tools.take(event)
        elif take := self._takes.get(type(event)):
            take(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is in no trace."""

    def refused(self, code: str) -> None:
        """No talk came of it. `code`: why, as programs read it."""
        if not self.root.is_recording():
            return  # it had begun, and its end is told already
        self.root.set_attribute("refused", code)
        self.root.set_status(Status(StatusCode.ERROR))
        self.root.end()

    # --- the talk ---

    def _opened(self, event: events.SessionOpened) -> None:
        names = ("session_id", "persona", "persona_hash", "voice", "transport", "pace", "latency_model", "recording")
        self.root.set_attributes({name: getattr(event, name) for name in names})
        if event.pace == "fast":
            self._time.anchor(event.noticed_samples)

    def _frame(self, event: events.FrameTiming) -> None:
        if not self._time.anchored:
            self._time.anchor(event.noticed_samples)

    def _engine_chosen(self, event: events.EngineChosen) -> None:
        # The last one is the talk's; those before it are in the notes.
        self.root.set_attribute("engine", self._engine(event.engine))
        told = {} if event.handshake_ms is None else {"handshake_ms": event.handshake_ms}
        self._note(event, engine=self._engine(event.engine), **told)

    def _engine_lost(self, event: events.EngineLost) -> None:
        self._note(event, engine=self._engine(event.engine))

    def _closed(self, event: events.SessionClosed) -> None:
        self._end_utterance()
        self._tools.close()
        self.root.set_attribute("ended_reason", event.reason)
        if event.reason in ("failed", "engine_failed"):
            self.root.set_status(Status(StatusCode.ERROR))
        self.root.end(self._time.ns(event.at_samples))

    def _note(self, event: Event, **attributes: Any) -> None:
        self.root.add_event(event.kind, attributes, self._time.ns(event.at_samples))

    # --- who spoke ---

    def _user_text(self, event: events.UserText) -> None:
        """From the first sound of an utterance to its final words."""
        if not event.final:
            return
        self._end_utterance()
        self._tools.said(event)
        told: dict[str, Any] = {"utterance_id": event.utterance_id, "source": event.source, "recogniser": event.recogniser}
        if event.decode_ms is not None:
            told["decode_ms"] = event.decode_ms
        start_ns = self._time.ns(event.start_samples)
        span = self._tracer.start_span(event.kind, self._within, attributes=told, start_time=start_ns)
        for edge in self._edges:
            if edge.at_samples >= event.start_samples:
                span.add_event(edge.kind, {"edge": edge.edge}, self._time.ns(edge.at_samples))
        self._edges.clear()
        self._utterance = (event.utterance_id, span, max(start_ns, self._time.ns(event.noticed_samples)))
        for stage, ms in self._early.pop(event.utterance_id, {}).items():
            span.set_attribute(f"{stage}_ms", ms)

    def _stage(self, event: events.StageTiming) -> None:
        if self._utterance is not None and self._utterance[0] == event.utterance_id:
            self._utterance[1].set_attribute(f"{event.stage}_ms", event.ms)
            return
        self._early.setdefault(event.utterance_id, {})[event.stage] = event.ms
        if len(self._early) > KEPT_STAGES:
            del self._early[next(iter(self._early))]

    def _decided(self, event: events.DecisionMade) -> None:
        if self._utterance is not None and self._utterance[0] == event.utterance_id:
            self._utterance[1].set_attribute("act", event.act)
        self._tools.decided(event)

    def _end_utterance(self) -> None:
        if self._utterance is not None:
            _id, span, end_ns = self._utterance
            span.end(end_ns)
            self._utterance = None

    def _agent_text(self, event: events.AgentText) -> None:
        if event.forced:
            self._tools.given_word(event)

    def _turn(self, event: events.TurnEnded) -> None:
        told: dict[str, Any] = {"turn_id": event.turn_id, "speaker": event.speaker, "interrupted": event.interrupted}
        if event.latency_ms is not None:
            told["latency_ms"] = event.latency_ms
        self._span(event.kind, event.start_samples, event.end_samples, told)

    def _barge_in(self, event: events.BargeIn) -> None:
        told: dict[str, Any] = {"barge_in_id": event.barge_in_id, "outcome": event.outcome}
        if event.stop_latency_ms is not None:
            told["stop_latency_ms"] = event.stop_latency_ms
        self._span(event.kind, event.at_samples, event.at_samples if event.stop_samples is None else event.stop_samples, told)

    def _span(self, name: str, start: int, end: int, attributes: dict[str, Any]) -> None:
        span = self._tracer.start_span(name, self._within, attributes=attributes, start_time=self._time.ns(start))
        span.end(self._time.ns(max(start, end)))
