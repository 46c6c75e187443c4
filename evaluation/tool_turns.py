"""A talk's tool calls as the tool turns of `evaluation.tool_latency`: utterance end, intent, dispatch, result, delivery, first word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.tool_latency import SECOND, ToolBreakdown, ToolEvents, breakdown
from evaluation.tracks import Tracks, tracks_of
from workbench.bridge.heard import HeardWord, heard_words
from workbench.dynamics.segments import to_seconds
from workbench.events import AgentText, Event, IntentFound, ResultDelivered, ToolFailed, ToolFinished, ToolStarted, UserText


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """One invocation that was dispatched."""

    invocation_id: str
    tool: str
    moments: ToolEvents
    parts: ToolBreakdown


def tool_turns(events: Iterable[Event], tracks: Tracks | None = None) -> list[ToolTurn]:
    """Every dispatched invocation of a talk, by its dispatch. `tracks`: of the same events, where the caller has them.

    The user's end is that of the utterance that asked; the time that a confirmation took lies between intent and dispatch. A result on the
    screen alone was neither delivered nor said, and of a failed call only the dispatch and the failure are known. Invocations whose
    utterance has no final text are left out: there is no end to measure from.
    """
    kept = sorted(events, key=lambda event: event.noticed_samples)
    ended = {e.utterance_id: e.at_samples for e in kept if isinstance(e, UserText) and e.final}
    understood = {e.utterance_id: e.noticed_samples for e in kept if isinstance(e, IntentFound)}
    answered: dict[str, int] = {}
    for event in kept:
        if isinstance(event, ToolFinished | ToolFailed):
            # A result that comes after a timeout is not what the user waited for.
            answered.setdefault(event.invocation_id, event.at_samples)
    delivered = {e.invocation_id: e for e in kept if isinstance(e, ResultDelivered) and e.how != "card" and e.words_heard}
    started = [e for e in kept if isinstance(e, ToolStarted) and e.utterance_id in ended]
    if not started:
        return []
    heard = heard_words(e for e in kept if isinstance(e, AgentText))
    tracks = tracks if tracks is not None else tracks_of(kept)
    user, agent = to_seconds(tracks.user), to_seconds(tracks.agent)
    found = []
    for call in started:
        delivery = delivered.get(call.invocation_id)
        moments = ToolEvents(
            user_speech_end_s=ended[call.utterance_id] / SECOND,
            intent_detected_s=_seconds(understood.get(call.utterance_id)),
            tool_dispatched_s=_seconds(call.at_samples),
            tool_result_s=_seconds(answered.get(call.invocation_id)),
            result_injected_s=_seconds(delivery.at_samples if delivery is not None else None),
            first_content_word_s=_seconds(_first_word(heard, delivery) if delivery is not None else None),
        )
        found.append(ToolTurn(call.invocation_id, call.tool, moments, breakdown(moments, user, agent)))
    return found


def _first_word(heard: Iterable[HeardWord], delivery: ResultDelivered) -> int | None:
    """The first word that the host put in the agent's mouth, from the delivery's first audible sample until it was over."""
    forced = (word.at_samples for word in heard if word.forced)
    return next((at for at in forced if delivery.at_samples <= at <= delivery.noticed_samples), None)


def _seconds(samples: int | None) -> float | None:
    return None if samples is None else samples / SECOND
