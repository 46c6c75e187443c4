"""A talk that outlasts the attention window gets a new prompt in the same row, before the old one falls out of the window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from workbench.gateway.prompts import TAG
from workbench.protocol import MAX_ACCOUNT_CHARS

PREPARE = 0.9
"""Share of the window after which the new prompt is taken in: frame 2700 of 3000, 16 s before it must be ready."""
FORCE = 29 / 30
"""Share after which it happens even in mid-word: frame 2900 of 3000."""
QUIET_FRAMES = 3
"""Frames (0.24 s) in which nobody is heard and no word is due: long enough not to be a gap between two syllables."""
RECENT_PIECES = 90
"""The agent's own last words that stand in for an account of the talk: about 30 s of speech."""

Action = Literal["none", "prepare", "roll", "force"]


@dataclass(slots=True)
class Rollover:
    """One talk's place in its window of `context` positions. Counts quiet frames and remembers what may be told of the talk."""

    context: int
    account: str = ""
    """A short account of the talk, given by the client. It is data: angle brackets are taken out."""
    done: int = 0
    forced: int = 0
    _quiet: int = 0
    _preparing: bool = False
    _pieces: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_PIECES))

    def frame(self, position: int, *, quiet: bool, piece: str, ready: bool) -> Action:
        """What to do after a frame that ended at `position`. `quiet`: neither side is heard and no forced word is due; `ready`: the
        new prompt is taken in. "prepare" comes once per window."""
        self._quiet = self._quiet + 1 if quiet else 0
        if piece:
            self._pieces.append(piece)
        if position < PREPARE * self.context:
            return "none"
        if not self._preparing:
            self._preparing = True
            return "prepare"
        if not ready:
            return "none"
        if self._quiet >= QUIET_FRAMES:
            return "roll"
        return "force" if position >= FORCE * self.context else "none"

    def happened(self, action: Action) -> None:
        """The row has its new prompt."""
        self.done += 1
        self.forced += action == "force"
        self._preparing = False
        self._quiet = 0

    def text(self, persona: str) -> str:
        """The new prompt's text: the persona, and what has happened so far."""
        own = "".join(self._pieces).strip()
        return with_account(persona, self.account or (f"You are in the middle of a talk. Your last words were: {own}" if own else ""))


def with_account(persona: str, account: str) -> str:
    """A prompt's text: the persona, then what has happened so far. The account is data: angle brackets are taken out."""
    clean = " ".join(account.replace("<", " ").replace(">", " ").split())[:MAX_ACCOUNT_CHARS]
    persona = persona.strip().removeprefix(TAG).removesuffix(TAG).strip()
    return f"{persona} {clean}".strip()
