"""Statistics of earlier sessions, from figures that the store keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from workbench.bridge.local import Function
from workbench.bridge.numbers import say_number
from workbench.bridge.slots import vocabulary
from workbench.bridge.tool import Tool, ToolResult

Stats = Callable[[], Mapping[str, float | int | None]]
"""Gives the figures as of now, called in a thread: any of `total_sessions`, `sessions_today`, `active_sessions`, `total_turns`,
`turns_today`, `total_tool_invocations`, `tool_invocations_today`, `total_barge_ins`, `barge_ins_today`, and of all replies
`median_latency_ms` with `latency_n`. A figure that is left out or None is said to be unknown."""

_FIGURES = {
    ("sessions", "all"): ("total_sessions", "session", "We had {} so far."),
    ("sessions", "today"): ("sessions_today", "session", "We had {} today."),
    ("sessions", "now"): ("active_sessions", "session", "There is {} open now.|There are {} open now."),
    ("turns", "all"): ("total_turns", "turn", "There was {} so far.|There were {} so far."),
    ("turns", "today"): ("turns_today", "turn", "There was {} today.|There were {} today."),
    ("tools", "all"): ("total_tool_invocations", "tool call", "There was {} so far.|There were {} so far."),
    ("tools", "today"): ("tool_invocations_today", "tool call", "There was {} today.|There were {} today."),
    ("interruptions", "all"): ("total_barge_ins", "interruption", "There was {} so far.|There were {} so far."),
    ("interruptions", "today"): ("barge_ins_today", "interruption", "There was {} today.|There were {} today."),
}
_SUBJECTS = vocabulary(
    {"sessions": "sessions", "conversations": "sessions", "talks": "sessions", "turns": "turns", "tool calls": "tools",
     "interruptions": "interruptions"}
)  # fmt: skip
_PERIODS = vocabulary({"today": "today", "so far": "all", "in total": "all", "altogether": "all", "until now": "all"})

TOOL = Tool(
    name="session_statistics",
    description="Tell figures about earlier sessions",
    parameters={
        "type": "object",
        "properties": {
            "subject": {"type": "string", "enum": ["sessions", "turns", "tools", "interruptions", "latency"]},
            "period": {"type": "string", "enum": ["all", "today", "now"]},
        },
    },
    timeout_s=5.0,
    phrases=(
        "how many {subject} did we have",
        "how many {subject} did we have {period}",
        "how many {subject} were there {period}",
        "what was the average latency",
        "what is the average latency",
    ),
    wordings=(
        "how many {subject} have we had",
        "how many {subject} have we had {period}",
        "how many {subject} were there",
        "how many {subject} have there been",
        "how many {subject} have there been {period}",
        "how many {subject}",
        "how many {subject} {period}",
        "number of {subject} {period}",
        "what was the median latency",
        "what was the average reply latency",
        "what was the average response time",
        "how fast do you answer on average",
        "how fast were the replies",
    ),
    slots={"subject": _SUBJECTS, "period": _PERIODS},
)


def answer(stats: Stats) -> Function:
    """The function of the tool."""

    def session_statistics(arguments: Mapping[str, Any]) -> ToolResult:
        subject, period = arguments.get("subject", "latency"), arguments.get("period", "all")
        figures = stats()
        if subject == "latency":
            return _latency(figures)
        key, noun, sentences = _FIGURES.get((subject, period), ("", subject, ""))
        count = figures.get(key)
        data = {"subject": subject, "period": period, "value": count}
        if count is None:
            return ToolResult("I have no figure for that.", data)
        one, _bar, many = sentences.partition("|")
        counted = "no" if count == 0 else say_number(int(count))
        return ToolResult((one if count == 1 or not many else many).format(f"{counted} {noun}{'' if count == 1 else 's'}"), data)

    return session_statistics


def _latency(figures: Mapping[str, float | int | None]) -> ToolResult:
    median_ms, replies = figures.get("median_latency_ms"), figures.get("latency_n")
    data = {"subject": "latency", "median_latency_ms": median_ms, "n": replies}
    if median_ms is None or not replies:
        return ToolResult("No reply has been measured yet.", data)
    said, counted = say_number(Fraction(round(median_ms))), say_number(int(replies))
    of = f"{counted} {'reply' if replies == 1 else 'replies'}"
    return ToolResult(f"The median reply latency is {said} milliseconds, over {of}.", data)
