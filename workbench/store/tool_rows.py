"""The row of each tool invocation of one talk, written anew whenever it changes: it is there as soon as the tool is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from workbench import events
from workbench.audio.frames import samples_to_ms
from workbench.events import Event
from workbench.store.base import RowSink
from workbench.store.values import clean_text, to_json

_COLUMNS = (
    "invocation_id",
    "session_id",
    "agent",
    "action",
    "status",
    "latency_ms",
    "started_at",
    "completed_at",
    "start_ms",
    "end_ms",
    "utterance_id",
    "tier",
    "arguments",
    "result",
    "spoken",
    "error",
    "delivered_how",
    "words_asked",
    "words_heard",
    "interrupted",
    "fidelity_wer",
    "deadline_ms",
    "words_before_result",
)
"""Every write of a tool row names all its columns, so that a batch is one statement. What was delivered is the result, or the apology
of an invocation that failed."""


class ToolRows:
    """`when` puts session time (samples) on the calendar."""

    def __init__(self, store: RowSink, session_id: str, when: Callable[[int], datetime]) -> None:
        self._store = store
        self._session_id = session_id
        self._when = when
        self._rows: dict[str, dict[str, Any]] = {}

    def take(self, event: events.ToolEvent) -> None:
        """Brings the row of the event's invocation up to date. Progress leaves no trace in it."""
        match event:
            case events.ToolProposed():
                self._proposed(event)
            case events.ToolConfirmed():
                self._put(event, status="pending")
            case events.ToolRefused():
                self._put(event, status="refused", error=clean_text(event.reason), **self._ends(event))
            case events.ToolStarted():
                self._started(event)
            case events.ToolFinished():
                self._finished(event)
            case events.ToolFailed():
                status, error = "timeout" if event.timed_out else "error", clean_text(event.error)
                self._put(event, status=status, error=error, latency_ms=event.latency_ms, **self._ends(event))
            case events.ToolCancelled():
                self._put(event, status="cancelled", error=clean_text(event.reason), **self._ends(event))
            case events.ResultDelivered():
                self._delivered(event)
            case events.NoticeDelivered(purpose="apology"):
                # A failed invocation has no result: how its apology reached the user is how it ended for them.
                self._put(event, **_reached(event))
            case events.FidelityMeasured():
                self._put(event, fidelity_wer=event.wer)
            case _:
                pass

    def _proposed(self, event: events.ToolProposed) -> None:
        self._put(
            event,
            status="proposed",
            utterance_id=clean_text(event.utterance_id),
            tier=event.tier,
            arguments=to_json(event.arguments),
            deadline_ms=samples_to_ms(event.deadline_samples),
        )

    def _started(self, event: events.ToolStarted) -> None:
        self._put(
            event,
            status="running",
            agent=clean_text(event.provider),
            utterance_id=clean_text(event.utterance_id),
            tier=event.tier,
            arguments=to_json(event.arguments),
            started_at=self._when(event.at_samples),
            start_ms=samples_to_ms(event.at_samples),
        )

    def _finished(self, event: events.ToolFinished) -> None:
        result, spoken = to_json(event.result), clean_text(event.spoken)
        self._put(event, status="success", result=result, spoken=spoken, latency_ms=event.latency_ms, **self._ends(event))

    def _delivered(self, event: events.ResultDelivered) -> None:
        self._put(event, **_reached(event), words_before_result=event.words_before)

    def _ends(self, event: Event) -> dict[str, Any]:
        return {"completed_at": self._when(event.at_samples), "end_ms": samples_to_ms(event.at_samples)}

    def _put(self, event: events.ToolEvent, **changes: Any) -> None:
        row = self._rows.get(event.invocation_id)
        if row is None:
            row = dict.fromkeys(_COLUMNS) | {
                "invocation_id": clean_text(event.invocation_id),
                "session_id": self._session_id,
                "agent": "unknown",
                "action": clean_text(event.tool),
                "status": "pending",
                "started_at": self._when(event.at_samples),
                "start_ms": samples_to_ms(event.at_samples),
            }
            self._rows[event.invocation_id] = row
        if row["status"] in ("cancelled", "timeout", "error"):
            # A result that comes after all that is kept, and the invocation stays what the user was told it is.
            changes.pop("status", None)
        row.update(changes)
        self._store.append("voice_tool_invocations", dict(row), urgent=True)


def _reached(event: events.ResultDelivered | events.NoticeDelivered) -> dict[str, Any]:
    return {
        "delivered_how": event.how,
        "words_asked": event.words_asked,
        "words_heard": event.words_heard,
        "interrupted": event.interrupted,
    }
