"""Full-Duplex-Bench v2 (ACL 2026): what a judge's text says about a talk with the live examiner.

Two layouts of an event are read: JSON (`[[start, end], tt, if]`) and `[{"start_time": .., "end_time": ..}]: tt, if`. Others are dropped,
as the published scorer drops them in silence; `Judgement.unread` says that it happened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

EVENTS_KEY = "Turn-taking event and score"
TASK_KEY = "Task-specific score"

_FENCE = re.compile(r"```(?:json)?")
_TIME = r'"?(?P<{}>[\d:.]+)"?'
_EVENT = re.compile(
    r'\[\s*\{\s*"start_time"\s*:\s*' + _TIME.format("start") + r'\s*,\s*"end_time"\s*:\s*' + _TIME.format("end")
    + r"\s*\}\s*\]\s*:\s*(?P<turn>\d+)\s*,\s*(?P<instruction>\d+)"
)  # fmt: skip
_TASK = re.compile(rf'"{TASK_KEY}"\s*:\s*"?(?P<score>\d+)')
_ANY_SCORES = re.compile(r"[\]}]\s*:\s*\d+\s*,\s*\d+")


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """One event of a talk: turn-taking and instruction-following, 1 to 5 each, over a span in seconds."""

    start_s: float
    end_s: float
    turn_taking: float
    instruction_following: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """One talk. `task` (1 to 5) is None where the judge gave none. `unread` counts events in a layout that the scorer drops."""

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
        given = document.get(EVENTS_KEY) or []
        events = [event for event in (_from_json(entry) for entry in given) if event]
        return Judgement(tuple(events), _score(document.get(TASK_KEY)), len(given) - len(events))
    events = [JudgedEvent(_clock(m["start"]), _clock(m["end"]), float(m["turn"]), float(m["instruction"])) for m in _EVENT.finditer(body)]
    task = _TASK.search(body)
    return Judgement(tuple(events), int(task["score"]) if task else None, len(_ANY_SCORES.findall(body)) - len(events))


def _document(body: str) -> dict[str, Any] | None:
    start, end = body.find("{"), body.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(body[start : end + 1])
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _from_json(entry: Any) -> JudgedEvent | None:
    try:
        (start, end), turn, instruction = entry
        return JudgedEvent(_clock(str(start)), _clock(str(end)), float(turn), float(instruction))
    except (TypeError, ValueError):
        return None


def _score(value: Any) -> int | None:
    found = re.fullmatch(r"\s*(\d+)\s*", str(value))
    return int(found[1]) if found else None


def _clock(time: str) -> float:
    """Seconds, or minutes and seconds: "14", "0:14"."""
    seconds = 0.0
    for part in time.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
