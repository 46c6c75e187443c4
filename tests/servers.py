"""Real servers in processes of their own, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from workbench.store.duckdb_store import DuckDbStore

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "tests" / "data" / "audio"
CLI = (sys.executable, "-c", "from workbench.cli import main; main()")
SERVE = (*CLI, "serve", "--test-engines")
"""The real thing: real recogniser and voice, the test engines beside the real ones."""
SCRIPTED = (sys.executable, "-m", "benchmarks.scripted_server")
"""The same server with a scripted recogniser and voice: as many talks as the transport can carry."""
START_WITHIN_S = 150.0
"""A start takes 10 s on a quiet machine; beside other tests and a browser more than a minute was seen."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without settings of whoever runs the tests, and `extra`."""
    names = ("PERSONAPLEX_URL", "HF_TOKEN", "ELEVENLABS_API_KEY", "MAS_ORCHESTRATOR_URL", "MAS_API_URL", "N8N_WEBHOOK_URL", "N8N_URL")
    kept = {name: value for name, value in os.environ.items() if name not in names and not name.startswith("WORKBENCH_")}
    return {**kept, **(extra or {})}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


class Running:
    """One server process. Its log is a file, so that a talkative server never waits for its reader."""

    def __init__(self, data_dir: Path, command: Sequence[str] = SERVE, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = data_dir.parent / f"server-{port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(port), "--data-dir", str(data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Away from the checkout, whose `.env` is its owner's.
                env=clean_environment({"PYTHONPATH": str(ROOT), **(environment or {})}),
                cwd=data_dir.parent,
            )

    @property
    def said(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text()

    def wait_until_ready(self) -> None:
        """Raises AssertionError with all that was said when the server ends instead, or takes too long."""
        deadline = time.monotonic() + START_WITHIN_S
        while "Ready: " not in self.said:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.said}"
            assert time.monotonic() < deadline, f"the server is not ready after {START_WITHIN_S:g} s: {self.said}"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def health(self) -> dict[str, Any]:
        """`GET /health`."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/health", timeout=10.0).raise_for_status().json()
        return answer

    async def health_when(self, **wanted: object) -> dict[str, Any]:
        """`/health` as soon as these fields have these values. Raises TimeoutError when they have not within 30 s."""
        async with asyncio.timeout(30):
            while True:
                told = await asyncio.to_thread(self.health)
                if all(told[name] == value for name, value in wanted.items()):
                    return told
                await asyncio.sleep(0.1)

    def metric(self, name: str) -> float:
        """One figure of `/metrics` that has no labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=10.0).raise_for_status().text
        (value,) = [line.split()[1] for line in text.splitlines() if line.split()[0] == name]
        return float(value)

    def workers(self, module: str) -> list[psutil.Process]:
        """Its child processes that run `module`."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if any(module in part for part in child.cmdline())]

    def limit_files(self, size: int) -> None:
        """From now on no file of the server can grow beyond `size` bytes, as on a full disk; `RLIM_INFINITY` frees it again."""
        psutil.Process(self.process.pid).rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def running(data_dir: Path, command: Sequence[str] = SERVE, **environment: str) -> Iterator[Running]:
    """A server that is ready; killed at the end if the test has not ended it. `environment`: settings such as `WORKBENCH_MAX_SESSIONS`."""
    server = Running(data_dir, command, environment)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


@contextmanager
def opened_store(data_dir: Path) -> Iterator[DuckDbStore]:
    """The store that a server has left behind."""
    store = DuckDbStore(data_dir / "workbench.duckdb")
    try:
        yield store
    finally:
        store.close()
