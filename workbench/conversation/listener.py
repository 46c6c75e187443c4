"""Who hears the agent: the transport's end of a talk."""

from __future__ import annotations

from typing import Protocol

from workbench.engines.base import AgentFrame
from workbench.events import Event


class Listener(Protocol):
    """Plays the agent to the person. Called from the talk's loop; must not block."""

    def play(self, frame: AgentFrame, start_samples: int) -> None:
        """One agent frame, every tick, silence included. `start_samples` is its place in session time."""
        ...

    def flush(self) -> None:
        """The user broke in: drop what was given and has not been played."""
        ...

    def event(self, event: Event) -> None:
        """Every event of the talk."""
        ...

    def end(self, reason: str, message: str) -> None:
        """The talk is over; nothing more will come."""
        ...
