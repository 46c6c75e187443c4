"""What the log tells of a talk: its beginning, its engines, its end. What is said in it only where that was switched on, at debug level."""

from __future__ import annotations

import logging

from workbench import events
from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.events import Event

log = logging.getLogger(__name__)


class TalkLog:
    """An `Observer` of one talk. Free text of events (reasons, messages, errors) may repeat what somebody said, and is words too."""

    def __init__(self, *, transcripts: bool = False) -> None:
        self._transcripts = transcripts

    def on_event(self, event: Event) -> None:
        match event:
            case events.SessionOpened():
                log.info("%s: %s by %s", event.kind, event.persona, event.transport)
            case events.EngineChosen():
                log.info("%s: %s", event.kind, event.engine)
            case events.EngineLost():
                log.warning("%s: %s", event.kind, event.engine)
            case events.Notice(level="warning" | "error"):
                log.warning("%s: %s", event.kind, event.code)
            case events.SessionClosed():
                log.info("%s: %s after %.1f s", event.kind, event.reason, event.at_samples / SAMPLE_RATE)
            case _:
                pass
        if self._transcripts:
            self._words(event)

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is in no log."""

    def _words(self, event: Event) -> None:
        match event:
            case events.UserText(final=True) | events.TurnEnded(speaker="agent") | events.NoticeDelivered():
                log.debug("%s: %s", event.kind, event.text)
            case events.ToolStarted():
                log.debug("%s: %s %s", event.kind, event.tool, event.arguments)
            case events.ToolFinished():
                log.debug("%s: %s %s", event.kind, event.tool, event.spoken)
            case events.ToolFailed():
                log.debug("%s: %s %s", event.kind, event.tool, event.error)
            case events.EngineLost() | events.ToolRefused() | events.ToolCancelled():
                log.debug("%s: %s", event.kind, event.reason)
            case events.Notice():
                log.debug("%s: %s", event.kind, event.message)
            case _:
                pass
