"""Health, metrics, the operations page, and the bound on bodies."""

from __future__ import annotations

import json
import re
from datetime import datetime

import httpx
import pytest
from fastapi import FastAPI

from workbench.api.body_limit import MAX_BODY_BYTES
from workbench.api.context import Context
from workbench.api.probes import FRESH_S, Probes
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRequest
from workbench.engines.base import Availability, EngineError
from workbench.engines.missing import MissingEngine
from workbench.engines.roster import Roster
from workbench.testing.engines import EchoEngine
from workbench.testing.tts import ToneTts


async def test_health_tells_every_part(client: httpx.AsyncClient) -> None:
    told = (await client.get("/health")).json()
    assert (told["status"], told["faults"]) == ("ok", [])
    assert told["personaplex"] is told["moshi_available"] is False
    assert told["engines"]["classic"]["state"] == "ready"
    assert told["engines"]["classic"]["handshake_ms"] > 0
    assert datetime.fromisoformat(told["engines"]["classic"]["probed_at"]).tzinfo is not None
    assert told["engines"]["personaplex"]["handshake_ms"] is None
    assert "PERSONAPLEX_URL" in told["engines"]["personaplex"]["repair"]
    assert told["asr"]["name"] == "deaf"
    assert told["store"] == {"ok": True, "failure": None, "waiting_rows": 0, "lost_rows": 0}


@pytest.mark.parametrize("voices", [[ToneTts(voices=("slt",), fail_after_chunks=0)]], ids=["mute"])
async def test_a_mute_voice_degrades(client: httpx.AsyncClient) -> None:
    told = (await client.get("/health")).json()
    assert told["status"] == "degraded"
    assert told["engines"]["classic"]["state"] == "unavailable"
    assert told["faults"] == ["No engine is ready."]


async def test_a_store_that_cannot_write_degrades(client: httpx.AsyncClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.store), "failure", property(lambda _store: "The disk is full: free some space."))
    told = (await client.get("/health")).json()
    assert told["status"] == "degraded"
    assert told["store"]["failure"] == "The disk is full: free some space."


class CountingEngine(EchoEngine):
    probes = 0

    async def probe(self) -> Availability:
        self.probes += 1
        return await super().probe()


async def test_a_handshake_is_asked_again_after_five_seconds() -> None:
    engine, now_s = CountingEngine(), 0.0
    probes = Probes(Roster([engine], automatic=["echo"]), monotonic=lambda: now_s)
    first = await probes.get("echo")
    now_s = FRESH_S
    assert await probes.get("echo") is first
    now_s = FRESH_S + 0.1
    assert await probes.get("echo") is not first
    assert engine.probes == 2
    with pytest.raises(EngineError):
        await probes.get("nobody")


async def test_a_missing_engine_cannot_be_opened() -> None:
    roster = Roster([MissingEngine("gone", "It is not here.", "Bring it.")], automatic=["gone"])
    with pytest.raises(EngineError, match=r"It is not here\. Bring it\."):
        await roster.choose("gone")


async def test_metrics_count_what_happened_in_a_talk(client: httpx.AsyncClient, context: Context) -> None:
    talk = await context.entrance.open(TalkRequest(engine="scripted"))
    talk.type("what is two plus two")
    while "workbench_tool_calls_total" not in (text := (await client.get("/metrics")).text) or 'status="success"' not in text:
        await talk.conversation.clock.sleep_ms(20)
    assert _value(text, "workbench_sessions_live") == 1
    await talk.hang_up("hung_up")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert _value(answer.text, "workbench_sessions_live") == 0
    assert _value(answer.text, 'workbench_sessions_total{engine="scripted",transport="websocket"}') == 1
    assert _value(answer.text, 'workbench_sessions_ended_total{reason="hung_up"}') == 1
    assert _value(answer.text, "workbench_frame_lateness_seconds_count") > 0
    assert _value(answer.text, "workbench_asr_restarts_total") == 0


def _value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


async def test_the_operations_page_loads_nothing(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert "POST /api/mas/voice/duplex/session" in page
    assert not re.search(r"<script|<link|<img|src=|url\(|@import", page)
    assert not re.search(r"https?://", page)


async def test_every_operation_and_field_is_described(app: FastAPI) -> None:
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            assert "422" not in operation["responses"], "a body that does not fit is answered 400"
    json.dumps(document)


async def test_a_body_is_bounded_whatever_its_header_says(client: httpx.AsyncClient) -> None:
    async def chunks():  # type: ignore[no-untyped-def]  # httpx takes any async iterator
        for _chunk in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b"x" * 65_536

    for body in (b"x" * (MAX_BODY_BYTES + 1), chunks()):
        answer = await client.post("/api/mas/voice", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/health", 405)])
async def test_errors_are_json(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]
