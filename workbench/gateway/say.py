"""Texts that a persona is asked to say: cut into words and pieces, queued, and counted as they are heard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from sentencepiece import SentencePieceProcessor

from workbench.audio.frames import Pcm
from workbench.gateway.prompts import PAD
from workbench.gateway.script import FREE, MAX_PIECES

MAX_QUEUED = 8
"""Texts that may wait in one talk."""
AUDIBLE_RMS = 10 ** (-50 / 20)
"""-50 dBFS: below every voiced frame of speech at -24 LUFS, above the codec's own noise in a pause."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the model's own PADs are waited for, in frames of 80 ms."""

    lead: int = 6
    """Before the first word: half a second for the model to come out of its pause; an answer that hangs longer feels lost."""
    budget: int = 12
    """Before each other word: 0.96 s, the sound of a long word. A model that still pauses has lost the thread and is led on."""
    tail: int = 6
    """PADs forced after the last word, so that its sound ends before the model goes on by itself."""


class SayError(ValueError):
    """A text cannot be said. The message says why and how to mend it."""


@dataclass(slots=True)
class Line:
    """One text to be said."""

    say_id: str
    words: list[str]
    pieces: list[int]
    begins: list[bool]
    """Per piece: it begins a word."""
    begun: int = 0
    """Words whose first piece is in the agent's text stream."""
    heard: int = 0
    """Words of which some sound was audible."""
    first_heard: int | None = None
    """The talk's frame in which the first of them was audible."""
    out: bool = False
    """The last piece is in the stream."""
    after: int = 0
    """Frames since then."""
    interrupted: bool = False


def make_line(tokenizer: SentencePieceProcessor, say_id: str, text: str) -> Line:
    """Cuts a text into words and pieces. It is data: what is no printable text, and angle brackets (system tags), are left out.

    Raises SayError for a text without words or with more than `MAX_PIECES` pieces."""
    clean = "".join(sign if sign.isprintable() and sign not in "<>" else " " for sign in text)
    line = Line(say_id, [], [], [])
    for word in clean.split():
        # Ids up to PAD steer the model and are never part of a word.
        pieces = [int(piece) for piece in tokenizer.encode(word) if piece > PAD]
        if pieces:
            line.words.append(word)
            line.pieces += pieces
            line.begins += [True] + [False] * (len(pieces) - 1)
    if not line.words:
        raise SayError("the text to say has no words; give at least one")
    if len(line.pieces) > MAX_PIECES:
        raise SayError(f"the text to say has {len(line.pieces)} pieces, at most {MAX_PIECES} (about 40 s) fit; cut it into sentences")
    return line


def is_audible(pcm: Pcm) -> bool:
    """Whether a frame [n] is louder than a pause."""
    return bool(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))) > AUDIBLE_RMS)


@dataclass(slots=True)
class Speech:
    """What one talk is asked to say, in order. The row's script holds `current`; the owner loads the next one when it is told."""

    pace: Pace = field(default_factory=Pace)
    current: Line | None = None
    waiting: deque[Line] = field(default_factory=deque)

    def add(self, line: Line) -> None:
        """Queues a line. Raises SayError when too many wait."""
        if len(self.waiting) >= MAX_QUEUED:
            raise SayError(f"{MAX_QUEUED} texts already wait to be said; wait for one, or interrupt")
        self.waiting.append(line)

    def next(self) -> Line | None:
        """The line to load into the row's script now, if the last one is out."""
        if self.current is None and self.waiting:
            self.current = self.waiting.popleft()
            return self.current
        return None

    def frame(self, number: int, mark: int, audible: bool) -> Line | None:
        """Notes one frame of the talk and gives the line that ended with it. `mark` is the frame's, as in `script`."""
        line = self.current
        if line is None:
            return None
        if mark >= 0:
            line.begun += line.begins[mark]
            line.out = mark == len(line.pieces) - 1
        if audible and line.begun:
            line.heard = line.begun
            line.first_heard = number if line.first_heard is None else line.first_heard
        if not line.out or mark >= 0:
            return None
        line.after += 1
        if mark != FREE and line.after < self.pace.tail:
            return None
        self.current = None
        return line

    def interrupt(self) -> list[Line]:
        """Drops everything; gives what was dropped, the one being said first."""
        dropped = ([self.current] if self.current else []) + list(self.waiting)
        for line in dropped:
            line.interrupted = True
        self.current = None
        self.waiting.clear()
        return dropped
