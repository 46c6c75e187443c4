"""The texts that the persona was asked to say, and how far each got."""

from __future__ import annotations

import itertools

from workbench.clock import SessionClock
from workbench.engines.base import Stopped
from workbench.engines.personaplex.playout import PlayedFrame
from workbench.talk import Saying


class Sayings:
    """Those that are not over yet, in the order in which they are said.

    While a text is said its words are counted as they are played; the gateway's own account replaces the count when it is over."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._open: dict[str, Saying] = {}
        self._begun = 0

    def add(self, text: str) -> tuple[str, Saying]:
        """A new one, and the id it has for the gateway."""
        say_id = f"say-{next(self._ids)}"
        saying = Saying(text, self._clock.signal(), len(text.split()))
        self._open[say_id] = saying
        return say_id, saying

    def played(self, frame: PlayedFrame, at_samples: int) -> None:
        """Counts the words whose sound is heard in a frame that is played at `at_samples` of session time."""
        saying = next(iter(self._open.values()), None)
        if saying is None:
            return
        # SentencePiece begins every word with a space.
        self._begun += sum(piece.forced and piece.text.startswith(" ") for piece in frame.pieces)
        if self._begun and frame.audible:
            saying.words_heard = min(self._begun, saying.words_asked)
            if saying.started_samples is None:
                saying.started_samples = at_samples

    def over(self, say_id: str, words_heard: int, *, interrupted: bool) -> None:
        """The gateway's account of one that is over. What was never played here was not heard, whatever was sent."""
        saying = self._open.get(say_id)
        if saying is None:
            return
        if saying.started_samples is not None:
            saying.words_heard = min(words_heard, saying.words_asked)
        saying.interrupted = interrupted
        self._end(say_id)

    def refused(self, say_id: str) -> bool:
        """The gateway will not say it. False when there is none of that id."""
        if say_id not in self._open:
            return False
        self._end(say_id)
        return True

    def lost(self) -> None:
        """The voice is gone: none of them goes on. One that was not heard at all counts as dropped, not as cut off."""
        for say_id, saying in list(self._open.items()):
            saying.interrupted = saying.started_samples is not None
            self._end(say_id)

    def stopped(self) -> Stopped:
        """What an interruption at this moment cuts off."""
        words = [(saying.text.split(), saying.words_heard) for saying in self._open.values()]
        heard = [word for text, count in words for word in text[:count]]
        cancelled = [word for text, count in words for word in text[count:]]
        return Stopped(" ".join(heard), " ".join(cancelled))

    def _end(self, say_id: str) -> None:
        saying = self._open.pop(say_id)
        self._begun = 0
        saying.done.set()
