"""What the agent was heard to say: words put together from its pieces, its promises to look something up, and the content beside them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.bridge.words import sentences, tokens, word_set
from workbench.events import AgentText, Event, ResultDelivered, ToolStarted

REMEMBERED_SAMPLES = 120 * SAMPLE_RATE
"""What the agent said longer ago is forgotten: no tool is waited for so long, and no echo takes so long."""

_PIECE = re.compile(r"\s+|\S+")
_PROMISE = re.compile(
    r"\b(?:"
    r"(?:(?:just|only|wait|give me) )*one (?:moment|second|sec|minute)(?: please)?"
    r"|(?:(?:just|only|wait|give me) )+a (?:moment|second|sec|minute)(?: please)?"
    r"|(?:let me|i will|i am going to|going to|allow me to) (?:just |quickly |go )*"
    r"(?:check|see|look|find|get|fetch|ask|pull)(?: (?:that|this|it|into|for|up|out|on|at|you|now))*"
    r"|(?:hold|hang) on(?: a (?:moment|second|sec|minute))?|bear with me|(?:i am )?(?:checking|looking)(?: (?:that|this|it|into|up|now))*"
    r")\b"
)
"""Over tokens, so that contractions are written out: "I'll check that for you"."""
_STOP = "|"
"""Between two sentences."""
_HESITATIONS = word_set("um uh er erm hm hmm mm mhm oh ah well so okay ok right sure yes yeah alright and now please")


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word whose sound begins at `at_samples` of session time. `forced`: the host put it in the agent's mouth."""

    text: str
    at_samples: int
    forced: bool


def heard_words(pieces: Iterable[AgentText]) -> list[HeardWord]:
    """The words of pieces that follow each other, in order of time. Forced pieces and the agent's own never make one word: the host's
    voice may sound beside the agent's."""
    kept = tuple(pieces)
    words = [word for forced in (False, True) for word in _of_one_voice([piece for piece in kept if piece.forced == forced])]
    return sorted(words, key=lambda word: word.at_samples)


def _of_one_voice(pieces: Sequence[AgentText]) -> list[HeardWord]:
    words: list[HeardWord] = []
    goes_on = False
    for piece in pieces:
        for part in _PIECE.findall(piece.text):
            if part.isspace():
                goes_on = False
            elif goes_on:
                words[-1] = HeardWord(words[-1].text + part, words[-1].at_samples, piece.forced)
            else:
                words.append(HeardWord(part, piece.at_samples, piece.forced))
                goes_on = True
    return words


def promises(words: Sequence[HeardWord]) -> bool:
    """Whether the agent said of its own accord that it will look, as in "let me check". A hint, never a reason to do anything."""
    return _PROMISE.search(_own(words)) is not None


def content_words(words: Sequence[HeardWord]) -> int:
    """How many of the agent's own words say something: neither a promise to look nor a hesitation."""
    return sum(word != _STOP and word not in _HESITATIONS for word in _PROMISE.sub(" ", _own(words)).split())


def _own(words: Sequence[HeardWord]) -> str:
    own = " ".join(word.text for word in words if not word.forced)
    return f" {_STOP} ".join(" ".join(tokens(sentence)) for sentence in sentences(own))


def content_before_results(events: Iterable[Event]) -> Mapping[str, int]:
    """By invocation id: the `content_words` between the dispatch and the first audible sample of the delivery (its event, where nothing was
    audible). From the events of a whole talk; results that were not delivered are left out."""
    kept = tuple(events)
    words = heard_words(event for event in kept if isinstance(event, AgentText))
    began = {event.invocation_id: event.at_samples for event in kept if isinstance(event, ToolStarted)}
    return {
        event.invocation_id: content_words(between(words, began[event.invocation_id], event.at_samples))
        for event in kept
        if isinstance(event, ResultDelivered) and event.invocation_id in began
    }


def between(words: Iterable[HeardWord], since_samples: int, before_samples: int) -> list[HeardWord]:
    """The words that begin in `[since_samples, before_samples)`."""
    return [word for word in words if since_samples <= word.at_samples < before_samples]


class AgentWords:
    """An observer that remembers what the agent said in the last two minutes."""

    def __init__(self) -> None:
        self._pieces: deque[AgentText] = deque()

    def on_event(self, event: Event) -> None:
        """Keeps the agent's pieces."""
        if isinstance(event, AgentText):
            self._pieces.append(event)
            while self._pieces[0].at_samples < event.at_samples - REMEMBERED_SAMPLES:
                self._pieces.popleft()

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Sound is not needed."""

    def between(self, since_samples: int, before_samples: int) -> list[HeardWord]:
        """The words that begin in `[since_samples, before_samples)`."""
        return between(heard_words(self._pieces), since_samples, before_samples)
