"""The turns of a talk as a run's rows hold them: who spoke, when, and what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.audio.frames import samples_to_ms
from workbench.events import Event, UserText

Speaker = Literal["user", "agent"]

ANSWERED_WORDS = 3
"""A user's turn of fewer words ("mm hm", "right, okay") does not end the time in which an earlier question may still be answered."""

_WORD = re.compile(r"[^\W_]+(?:['’.,:-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. Times are ms of session time; `text` is what was heard of it."""

    speaker: Speaker
    start_ms: float
    end_ms: float
    text: str
    latency_ms: float | None = None
    """Of an agent's turn: its onset less the end of the user's turn that it answers."""
    interrupted: bool = False

    @property
    def duration_ms(self) -> float:
        return max(0.0, self.end_ms - self.start_ms)

    @property
    def words(self) -> int:
        """Words as they are written; a figure is one."""
        return len(_WORD.findall(self.text))


def turns_of(rows: Iterable[Mapping[str, Any]]) -> list[Turn]:
    """Turns out of a row's `turns`, by their start. Raises KeyError or ValueError for another shape."""
    found = []
    for row in rows:
        if row["speaker"] not in ("user", "agent"):
            raise ValueError(f"a turn's speaker is {row['speaker']!r}; it must be user or agent")
        latency = row.get("latency_ms")
        found.append(
            Turn(
                speaker=row["speaker"],
                start_ms=float(row["start_ms"]),
                end_ms=float(row["end_ms"]),
                text=str(row["text"] or ""),
                latency_ms=None if latency is None else float(latency),
                interrupted=bool(row.get("interrupted", False)),
            )
        )
    return sorted(found, key=lambda turn: turn.start_ms)


def typed_rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    """What the user typed, as rows of `turns` without length: a typed utterance takes no floor, so it is no turn of the talk's dynamics,
    but what it asked for is asked. Text that was spoken to an engine without ears for text is a turn of its own, and none of these."""
    return [
        {
            "speaker": "user",
            "text": event.text,
            "start_ms": samples_to_ms(event.start_samples),
            "end_ms": samples_to_ms(event.start_samples),
            "latency_ms": None,
            "interrupted": False,
        }
        for event in events
        if isinstance(event, UserText) and event.final and event.source == "typed"
    ]


def of(turns: Iterable[Turn], speaker: Speaker) -> list[Turn]:
    """The turns of one side."""
    return [turn for turn in turns if turn.speaker == speaker]


def answer_to(turns: Sequence[Turn], question: Turn) -> list[Turn]:
    """The agent's turns that may answer a user's turn: those from its start until the user takes the next turn of at least
    `ANSWERED_WORDS` words."""
    later = (turn.start_ms for turn in of(turns, "user") if turn.start_ms > question.start_ms and turn.words >= ANSWERED_WORDS)
    until = min(later, default=float("inf"))
    return [turn for turn in of(turns, "agent") if question.start_ms <= turn.start_ms < until]
