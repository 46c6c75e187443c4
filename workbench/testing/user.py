"""A user who answers: says each line when something has happened in the talk, and hangs up when the last thing has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.audio.frames import Pcm, silence
from workbench.conversation.conversation import Conversation
from workbench.conversation.inputs import ClipInput
from workbench.events import EngineChosen, Event
from workbench.testing.talks import pause, spoken

Cue = Callable[[Event], bool]
"""Whether this is the event that was waited for."""


def at_start(event: Event) -> bool:
    """The engine is there."""
    return isinstance(event, EngineChosen)


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance, as a tone of `seconds` that begins `after_s` after its cue."""

    text: str
    cue: Cue = at_start
    after_s: float = 0.4
    seconds: float = 0.8


class ScriptedUser(ClipInput):
    """The user's side of a talk and an observer of it. Give its `texts` to a `ScriptedAsr`, and call `join` before the first frame.

    `until`: the event with which the talk is over for this user, counted from after the last line; they hang up `linger_s` later."""

    def __init__(self, *lines: Line, until: Cue, linger_s: float = 0.4) -> None:
        super().__init__(silence(0))
        self.texts = [line.text for line in lines]
        self.satisfied = False
        """The last event came."""
        self._lines = list(lines)
        self._until = until
        self._linger = linger_s
        self._talk: Conversation | None = None

    def join(self, talk: Conversation) -> None:
        """Takes part in this talk."""
        self._talk = talk

    @property
    def exhausted(self) -> bool:
        """Never: this user hangs up, and nobody does it for them."""
        return False

    def on_event(self, event: Event) -> None:
        """Says the next line, or hangs up, when this is the event for it."""
        if self._lines:
            if self._lines[0].cue(event):
                line = self._lines.pop(0)
                self.append(np.concatenate([pause(line.after_s), spoken(line.seconds)]))
        elif not self.satisfied and self._until(event):
            self.satisfied = True
            if self._talk is None:
                raise AssertionError("join the talk before its first frame")
            self._talk.clock.spawn(self._hang_up(self._talk), "scripted user")

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Events are enough."""

    async def _hang_up(self, talk: Conversation) -> None:
        await talk.clock.sleep_ms(self._linger * 1_000)
        talk.hang_up()
