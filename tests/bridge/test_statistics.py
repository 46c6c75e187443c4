from __future__ import annotations

from typing import Any

import pytest

from workbench.bridge.tools.statistics import answer

FIGURES: dict[str, Any] = {
    "total_sessions": 120, "sessions_today": 1, "active_sessions": 2, "total_turns": 0, "median_latency_ms": 412.6, "latency_n": 1,
    "barge_ins_today": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "spoken", "value"),
    [
        ({"subject": "sessions"}, "We had one hundred twenty sessions so far.", 120),
        ({"subject": "sessions", "period": "today"}, "We had one session today.", 1),
        ({"subject": "sessions", "period": "now"}, "There are two sessions open now.", 2),
        ({"subject": "turns"}, "There were no turns so far.", 0),
        ({"subject": "interruptions", "period": "today"}, "I have no figure for that.", None),
        ({"subject": "tools", "period": "now"}, "I have no figure for that.", None),
        ({"subject": "tools", "period": "today"}, "I have no figure for that.", None),
    ],
)
def test_counts(arguments: dict[str, str], spoken: str, value: int | None) -> None:
    found = answer(lambda: FIGURES)(arguments)
    assert (found.spoken, found.data["value"]) == (spoken, value)


def test_latency_names_its_number_of_replies() -> None:
    assert answer(lambda: FIGURES)({}).spoken == "The median reply latency is four hundred thirteen milliseconds, over one reply."
    assert answer(dict)({}).spoken == "No reply has been measured yet."
    assert answer(lambda: {"median_latency_ms": None, "latency_n": 0})({"subject": "latency"}).spoken == "No reply has been measured yet."
