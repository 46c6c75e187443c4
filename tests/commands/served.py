"""`workbench` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLI = [sys.executable, "-c", "from workbench.cli import main; main()"]
CLIPS = Path(__file__).parents[1] / "data" / "audio"


def clean_environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    names = ("PERSONAPLEX_URL", "HF_TOKEN", "ELEVENLABS_API_KEY", "MAS_ORCHESTRATOR_URL", "MAS_API_URL", "N8N_WEBHOOK_URL", "N8N_URL")
    return {name: value for name, value in os.environ.items() if name not in names and not name.startswith("WORKBENCH_")}


def run_cli(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command run to its end."""
    return subprocess.run(
        [*CLI, *map(str, arguments)], capture_output=True, text=True, env=clean_environment(), cwd=cwd, timeout=120, check=False
    )


class Served:
    """`workbench serve` on a loopback port."""

    def __init__(self, port: int, data_dir: Path, *more: str) -> None:
        """`more`: further flags."""
        self.url = f"http://127.0.0.1:{port}"
        self.told: list[str] = []
        """What it has written on stderr so far, by line."""
        flags = ["serve", "--port", str(port), "--data-dir", str(data_dir), "--test-engines", *more]
        self.process = subprocess.Popen([*CLI, *flags], stderr=subprocess.PIPE, text=True, env=clean_environment(), cwd=data_dir.parent)

    def wait_until_ready(self) -> None:
        """Fails the test with all that was said when the server ends instead."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.told.append(line.rstrip())
            if line.startswith("Ready: "):
                return
        pytest.fail("the server ended: " + "\n".join(self.told))

    async def end(self, signal_number: int) -> int:
        """Sends the signal, waits for the end, and gives the exit code."""
        self.process.send_signal(signal_number)
        _out, rest = await asyncio.to_thread(self.process.communicate)
        self.told += rest.splitlines()
        return self.process.returncode
