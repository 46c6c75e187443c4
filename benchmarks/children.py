"""Servers and clients of a benchmark, each in a process of its own, and the CPU they spend."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
SERVE = ("-c", "from workbench.cli import main; main()", "serve", "--test-engines")
SCRIPTED = ("-m", "benchmarks.scripted_server")
Served = tuple[str, psutil.Process]
"""A server's address and its process."""
START_WITHIN_S = 60.0
FOREIGN_AT_MOST = 0.3
"""Cores that other programs may take while something is measured that they would make late."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@contextmanager
def child(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process, ended with SIGTERM. What it wrote on stderr is shown when it failed."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=30)
            elif process.returncode:
                log.seek(0)
                print(f"{arguments} ended with {process.returncode}: {log.read()[-2_000:]}", file=sys.stderr)


@contextmanager
def server(command: Sequence[str], **environment: str) -> Iterator[Served]:
    """A server with a data folder of its own: its address once `/health` (or the first page) answers, and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, child([*command, "--port", str(port), "--data-dir", folder], environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_answered(f"{url}/health", process)
        yield url, psutil.Process(process.pid)


def wait_until_answered(url: str, process: subprocess.Popen[str]) -> float:
    """Asks until there is a 200; gives the `perf_counter` of the answer. Raises SystemExit when there is none in `START_WITHIN_S`."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5.0, follow_redirects=True).status_code == 200:
                return time.perf_counter()
        except httpx.TransportError:
            time.sleep(0.02)
    raise SystemExit(f"{url} did not answer within {START_WITHIN_S:g} s")


def cpu_s(process: psutil.Process) -> float:
    """CPU time that one process has spent so far, in seconds."""
    spent = process.cpu_times()
    return spent.user + spent.system


def busy_s() -> float:
    """CPU that the whole machine has spent so far, in core seconds."""
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - spent.iowait - spent.guest - spent.guest_nice)


def yardstick_ms() -> float:
    """CPU time of a small fixed calculation. It grows when the machine becomes slower under us: another core that shares its parts, a host
    that gives less. Waiting for a core is not in it."""
    began_s, total = time.thread_time(), 0
    for number in range(300_000):
        total += number * number % 7
    assert total
    return (time.thread_time() - began_s) * 1_000
