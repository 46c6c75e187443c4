"""`GET /api/topology`: who talks now, and every node with its true state or none."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import httpx
import pytest

from tests.waiting import until
from workbench.api import topology
from workbench.api.context import Context
from workbench.api.topology import Node, Silent
from workbench.assembly import Workbench
from workbench.audio.frames import SAMPLE_RATE
from workbench.conversation.port import TalkRequest
from workbench.engines.base import Availability, EngineSession, EngineSpec, Load, Part
from workbench.engines.personaplex.gpus import Gpu, GpuError
from workbench.store.base import StoreError
from workbench.testing.engines import EchoEngine


async def told(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/topology")).raise_for_status().json()
    return found


async def test_talks_are_counted_as_the_store_counts_them(client: httpx.AsyncClient, context: Context, bench: Workbench) -> None:
    assert (await told(client))["talks"] == []
    live = await context.entrance.open(TalkRequest(engine="echo", persona="casual", transport="websocket", user="ada"))
    message = {"message": "what is twelve times seven", "conversation_id": "written"}
    (await client.post("/api/mas/voice/orchestrator", json=message)).raise_for_status()
    await until(lambda: live.conversation.now_samples > SAMPLE_RATE / 4)
    seen = await told(client)
    bench.store.flush()
    rows = {row["session_id"]: row for row in bench.store.query("SELECT * FROM voice_session_overview WHERE is_active")}
    assert {talk["session_id"] for talk in seen["talks"]} == set(rows)
    for talk in seen["talks"]:
        row = rows[talk["session_id"]]
        assert [talk[name] for name in ("persona", "engine", "transport")] == [row[name] for name in ("persona", "engine", "transport")]
        assert (talk["turns"], talk["tools"]) == (row["turn_count"], row["tool_count"])
    spoken, written = seen["talks"]
    assert (spoken["user"], spoken["engine"]) == ("ada", "echo")
    assert 0 < spoken["minutes"] < 1
    assert (written["engine"], written["turns"], written["tools"], written["step_ms"]) == ("text", 2, 1, None)
    assert (await told(client))["totals"] == bench.store.query("SELECT * FROM voice_session_stats")[0]
    assert seen["asr"]["sessions"] == 1

    foreign = await client.delete(f"/voice/sessions/{live.session_id}", headers={"origin": "https://elsewhere.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
    assert live.session_id in bench.sessions.live, "a page of another site ends nothing"
    (await client.delete(f"/voice/sessions/{live.session_id}", headers={"origin": "http://localhost"})).raise_for_status()
    (await client.delete(f"/api/mas/voice/sessions?session_id={written['session_id']}")).raise_for_status()
    assert (await told(client))["talks"] == []
    assert context.topology.talks() == []


async def test_what_does_not_answer_is_null_with_its_reason(
    client: httpx.AsyncClient, context: Context, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_asked: object) -> NoReturn:
        raise StoreError("the query failed: the disk is gone")

    monkeypatch.setattr(bench.store, "query", broken)
    monkeypatch.setattr(topology, "find_gpus", list)
    monkeypatch.setattr(context.topology, "providers", Node(lambda: asyncio.sleep(60), within_s=0.01))
    seen = await told(client)
    assert (seen["totals"], seen["providers"], seen["gpus"], seen["store"]["read_ms"]) == (None, None, None, None)
    assert "the disk is gone" in seen["unknown"]["totals"]
    assert seen["unknown"]["providers"] == "It gave no answer within 0.01 s."
    assert "No NVIDIA driver" in seen["unknown"]["gpus"]
    personaplex = seen["engines"]["personaplex"]
    assert (personaplex["state"], personaplex["capacity"], personaplex["load"]) == ("unavailable", None, None)


async def test_a_gateway_and_a_gpu_tell_of_themselves(client: httpx.AsyncClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load("moshi", "cuda", 2, 30.0, 375, 41.5, 77.0, 18_000, 81_000)

    async def probe(name: str) -> Availability:
        return Availability("busy", f"{name} is full.", "Wait.", 3.0, 4, 4, load=load)

    monkeypatch.setattr(bench.roster, "probe", probe)
    monkeypatch.setattr(topology, "find_gpus", lambda: [Gpu("Card", 81_000, 18_000)])
    seen = await told(client)
    assert seen["engines"]["personaplex"]["load"]["step_p95_ms"] == 77.0
    assert (seen["engines"]["personaplex"]["in_use"], seen["engines"]["personaplex"]["load"]["memory_used_mib"]) == (4, 18_000)
    assert seen["gpus"] == [{"name": "Card", "used_mib": 18_000, "total_mib": 81_000}]
    assert (seen["frame_ms"], seen["unknown"]) == (80, {})


async def test_a_talk_tells_which_gateway_holds_it(client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = EchoEngine.open

    async def behind_a_balancer(engine: EchoEngine, spec: EngineSpec) -> EngineSession:
        session = await opened(engine, spec)
        session.parts = {"gateway": Part("g7", "Holds this talk.")}
        return session

    alone = await context.entrance.open(TalkRequest(engine="echo", persona="casual", transport="websocket"))
    monkeypatch.setattr(EchoEngine, "open", behind_a_balancer)
    held = await context.entrance.open(TalkRequest(engine="echo", persona="casual", transport="websocket"))
    talks = {talk["session_id"]: talk["gateway"] for talk in (await told(client))["talks"]}
    assert talks == {alone.session_id: None, held.session_id: "g7"}
    for live in (alone, held):
        await live.hang_up("hung_up")


async def test_a_node_that_hangs_is_not_asked_again() -> None:
    asked = 0
    go_on = asyncio.Event()

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await go_on.wait()
        return "here"

    node = Node(ask, within_s=0.01)
    first, second = await asyncio.gather(node.get(), node.get())
    assert isinstance(first, Silent)
    assert isinstance(second, Silent)
    assert asked == 1
    go_on.set()
    assert node.task is not None
    assert await node.task == "here"
    assert asked == 1
    assert await Node(ask).get() == "here"


async def test_a_node_that_fails_says_so_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    faults: list[Exception] = [GpuError("nvidia-smi failed"), RuntimeError("secret detail")]

    async def ask() -> str:
        raise faults.pop(0)

    node = Node(ask, known=(GpuError,))
    assert str(await node.get()) == "nvidia-smi failed"
    assert not caplog.records
    hidden = str(await node.get())
    assert "RuntimeError" in hidden
    assert "secret detail" not in hidden
    assert "failed to answer" in caplog.text
