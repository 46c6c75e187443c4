"""Full-Duplex-Bench v2: tables of judged talks, whole and by 15 s of talk, and sentences out of timed words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.fdb_v2_judge import JudgedEvent, Judgement
from evaluation.words import Word

BIN_S = 15
END_S = 120
"""Talks are cut here; the last bin ends here."""
SENTENCE_GAP_S = 1.2
"""A longer silence between two words begins a new sentence."""
TALK_S = 60.0
"""Sentences that begin later are left out of a combined transcript."""


@dataclass(frozen=True, slots=True)
class TaskScore:
    """All talks of one task in one split. `files` counts talks with anything judged. Means are None where nothing was."""

    split: str
    task: str
    files: int
    events: int
    turn_taking: float | None
    instruction_following: float | None
    task_specific: float | None


@dataclass(frozen=True, slots=True)
class TimeBin:
    """Means over `start_s` to `end_s`, each event weighted by its seconds in it; None where no event lies."""

    start_s: int
    end_s: int
    turn_taking: float | None
    instruction_following: float | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words without a long silence between them."""

    text: str
    start_s: float
    end_s: float


def score(split: str, task: str, talks: Sequence[Judgement]) -> TaskScore:
    """Means over all events of all talks, and over the talks' task scores."""
    events = [event for talk in talks for event in talk.events]
    return TaskScore(
        split,
        task,
        files=sum(not talk.empty for talk in talks),
        events=len(events),
        turn_taking=_mean(event.turn_taking for event in events),
        instruction_following=_mean(event.instruction_following for event in events),
        task_specific=_mean(talk.task for talk in talks),
    )


def by_time(events: Iterable[JudgedEvent]) -> list[TimeBin]:
    """Eight bins of 15 s."""
    judged = list(events)
    found = []
    for start in range(0, END_S, BIN_S):
        end = start + BIN_S
        weights = [max(0.0, min(event.end_s, end) - max(event.start_s, start)) for event in judged]
        turn = _weighted(weights, [event.turn_taking for event in judged])
        found.append(TimeBin(start, end, turn, _weighted(weights, [event.instruction_following for event in judged])))
    return found


def sentences(words: Iterable[Word]) -> list[Sentence]:
    """Words in order, cut where the silence between two is longer than 1.2 s."""
    runs: list[list[Word]] = []
    for word in words:
        if runs and word.onset_s - runs[-1][-1].offset_s <= SENTENCE_GAP_S:
            runs[-1].append(word)
        else:
            runs.append([word])
    return [Sentence(" ".join(w.text for w in run), run[0].onset_s, run[-1].offset_s) for run in runs]


def combined(examiner: Sequence[Sentence], evaluatee: Sequence[Sentence], up_to_s: float = TALK_S) -> list[tuple[str, str]]:
    """`(speaker, text)` of both by start, "Examiner" first at equal times; sentences that begin after `up_to_s` are left out."""
    all_of = [("Examiner", s) for s in examiner] + [("Evaluatee", s) for s in evaluatee]
    return [(speaker, s.text) for speaker, s in sorted(all_of, key=lambda item: item[1].start_s) if s.start_s <= up_to_s]


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None


def _weighted(weights: Sequence[float], scores: Sequence[float | None]) -> float | None:
    judged = [(weight, score) for weight, score in zip(weights, scores, strict=True) if score is not None and weight > 0]
    return fmean((score for _, score in judged), [weight for weight, _ in judged]) if judged else None
