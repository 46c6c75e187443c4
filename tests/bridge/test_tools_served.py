"""A real `workbench serve` with an MCP server of its own: the server is killed, comes back, and is gone with the workbench."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from mcp_servers import SCRIPT, SECRET
from servers import Running, running

WITHIN_S = 120.0


def provider(server: Running) -> dict[str, Any]:
    told = httpx.get(f"{server.url}/api/tools", timeout=10.0).raise_for_status().json()
    (box,) = [state for state in told["providers"] if state["name"] == "box"]
    return dict(box)


def until(server: Running, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + WITHIN_S
    while not true(state := provider(server)):
        assert time.monotonic() < deadline, f"still {state}; the server said {server.said}"
        time.sleep(0.2)
    return state


def reached(server: Running, times: int) -> None:
    """Waits until the MCP server has been reached so often, each time by a new process."""
    deadline = time.monotonic() + WITHIN_S
    while server.said.count("Tools of box: ") < times:
        assert time.monotonic() < deadline, f"not reached {times} times; the server said {server.said}"
        time.sleep(0.1)


@pytest.mark.slow
def test_an_mcp_server_is_opened_lost_and_reached_again_and_ends_with_the_workbench(tmp_path: Path) -> None:
    file = tmp_path / "tools.toml"
    file.write_text(
        f'[[mcp]]\nname = "box"\ncommand = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SCRIPT))}]\nenv = ["TOOLS_SECRET"]\n'
        '[[mcp]]\nname = "far"\nurl = "http://127.0.0.1:9/mcp"\n'
    )
    with running(tmp_path / "var", WORKBENCH_TOOLS_FILE=str(file), TOOLS_SECRET=SECRET) as server:
        assert "lookup_slots" in until(server, lambda state: state["ready"])["tools"]
        (child,) = server.workers("tools_server")
        child.kill()
        reached(server, 2)
        answer = httpx.post(f"{server.url}/api/tools/lookup_slots/call", json={"arguments": {"day": "Mon"}}, timeout=10.0).json()
        assert answer["status"] == "success"
        leaked = httpx.post(f"{server.url}/api/tools/leak/call", json={}, timeout=10.0).json()
        assert leaked["status"] == "error"
        died = httpx.post(f"{server.url}/api/tools/die/call", json={}, timeout=30.0).json()
        assert died["status"] == "error"
        # A read is asked again when its server died, and this one kills the next one too.
        reached(server, 3)
        until(server, lambda state: state["ready"])
        (again,) = server.workers("tools_server")
        assert again.pid != child.pid
        listed = httpx.get(f"{server.url}/api/tools", timeout=10.0).text
        assert server.stop() == 0
        assert not psutil.pid_exists(again.pid)
        assert "box is lost: mcp server box" in server.said
        assert "Tools of far are missing: nothing answers at mcp server far" in server.said
        assert SECRET not in server.said + listed + json.dumps([leaked, died])
