"""Full-Duplex-Bench v1 (arXiv 2503.04721): takeover in pauses, smooth turn-taking, user interruption.

Takeover rate (TOR) is *lower is better* for pauses and backchannels, *higher is better* for turn-taking and interruption. Words are the
model's own, from a recogniser that every table must name: the choice moves results by more than the choice of model does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.words import Word

SHORT_S = 1.0
SHORT_WORDS = 3
"""Up to 3 words in less than 1 s take no turn."""
_VERDICT = re.compile(r"Analysis:\s*(?P<analysis>.*?)\s*\nI would rate the AI's response as (?P<rating>\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Takeover:
    """One file. `latency_s` is None where no turn was taken or the task has none; `rating` (0 to 5) where nobody judged."""

    taken: bool
    latency_s: float | None = None
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class TakeoverSummary:
    """Many files of one task. Latency and rating are means over the `taken` files only, as in the published tables."""

    n: int
    taken: int
    rate: float
    latency_s: float | None
    rating: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge's text says: the analysis before the rating, and the rating. The benchmark asks for 0 to 5; nothing holds it to that."""

    analysis: str
    rating: int


def takes_turn(words: Sequence[Word]) -> bool:
    """Whether the model took the turn: any speech but up to 3 words that span less than 1 s.

    The span runs from the first word to the last of the whole file, so two acknowledgements far apart are a takeover.
    """
    if not words:
        return False
    return not (words[-1].offset_s - words[0].onset_s < SHORT_S and len(words) <= SHORT_WORDS)


def pause_handling(words: Sequence[Word]) -> Takeover:
    """A user who only pauses; the model should not take the turn."""
    return Takeover(takes_turn(words))


def turn_taking(words: Sequence[Word], turn_end_s: float) -> Takeover:
    """A user who has ended the turn at `turn_end_s`. Latency runs to the first word, clipped at 0 as in the published script."""
    return _with_latency(words, turn_end_s)


def user_interruption(words: Sequence[Word], interruption_end_s: float, rating: float | None = None) -> Takeover:
    """A user who interrupts until `interruption_end_s`; `words` are those recognised after it, on the clock of the whole file.

    The latency is the *re-response* latency; how fast the model fell silent is another quantity. Only a taken turn is rated.
    """
    found = _with_latency(words, interruption_end_s)
    return Takeover(found.taken, found.latency_s, rating if found.taken else None)


def judge_verdict(text: str) -> Verdict | None:
    """The last analysis with a rating in a judge's text; None when there is none."""
    found = list(_VERDICT.finditer(text))
    return Verdict(found[-1]["analysis"].strip(), int(found[-1]["rating"])) if found else None


def summarise(files: Iterable[Takeover]) -> TakeoverSummary:
    """Raises ValueError when there are no files."""
    results = list(files)
    if not results:
        raise ValueError("no files were scored; a takeover rate needs at least one")
    latencies = [r.latency_s for r in results if r.taken and r.latency_s is not None]
    ratings = [r.rating for r in results if r.rating is not None]
    taken = sum(r.taken for r in results)
    return TakeoverSummary(
        n=len(results),
        taken=taken,
        rate=taken / len(results),
        latency_s=fmean(latencies) if latencies else None,
        rating=fmean(ratings) if ratings else None,
    )


def _with_latency(words: Sequence[Word], after_s: float) -> Takeover:
    taken = takes_turn(words)
    return Takeover(taken, max(0.0, words[0].onset_s - after_s) if taken else None)
