"""The contract tests' MCP server, run in the ways a server can be reached."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from servers import ROOT, free_port
from tools_server import make
from waiting import until

from workbench.bridge.provider import CallContext
from workbench.bridge.providers.mcp import McpProvider, McpServer
from workbench.bridge.redact import Redactor
from workbench.bridge.tool import Tool, ToolResult

SCRIPT = Path(__file__).parent / "tools_server.py"
SECRET = "s3cret-of-the-tools-server"
PHRASES = {
    "lookup_slots": ("which slots are free on {day}",),
    "slow": ("wait for {seconds} seconds",),
    "keep": ("keep the note {text}",),
    "leak": ("how is the roof today",),
    "die": ("how is the engine today",),
}
TRANSPORTS = ("in-process", "stdio", "stdio legacy", "http", "http legacy")


class HttpServer:
    """The server as a process that listens on loopback; may be killed and started again at the same port."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.kill()
        self._process = subprocess.Popen(  # noqa: ASYNC220 - spawning blocks for a moment, and only the test
            [sys.executable, str(SCRIPT), "http", str(self.port)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TOOLS_LOG": str(self.log), "TOOLS_SECRET": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended with {self._process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Linked:
    """A provider over one transport, and what it told."""

    def __init__(self, transport: str, log: Path, http: HttpServer | None = None, *, timeout_s: float = 5.0) -> None:
        self.log = log
        self.lost: list[str] = []
        self.news: list[list[str]] = []
        self.progress: list[tuple[float | None, str]] = []
        self.tools: dict[str, Tool] = {}
        protocol: Literal["auto", "legacy"] = "legacy" if transport.endswith("legacy") else "auto"
        environment = {"PYTHONPATH": str(ROOT), "TOOLS_LOG": str(log), "TOOLS_SECRET": SECRET}
        target = None
        said: Any = {"timeout_s": timeout_s, "protocol": protocol, "phrases": PHRASES}
        if transport.startswith("stdio"):
            server = McpServer(name="box", command=sys.executable, args=(str(SCRIPT),), env=tuple(environment), **said)
        else:
            url = http.url if http is not None else "http://in.process/mcp"
            server = McpServer(name="box", url=url, **said)
        if transport == "in-process":
            target = make(log, SECRET)
        self.provider = McpProvider(server, redactor=Redactor([SECRET]), environment=environment, target=target)
        self.provider.on_lost = self.lost.append
        self.provider.on_tools = lambda tools: self.news.append([tool.name for tool in tools])

    async def open(self) -> None:
        self.tools = {tool.name: tool for tool in await self.provider.open()}

    async def call(self, name: str, key: str = "k", **arguments: object) -> ToolResult:
        def progressed(fraction: float | None, message: str) -> None:
            self.progress.append((fraction, message))

        return await self.provider.call(self.tools[name], arguments, context=CallContext(key), on_progress=progressed)

    def written(self, line: str) -> int:
        """How often the server wrote this line."""
        return self.log.read_text().splitlines().count(line) if self.log.exists() else 0
