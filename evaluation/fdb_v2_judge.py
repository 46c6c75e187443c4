"""Full-Duplex-Bench v2 (ACL 2026): what a judge's text says about a talk with the live examiner.

Judges write events in many layouts. Two families are read: JSON (`[[start, end], tt, if]`, several intervals, or four numbers in a row)
and an interval before a colon (`[[start, end]]: tt, if`). An event of the second family that is wrapped in brackets of its own
(`[[start, end]: tt, if]`) is dropped, as the published scorer drops it in silence; `Judgement.unread` says that it happened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EVENTS_KEY = "Turn-taking event and score"
TASK_KEY = "Task-specific score"

_FENCE = re.compile(r"```(?:json)?")
_TIME = r'"?([\d:.]+)"?'
_INTERVAL = re.compile(rf'[\[{{]\s*(?:"start_time"\s*:\s*)?{_TIME}\s*,\s*(?:"end_time"\s*:\s*)?{_TIME}\s*[\]}}]')
_SCORES = re.compile(r'\s*:\s*"?(\d+|null)"?\s*,\s*"?(\d+|null)"?')
_TASK = re.compile(rf'"{TASK_KEY}"\s*:\s*"?(\d+)')
_CLOSED_BY = {"[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """One event of a talk: turn-taking and instruction-following, 1 to 5 each or None (not judged), over a span in seconds."""

    start_s: float
    end_s: float
    turn_taking: int | None
    instruction_following: int | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """One talk. `task` (1 to 5) is None where the judge gave no number. `unread` counts events in a layout that the scorer drops."""

    events: tuple[JudgedEvent, ...]
    task: int | None
    unread: int = 0

    @property
    def empty(self) -> bool:
        return not self.events and self.task is None


def parse(text: str) -> Judgement:
    """Never fails: a text without anything readable is an empty judgement."""
    body = _FENCE.sub("", text)
    document = _document(body)
    if document is not None:
        given = document.get(EVENTS_KEY)
        found = [_from_json(entry) for entry in given] if isinstance(given, list) else []
        return Judgement(tuple(e for events in found for e in events), _score(document.get(TASK_KEY)), sum(not events for events in found))
    events, unread = _from_text(body)
    task = _TASK.search(body)
    return Judgement(tuple(events), int(task[1]) if task else None, unread)


def _document(body: str) -> dict[str, Any] | None:
    start, end = body.find("{"), body.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(body[start : end + 1])
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _from_json(entry: Any) -> list[JudgedEvent]:
    """The events of one entry, none where it is of another shape."""
    if not isinstance(entry, list) or len(entry) not in (3, 4):
        return []
    *where, turn, instruction = entry
    scores = _score(turn), _score(instruction)
    return [JudgedEvent(start, end, *scores) for start, end in _intervals(json.dumps(where if len(where) == 2 else where[0]))]


def _from_text(body: str) -> tuple[list[JudgedEvent], int]:
    """Events before a colon, and how many bracketed groups have none after them."""
    events: list[JudgedEvent] = []
    unread = 0
    for group, rest in _groups(body):
        scores = _SCORES.match(rest)
        if scores is None:
            unread += 1
            continue
        events += [JudgedEvent(start, end, _score(scores[1]), _score(scores[2])) for start, end in _intervals(group)]
    return events, unread


def _groups(body: str) -> Iterator[tuple[str, str]]:
    """The bracketed groups right inside the list of events, each with the text after it."""
    key = body.find(f'"{EVENTS_KEY}"')
    start = body.find("[", key)
    if key < 0 or start < 0:
        return
    stop = _closing(body, start)
    at = start + 1
    while at < stop:
        if body[at] in _CLOSED_BY:
            end = _closing(body, at) + 1
            yield body[at:end], body[end:stop]
            at = end
        else:
            at += 1


def _closing(text: str, start: int) -> int:
    """Where the bracket at `start` is closed; the end of the text where it never is."""
    open_brackets: list[str] = []
    for at in range(start, len(text)):
        if text[at] in _CLOSED_BY:
            open_brackets.append(_CLOSED_BY[text[at]])
        elif open_brackets and text[at] == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return at
    return len(text)


def _intervals(text: str) -> list[tuple[float, float]]:
    found = ((_clock(start), _clock(end)) for start, end in _INTERVAL.findall(text))
    return [(start, end) for start, end in found if start is not None and end is not None]


def _score(value: Any) -> int | None:
    """A whole number; the published scorer cuts fractions off."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _clock(time: str) -> float | None:
    """Seconds, or minutes and seconds ("14", "0:14"); None for dots and colons that are no time."""
    seconds = 0.0
    try:
        for part in time.split(":"):
            seconds = 60 * seconds + float(part)
    except ValueError:
        return None
    return seconds
