"""What a responder is: it finds the words of the agent's reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from workbench.events import Speaker

Heard = tuple[Speaker, str]
"""One turn of the talk so far: who spoke, and the words that were really heard."""


class ResponderError(Exception):
    """No reply, or no end of one, can be found. The message names what was wrong and how to mend it."""

    def __init__(self, message: str, spoken: str) -> None:
        super().__init__(message)
        self.spoken = spoken
        """A plain apology to be said aloud; it names no address, key or cause."""


class Responder(Protocol):
    """Answers one persona's user."""

    name: str
    why: str
    """Why this one was chosen, in one sentence for the page."""

    def respond(self, text: str, history: Sequence[Heard]) -> AsyncGenerator[str, None]:
        """The reply to `text`, clause by clause, each as soon as it is certain. `history` is what went before, the oldest first,
        without `text`. Closing the generator stops the work. Raises ResponderError, possibly after some clauses."""
        ...
