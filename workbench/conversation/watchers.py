"""Everyone who follows a talk: observers and listeners. One that fails is cut off and reported, and never stops a frame."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from workbench.audio.frames import Pcm
from workbench.conversation.listener import Listener
from workbench.engines.base import AgentFrame
from workbench.events import Event
from workbench.talk import Observer

log = logging.getLogger(__name__)
W = TypeVar("W", Observer, Listener)


class Watchers:
    """Calls each watcher in the order of attaching."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._observers: list[Observer] = []
        self._listeners: list[Listener] = []

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    def attach(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def event(self, event: Event) -> None:
        self._each(self._observers, lambda observer: observer.on_event(event))
        self._each(self._listeners, lambda listener: listener.event(event))

    def frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self._each(self._observers, lambda observer: observer.on_frame(start_samples, user, agent))

    def play(self, frame: AgentFrame, start_samples: int) -> None:
        self._each(self._listeners, lambda listener: listener.play(frame, start_samples))

    def flush(self) -> None:
        self._each(self._listeners, lambda listener: listener.flush())

    def end(self, reason: str, message: str) -> None:
        self._each(self._listeners, lambda listener: listener.end(reason, message))

    def _each(self, watchers: list[W], call: Callable[[W], None]) -> None:
        for watcher in tuple(watchers):
            try:
                call(watcher)
            except Exception as error:
                watchers.remove(watcher)
                log.exception("%s failed and was cut off", type(watcher).__name__)
                self._report(f"{type(watcher).__name__} failed and no longer follows this talk: {type(error).__name__}: {error}")
