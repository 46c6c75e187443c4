"""Full-Duplex-Bench v3, time: first word, first tool call, first word of the answer, each less the end of the user's speech.

A negative first word is an interruption: it is counted as one and left out of the mean latency, never clipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from evaluation.words import Word

TURN_GAP_S = 2.0
"""The user's turn ends before the first silence between two words that is longer."""
NO_ANSWER = "Could not identify key info start"
"""The script's note where the judge gives no time for the answer."""
_FENCE = re.compile(r"^\s*```(?:json)?|```\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a judge found in the agent's words: a filler before the answer, and the words that carry it. Times in seconds or None."""

    filler: str | None
    filler_start_s: float | None
    filler_end_s: float | None
    answer: str | None
    answer_start_s: float | None
    answer_end_s: float | None


@dataclass(frozen=True, slots=True)
class ToolLatency:
    """One sample, in seconds after the user's end, rounded to a millisecond. A None has its reason in the `note_` beside it."""

    turn_taken: bool
    first_word_s: float | None
    note_first_word: str
    tool_call_s: float | None
    note_tool_call: str
    completion_s: float | None
    note_completion: str
    key_info: KeyInfo | None

    @property
    def interrupted(self) -> bool:
        return self.first_word_s is not None and self.first_word_s < 0


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Many samples. `latency_s` is the mean over replies that did not interrupt; `median_s` is the upper median of the same."""

    n: int
    turn_take_rate: float
    interruption_rate: float | None
    filler_rate: float
    latency_s: float | None
    median_s: float | None


def user_speech_end_s(words: Sequence[Word]) -> float:
    """The end of the user's first turn. Raises ValueError without words."""
    if not words:
        raise ValueError("the user said no words; the end of the turn is not known")
    for word, following in pairwise(words):
        if following.onset_s - word.offset_s > TURN_GAP_S:
            return word.offset_s
    return words[-1].offset_s


def judge_key_info(text: str) -> KeyInfo:
    """A judge's JSON, fenced or bare. Raises json.JSONDecodeError when it is none, ValueError when it is no object."""
    found: Any = json.loads(_FENCE.sub("", text).strip())
    if not isinstance(found, dict):
        raise ValueError(f"the judge's answer is {type(found).__name__}, not an object; ask again")
    return KeyInfo(
        filler=found.get("filler_sentence", ""),
        filler_start_s=_seconds(found.get("filler_start_time")),
        filler_end_s=_seconds(found.get("filler_end_time")),
        answer=found.get("key_info_sentence", ""),
        answer_start_s=_seconds(found.get("key_info_start_time")),
        answer_end_s=_seconds(found.get("key_info_end_time")),
    )


def latency(user_end_s: float, agent: Sequence[Word], calls: Sequence[float | None], judge_text: str) -> ToolLatency:
    """One sample: the agent's words, the start of each of its tool calls (None where not recorded), and what the judge wrote."""
    first_call = calls[0] if calls else None
    note_call = "" if first_call is not None else "Tool call has no timestamp" if calls else "No tool calls recorded"
    info: KeyInfo | None = None
    note = "" if agent else "No ASR chunks"
    if agent:
        try:
            info = judge_key_info(judge_text)
        except ValueError as fault:
            note = f"LLM error: {fault}"
    answered = info.answer_start_s if info else None
    return ToolLatency(
        turn_taken=bool(agent),
        first_word_s=_after(agent[0].onset_s if agent else None, user_end_s),
        note_first_word="" if agent else "No ASR chunks available",
        tool_call_s=_after(first_call, user_end_s),
        note_tool_call=note_call,
        completion_s=_after(answered, user_end_s),
        note_completion=note or ("" if answered is not None else NO_ANSWER),
        key_info=info,
    )


def summarise(samples: Iterable[ToolLatency]) -> LatencySummary:
    """Raises ValueError without samples."""
    found = list(samples)
    if not found:
        raise ValueError("no samples were scored; a rate needs at least one")
    taken = [s for s in found if s.turn_taken]
    waits = sorted(s.first_word_s for s in taken if s.first_word_s is not None and not s.interrupted)
    return LatencySummary(
        n=len(found),
        turn_take_rate=len(taken) / len(found),
        interruption_rate=sum(s.interrupted for s in taken) / len(taken) if taken else None,
        filler_rate=sum(bool(s.key_info and s.key_info.filler) for s in found) / len(found),
        latency_s=fmean(waits) if waits else None,
        median_s=waits[len(waits) // 2] if waits else None,
    )


def _seconds(value: Any) -> float | None:
    """A time out of a judge's JSON. Raises ValueError for anything but a number or null: the script gives up on those too."""
    if value is not None and not isinstance(value, (int, float)):
        raise ValueError(f"the judge gave the time {value!r}, which is no number; ask again")
    return value


def _after(moment_s: float | None, user_end_s: float) -> float | None:
    return None if moment_s is None else round(moment_s - user_end_s, 3)
