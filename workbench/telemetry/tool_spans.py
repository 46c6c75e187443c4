"""The spans of tool calls: one for each invocation, and in it one for each stage, named by the event that ends the stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from workbench import events
from workbench.telemetry.session_time import SessionTime

MAX_OPEN = 32
"""Invocations of one talk whose end is still to come; beyond that the oldest is ended."""
MAX_UTTERANCES = 32
_TURNED_DOWN = ("refusal", "apology", "called_off")
_WORD = re.compile(r"\w")


@dataclass(slots=True)
class _Call:
    """One invocation. `at_ns` is where its last stage ended. Kept in wall time: where session time lies may be learnt in between."""

    span: Span
    at_ns: int
    work: Span | None = None
    """From dispatch to the answer; the provider's own spans hang on it."""
    finished_at: int | None = None
    first_word_at: int | None = None


@dataclass(slots=True)
class _Said:
    ended_ns: int
    intent: events.IntentFound | None = None


@dataclass(slots=True)
class ToolSpans:
    """`parent`: the talk's span, as a context. `tool` bounds the names of tools, which other programs choose."""

    tracer: Tracer
    parent: Context
    time: SessionTime
    tool: Callable[[str], str]
    _calls: dict[str, _Call] = field(default_factory=dict)
    _said: dict[str, _Said] = field(default_factory=dict)

    def said(self, event: events.UserText) -> None:
        """The end of an utterance that may ask for a tool."""
        self._said[event.utterance_id] = _Said(self.time.ns(event.at_samples))
        if len(self._said) > MAX_UTTERANCES:
            del self._said[next(iter(self._said))]

    def intent(self, event: events.IntentFound) -> None:
        if said := self._said.get(event.utterance_id):
            said.intent = event

    def decided(self, event: events.DecisionMade) -> None:
        """What begins an invocation opens its span, at the end of the words that asked for it."""
        if event.invocation_id is None or event.tool is None or event.invocation_id in self._calls:
            return
        if event.act not in ("run", "propose", "deny"):
            return
        said = self._said.get(event.utterance_id) or _Said(self.time.ns(event.at_samples))
        call = self._open(event.invocation_id, event.tool, said.ended_ns, {"act": event.act, "tier": event.tier or ""})
        if said.intent is not None:
            told = {"intent": said.intent.intent, "source": said.intent.source, "duration_ms": said.intent.duration_ms}
            self._stage(call, said.intent, **told)

    def take(self, event: events.ToolEvent) -> None:
        call = self._calls.get(event.invocation_id)
        if call is None:
            if not isinstance(event, events.ToolProposed | events.ToolStarted):
                return  # its span has ended
            call = self._open(event.invocation_id, event.tool, self.time.ns(event.at_samples), {})
        match event:
            case events.ToolProposed():
                self._reach(call, event)
                call.span.add_event(event.kind, timestamp=call.at_ns)
            case events.ToolConfirmed():
                self._stage(call, event)
            case events.ToolRefused():
                self._stage(call, event)
                call.span.set_attribute("status", "refused")
            case events.ToolStarted():
                self._started(call, event)
            case events.ToolFinished():
                call.finished_at = event.at_samples
                self._answered(call, event, "success", latency_ms=event.latency_ms)
            case events.ToolFailed():
                self._answered(call, event, "timeout" if event.timed_out else "error", latency_ms=event.latency_ms)
            case events.ToolCancelled():
                self._answered(call, event, "cancelled")
            case events.ResultDelivered():
                self._delivered(call, event)
                self._end(event.invocation_id)
            case events.NoticeDelivered():
                self._reach(call, event)
                call.span.add_event(event.kind, {"purpose": event.purpose, "how": event.how}, call.at_ns)
                if event.purpose in _TURNED_DOWN:
                    self._end(event.invocation_id)
            case _:
                pass

    def given_word(self, event: events.AgentText) -> None:
        """Words that the host put in the agent's mouth: the first ones after a result are the result."""
        if not _WORD.search(event.text):
            return
        for call in self._calls.values():
            if call.finished_at is not None and call.first_word_at is None and event.at_samples >= call.finished_at:
                call.first_word_at = event.at_samples

    def close(self) -> None:
        """The talk ends, and with it every span."""
        for invocation_id in tuple(self._calls):
            self._end(invocation_id)

    def _open(self, invocation_id: str, tool: str, at_ns: int, attributes: Mapping[str, Any]) -> _Call:
        named = {"invocation_id": invocation_id, "tool": self.tool(tool), **attributes}
        span = self.tracer.start_span("tool", self.parent, attributes=named, start_time=at_ns)
        call = self._calls[invocation_id] = _Call(span, at_ns)
        if len(self._calls) > MAX_OPEN:
            self._end(next(iter(self._calls)))
        return call

    def _stage(self, call: _Call, ended_by: events.Event, **attributes: Any) -> None:
        """From the end of the stage before to this event."""
        within = set_span_in_context(call.span, self.parent)
        span = self.tracer.start_span(ended_by.kind, within, attributes=attributes, start_time=call.at_ns)
        self._reach(call, ended_by)
        span.end(call.at_ns)

    def _reach(self, call: _Call, event: events.Event) -> None:
        call.at_ns = max(call.at_ns, self.time.ns(event.at_samples))

    def _started(self, call: _Call, event: events.ToolStarted) -> None:
        self._stage(call, event)
        call.span.set_attribute("provider", event.provider)
        within = set_span_in_context(call.span, self.parent)
        call.work = self.tracer.start_span(event.kind, within, start_time=call.at_ns)
        # The task that dispatches calls the provider right after this event, so that this span is the one that goes on in it, and
        # what is sent over HTTP or MCP names it. The task is the invocation's own and ends with it: nothing needs detaching.
        context.attach(set_span_in_context(call.work))

    def _answered(self, call: _Call, event: events.Event, status: str, **attributes: Any) -> None:
        """The stage at work ends, and gets the name of what ended it."""
        failed = status in ("error", "timeout")
        call.span.set_attribute("status", status)
        if failed:
            call.span.set_status(Status(StatusCode.ERROR))
        if call.work is None:
            # It was never dispatched, or this is a result that came after its end was told.
            self._stage(call, event, **attributes)
            return
        self._reach(call, event)
        if failed:
            call.work.set_status(Status(StatusCode.ERROR))
        call.work.update_name(event.kind)
        call.work.set_attributes(attributes)
        call.work.end(call.at_ns)
        call.work = None

    def _delivered(self, call: _Call, event: events.ResultDelivered) -> None:
        told: dict[str, Any] = {"how": event.how, "interrupted": event.interrupted}
        told |= {"words_asked": event.words_asked, "words_heard": event.words_heard}
        if event.words_before is not None:
            told["words_before"] = event.words_before
        self._stage(call, event, **told)
        if call.first_word_at is not None:
            within = set_span_in_context(call.span, self.parent)
            span = self.tracer.start_span("AgentText", within, start_time=call.at_ns)
            call.at_ns = max(call.at_ns, self.time.ns(call.first_word_at))
            span.end(call.at_ns)

    def _end(self, invocation_id: str) -> None:
        call = self._calls.pop(invocation_id)
        if call.work is not None:
            call.work.end(call.at_ns)
        call.span.end(call.at_ns)
