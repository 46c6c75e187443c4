"""MTR-DuplexBench (arXiv 2511.10262, Apache-2.0): success, latency and backchannel frequency of one round."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.words import Span, Word

SPEECH_S = 1.0
SPEECH_WORDS = 3
"""A segment speaks within a range when its words there last 1 s or more together, or are more than 3."""
BACKCHANNEL_S = 3.0
BACKCHANNEL_WORDS = 2
"""A backchannel is shorter than 3 s and has at most 2 words."""
_PUNCTUATION = re.compile(r"[^\w\s]")


@dataclass(frozen=True, slots=True)
class ModelSegment:
    """One stretch of the model's speech with its words. Times in seconds."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class RoundScore:
    """One round. `latency_s` is never negative and 0 where nothing follows; `frequency` is backchannels per second of model speech."""

    success: bool
    latency_s: float
    frequency: float


def turn_taking(
    segments: Sequence[ModelSegment], user: tuple[float | None, float | None], model: tuple[float | None, float | None]
) -> RoundScore:
    """A user turn that the model should answer: ranges `(start_s, end_s)` of the user's turn and of the model's answer.

    A range without its numbers, or with a 0 for any of them but the user's start, scores nothing (the script takes 0 for missing).
    """
    user_start, user_end = user
    model_start, model_end = model
    if not (user_end and model_start and model_end):
        return RoundScore(False, 0.0, 0.0)
    if user_start is None:
        raise ValueError("the round has no start of the user's turn; give 0 where it begins with the file")
    return _score(segments, (user_start, user_end), (model_start, model_end))


def interruption(
    segments: Sequence[ModelSegment], interruption: tuple[float | None, float | None], model: tuple[float | None, float | None]
) -> RoundScore:
    """A user who interrupts: the model should be silent within it and speak within its own range afterwards.

    An interruption without its times scores nothing. Raises ValueError when the model's range has none.
    """
    if interruption[0] is None or interruption[1] is None:
        return RoundScore(False, 0.0, 0.0)
    if model[0] is None or model[1] is None:
        raise ValueError(f"the model's range is {model}; it needs a start and an end in seconds")
    return _score(segments, (interruption[0], interruption[1]), (model[0], model[1]))


def speaks_within(segments: Sequence[ModelSegment], where: Span) -> bool:
    """Whether any segment speaks within the range; only words that lie whole in it count."""
    start, end = where
    for segment in segments:
        if segment.start_s >= end or segment.end_s <= start:
            continue
        inside = [word for word in segment.words if word.onset_s >= start and word.offset_s <= end]
        if len(inside) > SPEECH_WORDS or sum(word.offset_s - word.onset_s for word in inside) >= SPEECH_S:
            return True
    return False


def backchannel_frequency(segments: Sequence[ModelSegment]) -> float:
    """Backchannels per second of model speech, 0 without speech."""
    spoken_s = sum(s.end_s - s.start_s for s in segments)
    short = [s for s in segments if s.end_s - s.start_s < BACKCHANNEL_S and len(_PUNCTUATION.sub("", s.text).split()) <= BACKCHANNEL_WORDS]
    return len(short) / spoken_s if spoken_s else 0.0


def _score(segments: Sequence[ModelSegment], user: Span, model: Span) -> RoundScore:
    success = not speaks_within(segments, user) and speaks_within(segments, model)
    onset = min((s.start_s for s in segments if s.end_s > user[1]), default=user[1])
    return RoundScore(success, max(0.0, onset - user[1]), backchannel_frequency(segments))
