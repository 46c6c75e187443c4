"""A real n8n with the workflows of `tests/data/n8n`, from an install that `WORKBENCH_N8N_DIR` names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from servers import free_port

DATA = Path(__file__).parents[2] / "data" / "n8n"
HEADER = ("X-Workbench-Token", "not-a-secret")
INACTIVE = "wbInactive000001"
_READY_S = 180.0
"""The first start creates the database; the webhooks are there some 10 s after n8n calls itself ready."""


def _environment(home: Path, port: int) -> dict[str, str]:
    """Everything that n8n asks of others is off, and it listens on loopback only."""
    off = ("DIAGNOSTICS_ENABLED", "VERSION_NOTIFICATIONS_ENABLED", "TEMPLATES_ENABLED", "PERSONALIZATION_ENABLED", "HIRING_BANNER_ENABLED")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "N8N_USER_FOLDER": str(home),
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_HOST": "127.0.0.1",
        "N8N_PORT": str(port),
        "N8N_RUNNERS_ENABLED": "true",
        "N8N_RUNNERS_BROKER_PORT": str(free_port()),
        "N8N_ENCRYPTION_KEY": "only-for-tests",
        "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
        "N8N_EXPRESSION_ENGINE": "legacy",
        "DB_TYPE": "sqlite",
        "NODE_ENV": "production",
        **{f"N8N_{name}": "false" for name in off},
    }


@contextmanager
def running(install: Path, home: Path) -> Iterator[str]:
    """Imports and activates the workflows, starts n8n, and gives the address below which its webhooks hang."""
    program = install / "node_modules" / ".bin" / "n8n"
    port = free_port()
    environment = _environment(home, port)
    version = json.loads((install / "node_modules" / "n8n" / "package.json").read_text())["version"]

    def cli(*arguments: str) -> None:
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"n8n {' '.join(arguments)}: {done.stdout}{done.stderr}"

    cli("import:credentials", f"--input={DATA / 'credentials.json'}")
    cli("import:workflow", f"--input={DATA / 'workflows.json'}")
    # A server that runs does not notice: they are activated before it starts.
    for workflow in json.loads((DATA / "workflows.json").read_text()):
        if workflow["id"] != INACTIVE:
            activate = ["update:workflow", "--active=true"] if version.startswith("1.") else ["publish:workflow"]
            cli(activate[0], f"--id={workflow['id']}", *activate[1:])
    log = home / "n8n.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [program, "start"], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}/webhook"
        _wait_for(f"{url}/workbench/command", server, log)
        yield url
    finally:
        # Its task runner is a process of its own, in the same session.
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(webhook: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the webhook asks for its token: n8n calls itself ready long before."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        assert server.poll() is None, f"n8n ended with {server.returncode}: {log.read_text()[-2000:]}"
        try:
            if httpx.post(webhook, json={}, timeout=5.0, trust_env=False).status_code == 403:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"the webhook was not there after {_READY_S:g} s: {log.read_text()[-2000:]}")
