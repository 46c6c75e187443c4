"""Who gives way when the user begins to speak over the agent.

A half-duplex agent stops at the onset. A full-duplex one decides for itself about its own words, but not about those that the host has it
say: a tool's result goes on to its end whatever the model hears. So the talk stops them, and the host's voice, for a user who means it.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.audio.frames import ms_to_samples
from workbench.conversation.agent_side import AgentSide
from workbench.engines.base import Stopped
from workbench.events import Edge


class BreakIn:
    """Fed with the edges of both stems; stops the agent where that is the talk's to do."""

    def __init__(self, agent: AgentSide, *, guard_ms: float, saying_min_ms: float, on_stopped: Callable[[Stopped], None]) -> None:
        """`guard_ms`: onsets this early in the first reply stop nothing. `saying_min_ms`: speech of the user that stops words which the
        host has said while a full-duplex agent listens; anything shorter may be a "mm-hm". `on_stopped` is told what was cut off."""
        self._agent = agent
        self._guard = ms_to_samples(guard_ms)
        self._saying_min_ms = saying_min_ms
        self._on_stopped = on_stopped
        self._replies = 0
        self._reply_began = 0
        self._onset: int | None = None

    def agent_began(self, at: int) -> None:
        """The agent began to be audible."""
        self._replies += 1
        self._reply_began = at

    def user_edge(self, edge: Edge, at: int) -> None:
        """An edge of the user's speech, back-dated to `at`."""
        self._onset = at if edge == "start" else None
        if edge == "start" and not self._agent.capabilities.full_duplex:
            self.stop_at(at)

    def stop_at(self, at: int) -> Stopped:
        """The user has something to say at `at`: a half-duplex agent stops, and drops what it was about to say."""
        if self._agent.capabilities.full_duplex or self._guarded(at):
            return Stopped()
        return self._told(self._agent.interrupt())

    def listen(self, now: int, silence_ms: float) -> None:
        """A tick at `now` of session time; the user has been silent for `silence_ms`, also where no edge tells it yet."""
        if self._onset is None or not self._agent.capabilities.full_duplex or self._guarded(self._onset):
            return
        began = self._agent.saying_since
        if began is None or self._onset <= began or now - self._onset - ms_to_samples(silence_ms) < ms_to_samples(self._saying_min_ms):
            return
        self._onset = None
        self._told(self._agent.stop_saying())

    def _guarded(self, onset: int) -> bool:
        """The agent has only just begun its first reply: what is heard may be its own echo. What began before the reply is none."""
        return self._replies == 1 and 0 <= onset - self._reply_began < self._guard

    def _told(self, stopped: Stopped) -> Stopped:
        if stopped.heard_text or stopped.cancelled_text:
            self._on_stopped(stopped)
        return stopped
