"""What the tools' file says holds in the assembled workbench."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from workbench.api.app import create_app
from workbench.assembly import Workbench, assemble
from workbench.bridge.config import load
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving
from workbench.testing.tts import ToneTts


@asynccontextmanager
async def workbench(settings: Settings, tools: str, folder: Path) -> AsyncIterator[tuple[Workbench, httpx.AsyncClient]]:
    """A workbench with this tools' file, when its providers have been tried once."""
    file = folder / "tools.toml"
    file.write_text(tools)
    bench = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()], tools=load(file, {}))
    try:
        await bench.fleet.settled(20.0)
        app = create_app(bench)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            yield bench, client
        await app.state.context.text_talks.close()
    finally:
        await bench.close()


async def say(client: httpx.AsyncClient, message: str) -> httpx.Response:
    return await client.post("/api/mas/voice/orchestrator", json={"message": message, "want_audio": False, "conversation_id": "c-1"})


async def test_an_agent_answers_and_a_denied_one_is_not_asked(settings: Settings, tmp_path: Path) -> None:
    stub = MasStub()
    async with serving(stub.app) as url:
        tools = f'[mas]\nurl = "{url}"\n[access.users."*"]\ndenied = ["agent_notifier", "arithmetic"]\n'
        async with workbench(settings, tools, tmp_path) as (bench, client):
            told = (await say(client, "how is the lab")).json()
            assert told["routed_to"] == "agent_lab_monitor"
            assert told["response_text"] == "The stand-in orchestrator was asked: how is the lab."
            await say(client, "tell the team")
            await say(client, "confirm and proceed")
            assert (await say(client, "what is twelve times seven")).json()["routed_to"] is None
            bench.store.flush()
            rows = bench.store.query("SELECT action, status FROM voice_tool_invocations ORDER BY id")
    assert [asked["agent"] for asked in stub.asked] == ["lab_monitor"]
    assert {"action": "agent_lab_monitor", "status": "success"} in rows
    assert not [row for row in rows if row["action"] != "agent_lab_monitor" and row["status"] == "success"]


async def test_a_provider_that_is_not_there_stops_nothing(settings: Settings, tmp_path: Path) -> None:
    async with serving(MasStub().app) as url:
        pass
    async with workbench(settings, f'[mas]\nurl = "{url}"\n', tmp_path) as (bench, client):
        assert (await say(client, "what is twelve times seven")).json()["routed_to"] == "arithmetic"
        (state,) = [state for state in await bench.fleet.states() if state.name == "mas"]
        assert not state.ready
        assert "not reachable" in state.reason
