"""What was said in a talk, short enough for a prompt: for an engine that takes the talk up again, or whose memory is renewed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from workbench.events import AgentText, Speaker, UserText

MAX_LINES = 8
"""The last lines of both: what a person would still have in the ear."""
MAX_LINE_WORDS = 28
KEPT_CHARS = 1_000
MAX_CHARS = 700
"""Some 200 tokens, 16 s of the model's window, and an address with a persona's prompt still holds it."""
BEGINNING = "You are in the middle of a talk; go on without a greeting."


@dataclass(slots=True)
class _Line:
    speaker: Speaker
    text: str


class Recap:
    """The last lines of a talk, in the order in which they were said."""

    def __init__(self) -> None:
        self._lines: deque[_Line] = deque(maxlen=MAX_LINES)

    def add(self, event: UserText | AgentText) -> None:
        """The user's finished utterances and the agent's pieces."""
        if isinstance(event, AgentText):
            self._put("agent", event.text)
        elif event.final and event.text.strip():
            self._put("user", f" {event.text}")

    def _put(self, speaker: Speaker, text: str) -> None:
        if self._lines and self._lines[-1].speaker == speaker:
            line = self._lines[-1]
            line.text = (line.text + text)[-KEPT_CHARS:]
        else:
            self._lines.append(_Line(speaker, text))

    def text(self) -> str:
        """The account, at most `MAX_CHARS`, the oldest left out first. Angle brackets, which mark a prompt's frame, are taken out."""
        told: list[str] = []
        left = MAX_CHARS - len(BEGINNING)
        for line in reversed(self._lines):
            words = line.text.replace("<", " ").replace(">", " ").split()[-MAX_LINE_WORDS:]
            if not words:
                continue
            said = f"{'The user' if line.speaker == 'user' else 'You'} said: {' '.join(words)}"
            if len(said) >= left:
                break
            told.append(said)
            left -= len(said) + 1
        return " ".join([BEGINNING, *reversed(told)])
