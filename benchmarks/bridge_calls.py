"""Utterance to dispatch, and the bridge's overhead over each provider's own time, beside a bare client of the same server."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from mcp import Client, StdioServerParameters

from benchmarks.children import ROOT
from benchmarks.greenhouse import ASKED, PATH, SPOKEN, stub, tool
from benchmarks.table import percentile, table
from workbench.bridge.bridge import Bridge
from workbench.bridge.guard import Guard
from workbench.bridge.invocation import Timing
from workbench.bridge.local import LocalProvider
from workbench.bridge.provider import CallContext, OnProgress, Provider, ProviderState
from workbench.bridge.providers.mcp import McpProvider, McpServer
from workbench.bridge.providers.n8n import N8nProvider, Webhook
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolResult
from workbench.clock import RealtimeClock
from workbench.events import ToolFailed, ToolFinished
from workbench.talk import Utterance
from workbench.testing.serving import serving
from workbench.testing.talk import FakeTalk

MCP = StdioServerParameters(command=sys.executable, args=["-m", "benchmarks.mcp_tool"], env={"PYTHONPATH": str(ROOT)})


class Timed:
    """A provider whose calls are timed from the inside."""

    def __init__(self, inner: Provider) -> None:
        self.name = inner.name
        self.began_s = 0.0
        self.took_ms = 0.0
        self._inner = inner

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        self.began_s = time.perf_counter()
        try:
            return await self._inner.call(tool, arguments, context=context, on_progress=on_progress)
        finally:
            self.took_ms = (time.perf_counter() - self.began_s) * 1_000

    async def probe(self) -> ProviderState:
        return await self._inner.probe()


class CardTalk(FakeTalk):
    """A talk in real time without any voice, which knows when the last tool ended."""

    def __init__(self) -> None:
        super().__init__(can_say=False, host_can_say=False)
        self.clock = RealtimeClock()
        self.ended = asyncio.Event()
        self.ended_s = 0.0

    def publish(self, event: Any, /, **fields: Any) -> Any:
        if event in (ToolFinished, ToolFailed):
            self.ended_s = time.perf_counter()
            self.ended.set()
        return super().publish(event, **fields)


@dataclass(slots=True)
class Calls:
    """Figures of the calls of one provider, in ms."""

    dispatch: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    """From the utterance to the result's event."""
    bare: list[float] = field(default_factory=list)


async def calls(inner: Provider, asked: Tool, bare: Callable[[], Awaitable[object]], count: int) -> Calls:
    """`count` calls through the bridge, each followed by one of the bare client."""
    talk, timed, registry, found = CardTalk(), Timed(inner), Registry(), Calls()
    guard = Guard(timed)
    registry.add(guard, asked)
    bridge = Bridge(registry, timing=Timing(filler=""))
    bridge.attach(talk)
    for number in range(-10, count):
        talk.ended.clear()
        now, offered_s = talk.clock.now_samples, time.perf_counter()
        await bridge.offer(Utterance(f"u{number}", ASKED, now, now))
        await talk.ended.wait()
        total_ms = (talk.ended_s - offered_s) * 1_000
        began_s = time.perf_counter()
        await bare()
        bare_ms = (time.perf_counter() - began_s) * 1_000
        if number >= 0:  # the first ten open connections and fill caches
            found.dispatch.append((timed.began_s - offered_s) * 1_000)
            found.own.append(timed.took_ms)
            found.overhead.append(total_ms - timed.took_ms)
            found.whole.append(total_ms)
            found.bare.append(bare_ms)
    failed = talk.of(ToolFailed)
    await bridge.close("done")
    if failed:
        raise SystemExit(f"{len(failed)} calls of {inner.name} failed, the first with: {failed[0].error}")
    return found


async def local_function(_arguments: Mapping[str, Any]) -> ToolResult:
    return ToolResult(SPOKEN)


@asynccontextmanager
async def mcp_client() -> AsyncIterator[Client]:
    async with Client(MCP) as client:
        yield client


async def overheads(count: int) -> list[tuple[str, Calls]]:
    """The calls of every provider."""
    found = []
    local = LocalProvider()
    local.add("greenhouse", local_function)
    found.append(("local function", await calls(local, tool("local"), lambda: local_function({}), count)))
    local.close()
    async with serving(stub().app) as url, httpx.AsyncClient() as client:
        n8n = N8nProvider(f"{url}/webhook", [Webhook(tool("n8n"), PATH)])
        body = {"request_id": "r", "actor": "a", "action": "greenhouse", "params": {}, "confirm": False, "correlation_id": "c"}
        found.append(("n8n stub over HTTP", await calls(n8n, tool("n8n"), lambda: client.post(f"{url}/webhook/{PATH}", json=body), count)))
        await n8n.close()
    async with mcp_client() as client:
        server = McpServer(name="bench", command=MCP.command, args=tuple(MCP.args), env=("PYTHONPATH",), phrases={"greenhouse": (ASKED,)})
        mcp = McpProvider(server, environment={"PYTHONPATH": str(ROOT)})
        (asked,) = await mcp.open()
        found.append(("MCP server over stdio", await calls(mcp, asked, lambda: client.call_tool("greenhouse", {}), count)))
        await mcp.close()
    return found


def calls_table(measured: Sequence[tuple[str, Calls]]) -> str:
    """The figures of every provider, as Markdown."""
    rows = []
    for name, found in measured:
        figures = [
            percentile(values, q) for values in (found.dispatch, found.own, found.overhead, found.whole, found.bare) for q in (50, 95)
        ]
        rows.append((name, len(found.own), *figures))
    head = ["provider", "n"]
    head += [
        f"{what} {q}"
        for what in ("utterance → dispatch ms", "provider's own ms", "bridge's overhead ms", "whole ms", "bare client ms")
        for q in ("p50", "p95")
    ]
    return table(head, rows, digits=2)
