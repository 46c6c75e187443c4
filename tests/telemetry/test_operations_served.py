"""`workbench serve` as an operator runs it: traces to a collector, JSON logs at debug level, a password, a caller that has a trace."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
import websockets
from otlp_receiver import attributes, receiving
from servers import opened_store, running

from workbench.protocol import ErrorMessage, Metadata
from workbench.store import queries
from workbench.wire_client import ChatClient, chat_url

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
PASSWORD = "hunter-the-second-9931"
PROMPT = "You are Quillhopper, and you keep the secret of the lighthouse."
HEADERS = {"Authorization": f"Bearer {PASSWORD}", "traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"}


async def hold_a_talk(url: str) -> str:
    """A typed talk in which a tool is used; its session id. On a machine so busy that no recogniser starts, it is tried again."""
    for _try in range(4):
        if session_id := await try_a_talk(url):
            return session_id
    raise AssertionError("no recogniser could be started")


async def try_a_talk(url: str) -> str:
    address = chat_url(url, {"engine": "scripted", "events": True, "text_prompt": PROMPT})
    client = ChatClient(await websockets.connect(address, additional_headers=HEADERS, compression=None, proxy=None))
    session_id, kinds = "", []
    async with asyncio.timeout(60):
        async for message in client.receive():
            match message:
                case Metadata(type="opened", data=data):
                    session_id = data["session_id"]
                    await client.send_text("what is twelve times seven")
                case Metadata(type="event", data=data):
                    kinds.append(data["kind"])
                    if data["kind"] == "ResultDelivered":
                        await client.hang_up()
                case ErrorMessage(code="asr_unavailable"):
                    await client.close()
                    return ""
                case _:
                    pass
    await client.close()
    assert "ToolFinished" in kinds
    return session_id


@pytest.mark.slow
async def test_a_talk_is_in_the_collector_and_its_words_are_nowhere(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with receiving() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
            "WORKBENCH_LOG_FORMAT": "json",
            "WORKBENCH_LOG_LEVEL": "debug",
            "WORKBENCH_PASSWORD": PASSWORD,
            "WORKBENCH_TURN_FIXED_HOLD_MS": "500",
        }
        with running(data_dir, **settings) as server:
            session_id = await hold_a_talk(server.url)
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, trust_env=False) as http:
                assert (await http.get("/voice/sessions", params={"search": "zanzibar"})).status_code == 200
                metrics = (await http.get("/metrics")).text
            assert server.stop() == 0, server.said
            said = server.said
    with opened_store(data_dir) as store:
        session = queries.get_session(store, session_id)
    assert session is not None
    assert session["metadata"]["trace_id"] == CALLER

    assert collector.paths == {"/v1/traces"}
    assert {resource["service.name"] for resource in collector.resources} == {"personaplex-workbench"}
    assert {resource["deployment.environment"] for resource in collector.resources} == {"test"}
    assert {span.trace_id.hex() for span in collector.spans} == {CALLER}
    (talk,), (tool,) = [span for span in collector.named("talk") if "refused" not in attributes(span)], collector.named("tool")
    assert talk.parent_span_id.hex() == "00f067aa0ba902b7"
    told = attributes(talk)
    assert (told["session_id"], told["engine"], told["transport"], told["pace"]) == (session_id, "scripted", "websocket", "realtime")
    assert told["persona_hash"] == session["persona_hash"]
    assert attributes(tool)["tool"] == session["tool_invocations"][0]["action"] == "arithmetic"
    assert {"UserText", "TurnEnded", "IntentFound", "ToolStarted", "ToolFinished", "ResultDelivered"} <= {
        span.name for span in collector.spans
    }
    for span in [span for span in collector.spans if span.name != "talk"]:
        assert talk.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano <= talk.end_time_unix_nano

    lines = [json.loads(line) for line in said.splitlines()]
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)
    of_the_talk = [line for line in lines if line.get("session_id") == session_id]
    assert {line["trace_id"] for line in of_the_talk} == {CALLER}
    assert {"SessionOpened", "EngineChosen", "SessionClosed"} <= {line["message"].partition(":")[0] for line in of_the_talk}
    assert any(line["logger"] == "uvicorn.error" and "/api/chat?[hidden]" in line["message"] for line in lines)
    assert any(line["logger"] == "workbench.bridge.bridge" and line["level"] == "debug" for line in of_the_talk)

    assert 'workbench_tool_calls_total{status="success",tool="arithmetic"} 1.0' in metrics
    words = ("twelve times", "12 * 7", "eighty", "quillhopper", "lighthouse", "zanzibar", PASSWORD)
    for place, text in (("log", said), ("spans", b"".join(collector.bodies).decode("latin-1")), ("metrics", metrics)):
        for word in words:
            assert word not in text.lower(), f"{word} is in the {place}"


def test_without_the_extra_the_server_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.telemetry import tracing

    monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
    told: list[str] = []
    assert tracing.start_tracing("http://127.0.0.1:4318/v1/traces", service="x", tell=told.append) is None
    assert told == [tracing.MISSING]
    assert "uv sync --extra telemetry" in told[0]
    assert tracing.start_tracing(None, service="x", tell=told.append) is None
    assert len(told) == 1
