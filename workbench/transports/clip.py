"""A recording as the user: drives a talk from a clip to the end of the last answer, and gives an account of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.audio.frames import SAMPLES_PER_MS, Pcm, samples_to_ms
from workbench.conversation.conversation import CloseReason
from workbench.conversation.inputs import EndingInput
from workbench.events import (
    AgentSpeech,
    AgentText,
    BargeIn,
    EngineChosen,
    Event,
    Notice,
    ResultDelivered,
    SessionClosed,
    SessionOpened,
    ToolCancelled,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolRefused,
    ToolStarted,
    TurnEnded,
    UserSpeech,
    UserText,
)

QUIET_MS = 2_500.0
"""The talk is over when the clip has ended and neither side has spoken, nor a tool been at work, for this long."""
ANSWER_MS = 20_000.0
"""How long speech may wait for its words, and an utterance for the first sound of its answer."""

LONGEST_TAIL_MS = 120_000.0
"""After this much more than the clip the talk ends in any case: a full-duplex persona may talk on for ever."""


@dataclass(slots=True)
class Account:
    """What `workbench talk --json` prints. Times are ms of session time."""

    session_id: str = ""
    engine: str = ""
    turns: list[dict[str, Any]] = field(default_factory=list)
    barge_ins: list[dict[str, Any]] = field(default_factory=list)
    tool_invocations: list[dict[str, Any]] = field(default_factory=list)
    ended_reason: str = ""
    parts: dict[str, Any] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Takes what belongs into the account from one event."""
        match event:
            case SessionOpened():
                self.session_id = event.session_id
            case EngineChosen():
                self.engine, self.parts = event.engine, {role: dict(part) for role, part in event.parts.items()}
            case TurnEnded():
                self.turns.append(
                    {
                        "speaker": event.speaker,
                        "text": event.text,
                        "start_ms": samples_to_ms(event.start_samples),
                        "end_ms": samples_to_ms(event.end_samples),
                        "latency_ms": event.latency_ms,
                        "interrupted": event.interrupted,
                    }
                )
            case BargeIn():
                self.barge_ins.append(
                    {
                        "at_ms": samples_to_ms(event.at_samples),
                        "outcome": event.outcome,
                        "stop_latency_ms": event.stop_latency_ms,
                        "heard_text": event.heard_text,
                        "cancelled_text": event.cancelled_text,
                    }
                )
            case ToolProposed() | ToolStarted():
                if not any(row["invocation_id"] == event.invocation_id for row in self.tool_invocations):
                    self.tool_invocations.append(
                        {"invocation_id": event.invocation_id, "tool": event.tool, "arguments": dict(event.arguments), "status": "running"}
                    )
            case ToolFinished():
                self._tool(event.invocation_id, status="success", spoken=event.spoken, latency_ms=event.latency_ms)
            case ToolFailed():
                self._tool(event.invocation_id, status="error", error=event.error, latency_ms=event.latency_ms)
            case ToolRefused() | ToolCancelled():
                self._tool(event.invocation_id, status="cancelled", reason=event.reason)
            case ResultDelivered():
                self._tool(event.invocation_id, delivered=event.how, words_heard=event.words_heard, words_asked=event.words_asked)
            case SessionClosed():
                self.ended_reason = event.reason
            case _:
                pass

    def _tool(self, invocation_id: str, **fields: Any) -> None:
        for row in self.tool_invocations:
            if row["invocation_id"] == invocation_id:
                row.update(fields)


class ClipDriver:
    """An observer that ends the talk when there is nothing left to wait for, and keeps the agent's sound if asked."""

    def __init__(
        self,
        clip: EndingInput,
        hang_up: Callable[[CloseReason], None],
        *,
        keep_sound: bool = False,
        longest_tail_ms: float = LONGEST_TAIL_MS,
    ) -> None:
        self.account = Account()
        self._clip = clip
        self._hang_up = hang_up
        self._longest_tail_ms = longest_tail_ms
        self._agent: list[Pcm] | None = [] if keep_sound else None
        self._speaking: set[str] = set()
        self._tools: set[str] = set()
        self._last = 0
        self._clip_ended = 0
        self._words_due: int | None = None
        self._answer_due: int | None = None

    @property
    def agent_sound(self) -> Pcm:
        """The agent stem so far, [n] at 24 kHz, from session time 0."""
        return np.concatenate(self._agent) if self._agent else np.zeros(0, np.float32)

    def on_event(self, event: Event) -> None:
        self.account.add(event)
        match event:
            case UserSpeech() | AgentSpeech():
                speaker = type(event).__name__
                (self._speaking.add if event.edge == "start" else self._speaking.discard)(speaker)
                if isinstance(event, AgentSpeech):
                    self._answer_due = None
                elif event.edge == "stop":
                    self._words_due = event.noticed_samples + round(ANSWER_MS * SAMPLES_PER_MS)
            case UserText() if event.final:
                self._words_due = None
                if event.text:
                    self._answer_due = event.noticed_samples + round(ANSWER_MS * SAMPLES_PER_MS)
            case Notice(code="asr_failed"):
                self._words_due = None
            case ToolStarted():
                self._tools.add(event.invocation_id)
            case ToolFinished() | ToolFailed() | ToolCancelled():
                self._tools.discard(event.invocation_id)
            case AgentText() | ResultDelivered():
                pass
            case _:
                return
        self._last = event.noticed_samples

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        if self._agent is not None:
            self._agent.append(agent)
        if not self._clip.exhausted:
            self._last = self._clip_ended = start_samples
            return
        if start_samples - self._clip_ended > self._longest_tail_ms * SAMPLES_PER_MS:
            self._hang_up("time_limit")
            return
        if self._speaking or self._tools:
            self._last = max(self._last, start_samples)
            return
        if any(due is not None and start_samples < due for due in (self._words_due, self._answer_due)):
            return
        if start_samples - self._last > QUIET_MS * SAMPLES_PER_MS:
            self._hang_up("completed")
