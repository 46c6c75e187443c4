"""Which talks the pages of a running workbench ask about."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.analysis.known_talks import BEGAN
from tests.many_sessions import fill, has_tool
from workbench.analysis import barge_in, latency, tools
from workbench.analysis.report import talks_report
from workbench.analysis.source import StoreSource, Talks
from workbench.analysis.tables import Table
from workbench.store.duckdb_store import DuckDbStore

DAY = timedelta(days=1)


def asked(store: DuckDbStore, talks: Talks | None) -> StoreSource:
    return StoreSource(store, Path("unused"), talks)


@pytest.mark.parametrize(
    ("talks", "count"),
    [
        (None, 14),
        (Talks(), 14),
        (Talks(persona="slow"), 6),
        (Talks(engine="echo"), 1),
        (Talks(engine="echo", persona="slow"), 0),
        (Talks(since=BEGAN + 4 * DAY), 4),
        (Talks(until=BEGAN + DAY), 4),
        (Talks(since=BEGAN + DAY, until=BEGAN + 3 * DAY, persona="quick"), 2),
        (Talks(since=datetime(2030, 1, 1, tzinfo=UTC)), 0),
        (Talks(persona="'; DROP TABLE voice_turns; --"), 0),
    ],
)
def test_only_the_talks_that_are_asked_for(known_store: DuckDbStore, talks: Talks | None, count: int) -> None:
    source = asked(known_store, talks)
    assert source.frame("SELECT count(*) AS n FROM sessions")["n"].tolist() == [count]
    names = {name for found in (latency.answers(source), barge_in.barge_ins(source), tools.calls(source)) for name in found["session_id"]}
    inside = source.frame("SELECT session_id FROM sessions")["session_id"]
    assert names <= set(inside)
    assert latency.frames(source)["n"].sum() == 25 * sum(name.startswith("quick") for name in inside)


def test_the_callers_parameters_stay_the_first(known_store: DuckDbStore) -> None:
    source = asked(known_store, Talks(persona="quick", engine="classic"))
    found = source.frame("SELECT session_id FROM sessions WHERE session_id LIKE $1 AND session_id > $2 ORDER BY 1", ["%-%", "quick-3"])
    assert found["session_id"].tolist() == ["quick-4", "quick-5"]
    assert source.frame("SELECT session_id FROM sessions WHERE session_id = $1", ["slow-1"]).columns.tolist() == ["session_id"]


def test_a_file_has_every_column_and_digit_and_no_formula() -> None:
    frame = pd.DataFrame({"persona": ["=1+1", "-x", "plain"], "median_ms": [-12.25, None, 3.0], "high_ms": [1.0, 2.0, 3.5]})
    rows = list(csv.DictReader(io.StringIO(Table("t", frame).csv)))
    assert [row["persona"] for row in rows] == ["'=1+1", "'-x", "plain"]
    assert [row["median_ms"] for row in rows] == ["-12.25", "", "3.0"]
    assert rows[2]["high_ms"] == "3.5"


def test_what_nobody_measured_is_unknown_and_breaks_no_report(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "workbench.duckdb")
    try:
        fill(store, 24)
        source = asked(store, None)
        found = tools.summary(tools.calls(source))
        assert found["calls"].sum() == sum(has_tool(number) for number in range(24))
        assert found[["median_ms", "total_median_ms"]].isna().all(axis=None)
        assert talks_report(source).sections
    finally:
        store.close()
