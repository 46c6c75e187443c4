"""`/api/latency` over talks of which every figure can be worked out by hand."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from tests.analysis.known_talks import BEGAN, fill, keep, spoke
from workbench.api.reports import Asked, Reports
from workbench.assembly import Workbench
from workbench.store.duckdb_store import DuckDbStore

SCRIPT = "<script>window.stolen = 1</script>"


@pytest.fixture
def filled(bench: Workbench) -> DuckDbStore:
    store = bench.store
    assert isinstance(store, DuckDbStore)
    fill(store)
    return store


async def told(client: httpx.AsyncClient, **asked: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/latency", params=asked)).raise_for_status().json()
    return found


def table(answer: dict[str, Any], name: str) -> dict[str, dict[str, str]]:
    """The rows of a table by their first cell, each by its headings."""
    (found,) = [one for section in answer["sections"] for one in section["tables"] if one["name"] == name]
    headings = [column["heading"] for column in found["columns"]]
    return {row[0]: dict(zip(headings, row, strict=True)) for row in found["rows"]}


async def test_the_figures_are_those_of_the_store(client: httpx.AsyncClient, filled: DuckDbStore) -> None:
    filled.write(("UPDATE voice_sessions SET is_active = TRUE WHERE session_id = 'quick-0'", []))
    answer = await told(client, engine="classic")
    assert (answer["talks"], answer["total"]) == (11, 13), "one goes on, two are on other engines"
    assert answer["personas"] == [{"name": "quick", "talks": 7}, {"name": "slow", "talks": 6}]
    assert {one["name"]: one["talks"] for one in answer["engines"]} == {"classic": 11, "echo": 1, "text": 1}
    (row,) = filled.query(
        "SELECT median(t.latency_ms) AS ms, count(*) AS n FROM voice_turns t JOIN voice_sessions s ON s.session_id = t.session_id "
        "WHERE t.speaker = 'agent' AND t.latency_ms IS NOT NULL AND s.engine = 'classic' AND NOT s.is_active"
    )
    shown = table(answer, "answers_by_engine")
    assert list(shown) == ["classic"]
    assert (shown["classic"]["n"], shown["classic"]["median, ms ↓"]) == (str(row["n"]), f"{row['ms']:,.0f}")
    assert " to " in shown["classic"]["95 % interval, ms"]
    stops = table(answer, "barge_ins_by_persona")["quick"]
    assert (stops["n"], stops["yielded"], stops["stop median, ms ↓"]) == ("5", "5", "330")
    figures = [figure for section in answer["sections"] for figure in section["figures"]]
    assert len(figures) == 10
    assert all("template" not in figure["layout"] and figure["layout"]["title"]["text"] for figure in figures)
    assert set(answer["templates"]) == {"light", "dark"}

    answered = await client.get("/api/latency/tables/answers_by_engine.csv", params={"engine": "classic"})
    assert answered.headers["content-type"].startswith("text/csv")
    assert 'filename="answers_by_engine.csv"' in answered.headers["content-disposition"]
    (digits,) = csv.DictReader(io.StringIO(answered.text))
    assert float(digits["median_ms"]) == pytest.approx(row["ms"])
    assert {"n", "low_ms", "high_ms"} <= set(digits)
    missing = await client.get("/api/latency/tables/nothing.csv", params={"engine": "classic"})
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_table")


async def test_an_empty_store_is_no_error_and_bad_words_are(client: httpx.AsyncClient) -> None:
    answer = await told(client, window="7d", engine="", persona="")
    assert (answer["talks"], answer["total"], answer["engines"], answer["personas"]) == (0, 0, [], [])
    assert answer["facts"]["chosen"] == "the last 7d"
    for bad in ({"since": "2026-05-09", "until": "2026-05-08"}, {"window": "2w"}, {"since": "today"}, {"engine": "x" * 65}):
        refused = await client.get("/api/latency", params=bad)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


def test_a_window_ends_now_and_days_are_whole() -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC)
    assert Asked("24h").talks(now).since == datetime(2026, 5, 9, 12, tzinfo=UTC)
    assert Asked("7d").talks(now).since == datetime(2026, 5, 3, 12, tzinfo=UTC)
    assert Asked("all").talks(now).since is None
    talks = Asked("1h", since=date(2026, 5, 1), until=date(2026, 5, 2)).talks(BEGAN)
    assert (talks.since, talks.until) == (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC))


async def test_what_people_named_stays_text(client: httpx.AsyncClient, filled: DuckDbStore) -> None:
    filled.write(("UPDATE voice_sessions SET persona = $1 WHERE persona = 'slow'", [SCRIPT]))
    page = await client.get("/api/latency/report.html")
    assert 'filename="latency.html"' in page.headers["content-disposition"]
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Latency and barge-ins" in page.text
    assert SCRIPT not in page.text
    assert "&lt;script&gt;" in page.text


async def test_reports_are_made_one_at_a_time_and_kept_a_moment(bench: Workbench, filled: DuckDbStore) -> None:
    at_s = 0.0
    reports = Reports(filled, bench.settings.audio_dir, monotonic=lambda: at_s)
    first, same = await asyncio.gather(reports.get(Asked(engine="echo")), reports.get(Asked(engine="echo")))
    assert first is same
    keep(filled, "late", [*spoke("user", 1, 2), *spoke("agent", 2.4, 3, 400)], engine="echo")
    filled.flush()
    assert (await reports.get(Asked(engine="echo"))).talks == 1
    at_s = 11.0
    assert (await reports.get(Asked(engine="echo"))).talks == 2
