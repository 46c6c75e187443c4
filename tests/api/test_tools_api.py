"""Tools over the API: a real MCP server of this process stands behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.api.docs import render
from workbench.api.tool_states import ToolStates
from workbench.assembly import Workbench
from workbench.bridge.fleet import Fleet
from workbench.bridge.guard import Limits
from workbench.bridge.providers.mcp import McpProvider, McpServer
from workbench.bridge.redact import Redactor

SECRET = "geheimnis-der-schnittstelle"


def server(log: Path) -> MCPServer:
    made = MCPServer("box")

    @made.tool(annotations=ToolAnnotations(read_only_hint=True))
    def look(drawer: int) -> str:
        """Look into a drawer"""
        if drawer > 3:
            raise ToolError(f"no such drawer; the key was {SECRET}, see http://me:{SECRET}@box/x")
        return f"Socks, and {SECRET}."

    @made.tool()
    def wipe() -> str:
        """Empty all drawers"""
        log.write_text("wiped")
        return "Empty."

    return made


@pytest.fixture
async def boxed(bench: Workbench, tmp_path: Path) -> AsyncIterator[Workbench]:
    """The workbench with an MCP server beside it, whose credential is known to be one."""
    redactor = Redactor([SECRET])
    told = McpServer(name="box", url="http://in.process/mcp", phrases={"look": ("look into drawer {drawer}",)})
    provider = McpProvider(told, redactor=redactor, target=server(tmp_path / "log"))
    bench.fleet = Fleet(bench.registry, [provider], limits=Limits(attempts=1), tell=lambda _text: None, redactor=redactor)
    bench.fleet.start()
    await bench.fleet.settled(30.0)
    yield bench
    await bench.fleet.close()


@pytest.fixture
async def client(boxed: Workbench) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(boxed)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as made:
        yield made
    context: Context = app.state.context
    await context.text_talks.close()


async def call(client: httpx.AsyncClient, tool: str, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
    return await client.post(f"/api/tools/{tool}/call", json=body, headers=headers)


async def test_tools_and_providers_with_their_true_state(client: httpx.AsyncClient) -> None:
    told = (await client.get("/api/tools")).json()
    local, box = told["providers"]
    assert (local["name"], local["kind"], local["ready"], local["calls"]) == ("local", "local", True, None)
    assert (box["name"], box["kind"], box["ready"], box["tools"]) == ("box", "mcp", True, ["look", "wipe"])
    assert box["latency_ms"] > 0
    assert (box["calls"]["breaker"], box["calls"]["calls"], box["calls"]["last_latency_ms"]) == ("closed", 0, None)
    look, wipe = (next(tool for tool in told["tools"] if tool["name"] == name) for name in ("look", "wipe"))
    assert (look["tier"], look["ready"], wipe["tier"]) == ("read", True, "destructive")
    assert look["parameters"]["properties"]["drawer"]["type"] == "integer"


async def test_a_read_is_called_and_measured(client: httpx.AsyncClient) -> None:
    told = (await call(client, "look", arguments={"drawer": 1})).json()
    assert (told["status"], told["provider"], told["tier"], told["spoken"]) == ("success", "box", "read", "Socks, and [hidden].")
    assert told["latency_ms"] > 0
    (box,) = [state for state in (await client.get("/api/tools")).json()["providers"] if state["name"] == "box"]
    assert box["calls"]["calls"] == 1
    assert box["calls"]["last_latency_ms"] > 0


async def test_a_failure_is_an_answer_and_no_secret_is_in_it(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "workbench")
    answer = await call(client, "look", arguments={"drawer": 9})
    assert answer.status_code == 200
    assert answer.json()["status"] == "error"
    assert "no such drawer; the key was [hidden]" in answer.json()["error"]
    listed = (await client.get("/api/tools")).text
    assert "no such drawer" in listed, "the last error is shown"
    own_lines = [record.getMessage() for record in caplog.records if record.name.startswith("workbench")]
    assert "tool look was called by hand: error" in " ".join(own_lines)
    assert SECRET not in answer.text + listed + " ".join(own_lines)


async def test_no_secret_is_in_the_rows_of_a_talk(client: httpx.AsyncClient, boxed: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "workbench")
    told = []
    for drawer in ("nine", "one"):
        answer = await client.post("/api/mas/voice/orchestrator", json={"message": f"look into drawer {drawer}", "want_audio": False})
        told.append(answer.json())
    assert [call["status"] for answer in told for call in answer["tool_calls"]] == ["error", "success"]
    rows = []
    for answer in told:
        await client.delete(f"/voice/sessions/{answer['session_id']}")
        boxed.store.flush()
        rows.append((await client.get(f"/voice/sessions/{answer['session_id']}")).text)
    assert "the key was [hidden]" in rows[0]
    assert "Socks, and [hidden]" in rows[1]
    events = boxed.store.query("SELECT CAST(payload AS TEXT) AS payload FROM voice_events")
    assert any("[hidden]" in event["payload"] for event in events)
    own_lines = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("workbench"))
    assert SECRET not in "".join(rows) + str(told) + str(events) + own_lines


async def test_what_changes_something_needs_a_word(client: httpx.AsyncClient, tmp_path: Path) -> None:
    refused = await call(client, "wipe")
    assert (refused.status_code, refused.json()["code"]) == (409, "confirmation_required")
    assert "I am about to empty all drawers. This cannot be undone." in refused.json()["error"]
    assert not (tmp_path / "log").exists()
    assert (await call(client, "wipe", phrase="yes, confirm and proceed")).status_code == 409, "a plain yes lets nothing be destroyed"
    assert not (tmp_path / "log").exists()
    assert (await call(client, "wipe", phrase="confirm irreversible action")).json()["spoken"] == "Empty."
    (tmp_path / "log").unlink()
    assert (await call(client, "wipe", confirm=True)).json()["spoken"] == "Empty."
    assert (tmp_path / "log").read_text() == "wiped"


@pytest.mark.parametrize(
    ("tool", "body", "status", "code"),
    [
        ("nothing", {}, 404, "unknown_tool"),
        ("look", {}, 400, "bad_arguments"),
        ("look", {"arguments": {"drawer": "x"}}, 400, "bad_arguments"),
        ("look", {"arguments": [1]}, 400, "bad_request"),
        ("look", {"confirm": "perhaps"}, 400, "bad_request"),
    ],
)
async def test_what_cannot_be_called(client: httpx.AsyncClient, tool: str, body: dict[str, Any], status: int, code: str) -> None:
    answer = await call(client, tool, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_page_of_another_site_calls_nothing(client: httpx.AsyncClient) -> None:
    foreign = await call(client, "look", {"Origin": "https://evil.example"}, arguments={"drawer": 1})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
    plain = await client.post("/api/tools/look/call", content='{"arguments": {"drawer": 1}}', headers={"Content-Type": "text/plain"})
    assert plain.status_code == 400
    own = await call(client, "look", {"Origin": "http://localhost"}, arguments={"drawer": 1})
    assert own.status_code == 200


async def test_states_are_shared_by_those_who_ask_at_once(boxed: Workbench) -> None:
    now = 0.0
    states = ToolStates(boxed.fleet, monotonic=lambda: now)
    first = await states.get()
    assert await states.get() == first
    now = 4.0
    assert (await states.get())[1] > first[1]
    again = await states.get()
    states.forget()
    assert (await states.get())[1] > again[1]


async def test_the_page_of_operations_tells_them(boxed: Workbench) -> None:
    app: FastAPI = create_app(boxed)
    page = render(app.openapi())
    assert "POST /api/tools/{name}/call" in page
    assert "TrialAnswer" in page
    await app.state.context.text_talks.close()
