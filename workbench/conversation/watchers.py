"""Everyone who follows a talk: observers and listeners. One that fails is cut off and reported, and never stops a frame."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from workbench.audio.frames import Pcm
from workbench.conversation.listener import Listener
from workbench.engines.base import AgentFrame
from workbench.events import EngineChosen, Event, SessionOpened
from workbench.talk import Observer

log = logging.getLogger(__name__)
W = TypeVar("W", Observer, Listener)


def _tell_observer(event: Event, observer: Observer) -> None:
    observer.on_event(event)


def _tell_listener(event: Event, listener: Listener) -> None:
    listener.event(event)


class Watchers:
    """Calls each watcher in the order of attaching. One that comes late is first told how the talk was opened, and by which engine."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._observers: list[Observer] = []
        self._listeners: list[Listener] = []
        self._opening: dict[str, Event] = {}

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)
        for event in self._opening.values():
            self._call(self._observers, observer, partial(_tell_observer, event))

    def attach(self, listener: Listener) -> None:
        self._listeners.append(listener)
        for event in self._opening.values():
            self._call(self._listeners, listener, partial(_tell_listener, event))

    def event(self, event: Event) -> None:
        if isinstance(event, SessionOpened | EngineChosen):
            self._opening[event.kind] = event
        self._each(self._observers, partial(_tell_observer, event))
        self._each(self._listeners, partial(_tell_listener, event))

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
            self._call(watchers, watcher, call)

    def _call(self, watchers: list[W], watcher: W, call: Callable[[W], None]) -> None:
        try:
            call(watcher)
        except Exception as error:
            # Whatever a watcher raises, it must not reach the audio.
            watchers.remove(watcher)
            log.exception("%s failed and was cut off", type(watcher).__name__)
            self._report(f"{type(watcher).__name__} failed and no longer follows this talk: {type(error).__name__}: {error}")
