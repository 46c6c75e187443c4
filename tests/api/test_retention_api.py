"""The server keeps to its rules by itself, beside a talk that goes on, and tells what it removed."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from waiting import until

from tests.store.talks_in_store import keep
from workbench.api.context import Context
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRequest
from workbench.store import queries


def put(bench: Workbench, session_id: str, days: float) -> None:
    when = datetime.now(UTC) - timedelta(days=days)
    keep(bench.store, bench.settings.audio_dir, session_id, when=when, frames=10)  # type: ignore[arg-type]  # any store will do


async def test_by_hand_first_the_plan_then_the_deed(client: httpx.AsyncClient, bench: Workbench) -> None:
    await asyncio.to_thread(put, bench, "old", 40)
    await asyncio.to_thread(put, bench, "young", 1)
    assert (await client.post("/api/retain", json={})).json()["code"] == "bad_request"
    told = (await client.post("/api/retain", json={"keep_days": 30})).json()
    assert [(one["what"], one["session_id"]) for one in told["going"]] == [("talk", "old")]
    assert (told["dry_run"], told["talks"]) == (True, 1)
    assert {row["session_id"] for row in queries.list_sessions(bench.store)} == {"old", "young"}
    done = (await client.post("/api/retain", json={"keep_days": 30, "dry_run": False})).json()
    assert (done["talks"], done["failed"]) == (1, {})
    assert {row["session_id"] for row in queries.list_sessions(bench.store)} == {"young"}
    assert 'workbench_retention_removed_total{what="talks"} 1.0' in (await client.get("/metrics")).text
    assert (await client.get("/api/topology")).json()["store"]["removed"]["talks"] == 1
    foreign = await client.post("/api/retain", json={"keep_days": 0, "dry_run": False}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


async def test_the_server_does_it_by_itself_beside_a_talk(
    bench: Workbench, context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("workbench.api.retention.FIRST_S", 0.0)
    monkeypatch.setattr("workbench.api.retention.PAUSE_S", 0.01)
    caplog.set_level("INFO", "workbench.api.retention")
    for number in range(3):
        await asyncio.to_thread(put, bench, f"old-{number}", 40)
    talk = await context.entrance.open(TalkRequest(engine="echo"))
    bench.settings = bench.settings.model_copy(update={"keep_days": 0.0})
    running = asyncio.create_task(context.retention.run())
    try:
        await until(lambda: context.retention.counts["talks"] == 3)
        assert [row["session_id"] for row in queries.list_sessions(bench.store)] == [talk.session_id]
        assert talk.session_id in bench.sessions.live
        assert "retention removed 3 talks whole" in caplog.text
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await talk.hang_up("hung_up")


async def test_without_rules_nothing_runs(context: Context) -> None:
    await asyncio.wait_for(context.retention.run(), 10)
