"""What is to be said: a `Line` is one reply or one text asked for, in clauses; a `Clause` is a text with its sound as it arrives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from workbench.audio.frames import Pcm, silence
from workbench.engines.speech.spoken_text import clauses, spoken
from workbench.talk import Saying

AUDIBLE = 0.001
"""Peak of the quietest sample that counts as sound (-60 dBFS)."""


class Clause:
    """A clause's words and its sound, [n] float32 at 24 kHz, that grows by `feed` and is played by `take`.

    Synthesisers give no word timings, so a word is taken to begin at its share, by length, of the clause's audible sound. While
    that is still growing its whole length is guessed from `samples_per_char`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = text.split()
        self.heard = 0
        """Words whose sound has begun."""
        self.requested = False
        self.complete = False
        self._pcm = silence(0)
        self._played = 0
        self._audible_from: int | None = None
        self._audible_to = 0
        lengths = [len(word) + 1 for word in self.words]
        self._before = [0, *accumulate(lengths)]
        """Characters before each word; the last entry is the whole."""

    @property
    def begun(self) -> bool:
        return self._played > 0

    @property
    def waiting(self) -> int:
        """Samples that have arrived and are not played yet."""
        return len(self._pcm) - self._played

    @property
    def ended(self) -> bool:
        return self.complete and self.waiting == 0

    @property
    def samples_per_char(self) -> float | None:
        """What this clause's sound came to; None until it is complete and audible."""
        if not self.complete or self._audible_from is None:
            return None
        return (self._audible_to - self._audible_from) / self._before[-1]

    def feed(self, pcm: Pcm) -> None:
        """More sound, [n]."""
        audible = np.flatnonzero(np.abs(pcm) > AUDIBLE)
        if audible.size:
            if self._audible_from is None:
                self._audible_from = len(self._pcm) + int(audible[0])
            self._audible_to = len(self._pcm) + int(audible[-1]) + 1
        self._pcm = np.concatenate([self._pcm, pcm])

    def peek(self, samples: int) -> Pcm:
        """At most `samples` of what comes next, without playing it."""
        return self._pcm[self._played : self._played + samples]

    def take(self, samples: int, samples_per_char: float) -> tuple[Pcm, list[tuple[str, int]]]:
        """Plays at most `samples`. Gives them, and the words that begin in them with their offsets in samples."""
        pcm = self.peek(samples)
        began: list[tuple[str, int]] = []
        end = self._played + len(pcm)
        while (start := self._next_start(samples_per_char)) is not None and start < end:
            began.append((self.words[self.heard], max(0, start - self._played)))
            self.heard += 1
        self._played = end
        return pcm, began

    def _next_start(self, samples_per_char: float) -> int | None:
        if self._audible_from is None or self.heard == len(self.words):
            return None
        length = self._audible_to - self._audible_from
        if not self.complete:
            length = max(length, round(self._before[-1] * samples_per_char))
        return self._audible_from + length * self._before[self.heard] // self._before[-1]


class Line:
    """A text that is said as a whole: a reply that is still being thought, or one that was asked for with `say`."""

    def __init__(self, text: str = "", *, forced: bool = False) -> None:
        self.forced = forced
        self.closed = False
        """No more text will come."""
        self.saying: Saying | None = None
        self.clauses: list[Clause] = []
        self.sound_ms: float | None = None
        """Session time from asking for the first clause to its first sound."""
        self.extend(text)

    def extend(self, text: str) -> None:
        """Adds the clauses of `text`; does nothing once the line is closed."""
        if not self.closed:
            self.clauses += [Clause(clause) for clause in clauses(spoken(text))]

    def fail(self) -> None:
        """Nothing more of this line can be spoken: what has arrived is played out, the rest stays unheard."""
        self.closed = True
        for clause in self.clauses:
            clause.requested = clause.complete = True

    @property
    def playing(self) -> Clause | None:
        """The first clause that is not played to its end."""
        return next((clause for clause in self.clauses if not clause.ended), None)

    @property
    def words(self) -> int:
        return sum(len(clause.words) for clause in self.clauses)

    @property
    def words_heard(self) -> int:
        return sum(clause.heard for clause in self.clauses)

    @property
    def heard_text(self) -> str:
        return _joined(clause.words[: clause.heard] for clause in self.clauses)

    @property
    def unheard_text(self) -> str:
        return _joined(clause.words[clause.heard :] for clause in self.clauses)


def _joined(parts: Iterable[Sequence[str]]) -> str:
    return " ".join(word for words in parts for word in words)
