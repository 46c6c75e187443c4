"""A held talk as its events tell it: tracks, turns, words and tool calls, for those who judge and measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from evaluation.hold import HeldTalk
from evaluation.tracks import tracks_of
from workbench.bridge.heard import HeardWord, heard_words
from workbench.dynamics.backchannels import backchannels_of
from workbench.dynamics.barge_ins import AGENT_PAUSE_MS
from workbench.dynamics.segments import SAMPLES_PER_MS, Segment, ipus, merge, overlap_samples
from workbench.dynamics.summary import TalkSummary
from workbench.dynamics.turns import AGENT, Turn, turns
from workbench.events import (
    AgentStopped,
    AgentText,
    ResultDelivered,
    ToolCancelled,
    ToolEvent,
    ToolFailed,
    ToolFinished,
    ToolRefused,
    ToolStarted,
)

STOP_NOTICED_MS = 500
"""So long before and after the last sound of a stretch a stop belongs to it: what is queued at the transport may sound on a little."""
_SENTENCE_ENDS = (".", "!", "?", "…")

ToolStatus = Literal["running", "success", "error", "cancelled"]


@dataclass(slots=True)
class ToolCall:
    """One invocation. Its first end counts: a result that comes after a cancellation or a timeout changes nothing."""

    tool: str
    status: ToolStatus = "running"
    said: bool = False
    """Its result was said to the last word."""


class HeardTalk:
    """Computed once, asked often. Times are samples of session time. Raises ValueError for a talk without events."""

    def __init__(self, held: HeldTalk) -> None:
        self.spans: Mapping[str, Segment] = held.spans
        self.events = held.events
        self.tracks = tracks_of(held.events)
        self.words: list[HeardWord] = heard_words(event for event in held.events if isinstance(event, AgentText))
        """Of the agent, in order of time."""
        self._stretches = merge(self.tracks.agent, AGENT_PAUSE_MS)

    @cached_property
    def summary(self) -> TalkSummary:
        """All of `workbench.dynamics` in numbers."""
        return self.tracks.summary()

    def agent_turns_without(self, step: Segment) -> list[Turn]:
        """The agent's turns by start, as if the user had made no sound within `step`."""
        user = [s for s in self.tracks.user if not overlap_samples(s, step)]
        return [turn for turn in turns(user, self.tracks.agent) if turn.speaker == AGENT]

    def floor_taken(self, floor: Segment) -> list[Segment]:
        """The agent's stretches that are no backchannel in a stretch of time that belongs to the user."""
        heard = [found.segment for found in backchannels_of(AGENT, self.tracks.agent, [floor], self.tracks.agent_words)]
        return merge((ipu for ipu in ipus(self.tracks.agent) if ipu not in heard), AGENT_PAUSE_MS)

    def answer_onset(self, step: Segment) -> int | None:
        """Where the agent first begins to speak from the start of a step on, acknowledgements within it aside. As for a re-response, a
        pause up to `AGENT_PAUSE_MS` is no beginning."""
        return next((speech.start for speech in self.floor_taken(step) if speech.start >= step.start), None)

    def agent_speaking_at(self, sample: int) -> Segment | None:
        """The agent's stretch that this sample lies within; pauses up to `AGENT_PAUSE_MS` do not end it."""
        return next((stretch for stretch in self._stretches if stretch.start < sample < stretch.end), None)

    def finished_its_words(self, speech: Segment, *, since: int) -> bool:
        """Whether a stretch ended because all was said: nobody stopped the agent after `since`, and its last word ends a sentence."""
        room = STOP_NOTICED_MS * SAMPLES_PER_MS
        if any(isinstance(e, AgentStopped) and since <= e.at_samples <= speech.end + room for e in self.events):
            return False
        said = [word.text for word in self.words if speech.start - room <= word.at_samples < speech.end]
        return bool(said) and said[-1].rstrip("\"')”’").endswith(_SENTENCE_ENDS)

    def agent_text(self, *, after: Segment | None = None) -> str:
        """What the agent was heard to say: all of it, or from the end of a step on, an answer that began before that end whole."""
        since = 0
        if after is not None:
            since = min([after.end, *(stretch.start for stretch in self._stretches if stretch.start >= after.start)])
        return " ".join(word.text for word in self.words if word.at_samples >= since)

    @cached_property
    def tool_calls(self) -> list[ToolCall]:
        """Every invocation, by its first event; one that was refused before it ran is cancelled."""
        calls: dict[str, ToolCall] = {}
        for event in self.events:
            if not isinstance(event, ToolEvent):
                continue
            call = calls.setdefault(event.invocation_id, ToolCall(event.tool))
            if isinstance(event, ResultDelivered):
                call.said = event.how != "card" and 0 < event.words_asked <= event.words_heard
            elif call.status == "running":
                call.status = _END.get(type(event), "running")
        return list(calls.values())

    @property
    def tools_run(self) -> list[str]:
        """The tools that were dispatched, by time."""
        return [event.tool for event in self.events if isinstance(event, ToolStarted)]


_END: Mapping[type[ToolEvent], ToolStatus] = {
    ToolFinished: "success",
    ToolFailed: "error",
    ToolRefused: "cancelled",
    ToolCancelled: "cancelled",
}
