"""`workbench serve --mas-stub`: the orchestrator's contract without an orchestrator, in a real process."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import Served


async def say(http: httpx.AsyncClient, message: str) -> dict[str, Any]:
    answer = await http.post("/api/mas/voice/orchestrator", json={"message": message, "want_audio": False, "conversation_id": "c-1"})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def say_until_routed(http: httpx.AsyncClient, message: str) -> dict[str, Any]:
    """Providers are opened beside the start: says it again until there is a tool for it."""
    async with asyncio.timeout(30):
        while (told := await say(http, message))["routed_to"] is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return told


@pytest.mark.slow
async def test_a_stand_in_takes_the_orchestrators_place(tmp_path: Path, free_port: int, servers: list[Served]) -> None:
    served = Served(free_port, tmp_path / "var", "--mas-stub")
    servers.append(served)
    served.wait_until_ready()
    assert any("stand-in for the MAS orchestrator is at http://127.0.0.1:" in line for line in served.told)
    async with httpx.AsyncClient(base_url=served.url, timeout=30.0, trust_env=False) as http:
        told = await say_until_routed(http, "how is the lab")
        assert told["routed_to"] == "agent_lab_monitor"
        assert told["response_text"] == "The stand-in orchestrator was asked: how is the lab."
        asked = await say(http, "please water the mushrooms in the greenhouse")
        assert asked["requires_confirmation"]
        done = await say(http, "confirm and proceed")
        assert "water the mushrooms in the greenhouse" in done["response_text"]
        assert done["routed_to"] == "ask_orchestrator"
    assert await served.end(signal.SIGINT) == 0
