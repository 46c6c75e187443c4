"""Listing and ending sessions."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest

from workbench.api.context import Context
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRequest
from workbench.store.base import StoreError

PATH = "/api/mas/voice/sessions"
OVERLAY = {
    "session_id",
    "conversation_id",
    "mode",
    "persona",
    "voice_prompt",
    "started_at",
    "last_activity",
    "turn_count",
    "tool_count",
    "is_active",
}
"""What the original's overlay reads of each session."""


@pytest.mark.parametrize("path", [PATH, "/voice/sessions"])
async def test_no_sessions_are_zeros(client: httpx.AsyncClient, path: str) -> None:
    answer = (await client.get(path)).json()
    assert answer["sessions"] == []
    assert answer["stats"] == {"active_sessions": 0, "total_sessions": 0, "total_turns": 0, "total_tool_invocations": 0}
    assert datetime.fromisoformat(answer["timestamp"]).tzinfo is not None


async def test_a_talk_is_listed_while_it_goes_on_and_ended_by_delete(client: httpx.AsyncClient, context: Context, bench: Workbench) -> None:
    talk = await context.entrance.open(TalkRequest(engine="scripted", persona="casual"))
    bench.store.flush()
    (row,) = (await client.get(PATH)).json()["sessions"]
    assert row.keys() >= OVERLAY
    assert (row["session_id"], row["mode"], row["persona"], row["is_active"]) == (talk.session_id, "scripted", "casual", True)

    answer = (await client.delete(PATH, params={"session_id": talk.session_id})).json()
    assert (answer["success"], answer["session_id"]) == (True, talk.session_id)
    assert datetime.fromisoformat(answer["ended_at"]).tzinfo is not None
    assert await talk.closed() == "ended_by_api"
    bench.store.flush()
    assert (await client.get(PATH)).json()["sessions"] == []
    (over,) = (await client.get(PATH, params={"all": True})).json()["sessions"]
    assert over["ended_reason"] == "ended_by_api"


async def test_one_session_tells_its_parts_and_turns(client: httpx.AsyncClient, context: Context, bench: Workbench) -> None:
    talk = await context.entrance.open(TalkRequest(engine="scripted"))
    await talk.hang_up("hung_up")
    bench.store.flush()
    told = (await client.get(f"/voice/sessions/{talk.session_id}")).json()
    assert told["metadata"]["parts"]["asr"]["name"] == "deaf"
    assert (told["turns"], told["ended_reason"]) == ([], "hung_up")


@pytest.mark.parametrize("path", ["/voice/sessions/nobody", "/voice/sessions/..%2Fx"])
async def test_an_unknown_session_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404
    answer = await client.delete(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


async def test_delete_without_an_id_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.delete(PATH)
    assert answer.status_code == 400
    assert answer.json()["error"] == "session_id required"
    assert (await client.delete(PATH, params={"session_id": "nobody"})).status_code == 404


async def test_a_store_that_cannot_be_read_is_no_empty_list(
    client: httpx.AsyncClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise StoreError("the query failed: the disk is gone")

    monkeypatch.setattr(bench.store, "query", broken)
    answer = await client.get(PATH)
    assert answer.status_code == 503
    assert "the disk is gone" in answer.json()["error"]
