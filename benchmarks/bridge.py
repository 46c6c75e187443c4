"""What the tool bridge costs: utterance to dispatch, its overhead over each provider's own time, and what tools do to a talk's frames.

    uv run python -m benchmarks.bridge [--calls 300] [--talks 50] [--at-once 10]

Calls: a final utterance is offered to the bridge, whose tool goes through its guard to a provider; the result is for the card. The
provider's own time is taken inside the guard. The bare client asks the same server in turn with the bridge. Talks are in real time with
scripted engine and recogniser, each batch without tools and then the same with them; a frame is late when it leaves over 80 ms after its
time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from fastapi.responses import JSONResponse
from mcp import Client, StdioServerParameters

from benchmarks.children import FOREIGN_AT_MOST, ROOT, busy_s, cpu_s
from benchmarks.table import machine, percentile, table
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
from workbench.events import DecisionMade, FrameTiming, ToolFailed, ToolFinished
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder
from workbench.talk import Utterance
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.n8n_stub import N8nStub, Workflow, answering
from workbench.testing.serving import serving
from workbench.testing.talk import FakeTalk
from workbench.testing.talks import TalkResult, run_talk
from workbench.testing.tools import Script, ScriptedProvider
from workbench.testing.user import Line, ScriptedUser

ASKED = "how warm is the greenhouse"
SPOKEN = "The greenhouse is at 21 degrees."
PATH = "workbench/greenhouse"
MCP = StdioServerParameters(command=sys.executable, args=["-m", "benchmarks.mcp_tool"], env={"PYTHONPATH": str(ROOT)})
TALK_S = 9.0
APART_S = 0.25
"""Between the questions of talks that are held at once: people do not ask in step."""
LATE_MS = 80.0
KINDS: Mapping[str, str] = {
    "quick": "success",
    "slow": "success",
    "failing": "error",
    "hanging": "timeout",
    "thread": "success",
    "http": "success",
}
"""How the tool of a talk behaves, in turn, and the status that its row must have."""


def tool(provider: str, timeout_s: float = 10.0) -> Tool:
    return Tool("greenhouse", "Tell how warm the greenhouse is", phrases=(ASKED,), timeout_s=timeout_s, provider=provider)


def stub() -> N8nStub:
    return N8nStub([Workflow(PATH, answering(lambda: JSONResponse({"response_text": SPOKEN})))])


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


@dataclass(slots=True)
class Talks:
    """Figures of one arm of the talks."""

    late_ms: list[float] = field(default_factory=list)
    work_ms: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What is missing or wrong in the store, a line each."""
    rows: int = 0
    wall_s: float = 0.0
    others_s: float = 0.0
    """CPU that other programs took meanwhile."""

    @property
    def others(self) -> float:
        """Cores that other programs took."""
        return self.others_s / self.wall_s if self.wall_s else 0.0


def sleeping(_arguments: Mapping[str, Any]) -> ToolResult:
    time.sleep(1.0)
    return ToolResult(SPOKEN)


def provider_of(kind: str, webhooks: str) -> tuple[Provider, Tool]:
    match kind:
        case "http":
            return N8nProvider(webhooks, [Webhook(tool("n8n"), PATH)]), tool("n8n")
        case "thread":
            local = LocalProvider()
            local.add("greenhouse", sleeping)
            return local, tool("local")
        case "slow":
            return ScriptedProvider({"greenhouse": Script(SPOKEN, slow_ms=1_500)}, clock=RealtimeClock()), tool("scripted")
        case "failing":
            return ScriptedProvider({"greenhouse": Script(error="refused")}), tool("scripted")
        case "hanging":
            return ScriptedProvider({"greenhouse": Script(hangs=True)}), tool("scripted", timeout_s=2.0)
        case _:
            return ScriptedProvider({"greenhouse": Script(SPOKEN)}), tool("scripted")


async def one_talk(name: str, kind: str | None, after_s: float, webhooks: str, recorder: Recorder) -> TalkResult:
    """A user who asks once, after `after_s` of real time; without tools (`kind` None) the engine answers by itself."""
    user = ScriptedUser(Line(ASKED, after_s=after_s, seconds=1.0), until=lambda _event: False)
    bridge = None
    async with AsyncExitStack() as parts:
        if kind is not None:
            provider, asked = provider_of(kind, webhooks)
            if isinstance(provider, N8nProvider):
                parts.push_async_callback(provider.close)
            if isinstance(provider, LocalProvider):
                parts.callback(provider.close)
            registry = Registry()
            registry.add(Guard(provider), asked)
            bridge = Bridge(registry)
        return await run_talk(
            user,
            engines=[ScriptedEngine(["It is warm in the greenhouse."])],
            asr=ScriptedAsr(user.texts),
            actor=bridge,
            tones=True,
            clock=RealtimeClock(),
            max_s=TALK_S,
            session_id=name,
            observers=[recorder.observer(), user],
            on_start=user.join,
        )


def judge(arm: Talks, name: str, kind: str | None, talk: TalkResult, store: DuckDbStore) -> None:
    """Adds a talk's frames, and looks for each of its rows in the store."""
    timings = talk.of(FrameTiming)
    arm.late_ms += [timing.late_ms for timing in timings]
    arm.work_ms += [timing.total_ms for timing in timings]
    stored = len(queries.read_events(store, name))
    arm.rows += stored
    if stored != len(talk.events):
        arm.lost.append(f"{name}: {len(talk.events)} events were published, {stored} are stored")
    session = queries.get_session(store, name) or {}
    if kind is None:
        return
    statuses = [row["status"] for row in session.get("tool_invocations", [])]
    if statuses != [KINDS[kind]]:
        arm.lost.append(f"{name}: the tool's rows are {statuses}, expected {KINDS[kind]}")
    if len(session.get("decisions", [])) != len(talk.of(DecisionMade)) or not talk.of(DecisionMade):
        arm.lost.append(f"{name}: {len(session.get('decisions', []))} decisions are stored")


async def talks(count: int, at_once: int) -> dict[str, Talks]:
    """Both arms, batch by batch in turn."""
    arms = {"without tools": Talks(), "with tools": Talks()}
    kinds = list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "talks.duckdb")
        recorder = Recorder(store, Path(folder), recording=False)
        async with serving(stub().app) as url:
            for first in range(0, count, at_once):
                for arm_name, arm in arms.items():
                    mine = {
                        f"{arm_name.split()[0]}-{number}": kinds[number % len(kinds)] if arm_name == "with tools" else None
                        for number in range(first, min(count, first + at_once))
                    }
                    began_s, others_s = time.perf_counter(), busy_s() - cpu_s(psutil.Process())
                    held = await asyncio.gather(
                        *(
                            one_talk(name, kind, APART_S * place, f"{url}/webhook", recorder)
                            for place, (name, kind) in enumerate(mine.items())
                        )
                    )
                    arm.wall_s += time.perf_counter() - began_s
                    arm.others_s += busy_s() - cpu_s(psutil.Process()) - others_s
                    await asyncio.to_thread(store.flush)
                    for (name, kind), talk in zip(mine.items(), held, strict=True):
                        judge(arm, name, kind, talk, store)
        recorder.close()
        store.close()
    return arms


def tables(measured: Sequence[tuple[str, Calls]], arms: Mapping[str, Talks], count: int) -> str:
    """Everything that was found, as Markdown."""
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
    frames = [
        (
            name,
            count,
            len(arm.late_ms),
            sum(late > LATE_MS for late in arm.late_ms),
            *(percentile(values, q) for values in (arm.late_ms, arm.work_ms) for q in (50, 95)),
            max(arm.late_ms),
            arm.rows,
            len(arm.lost),
            100 * arm.others,
            "yes" if arm.others <= FOREIGN_AT_MOST else "no",
        )
        for name, arm in arms.items()
    ]
    frames_head = [
        "talks",
        "n",
        "frames",
        f"late by over {LATE_MS:.0f} ms",
        "lateness ms p50",
        "p95",
        "work ms p50",
        "p95",
        "latest ms",
        "rows",
        "lost or wrong",
        "others' CPU, % of a core",
        "judged",
    ]
    told = [line for arm in arms.values() for line in arm.lost]
    return "\n\n".join([table(head, rows, digits=2), table(frames_head, frames, digits=2), *told])


async def measure(options: argparse.Namespace) -> str:
    """All measures."""
    measured = await overheads(options.calls)
    arms = await talks(options.talks, options.at_once)
    return tables(measured, arms, options.talks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--talks", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=10)
    options = parser.parse_args()
    print(machine())
    print(asyncio.run(measure(options)))
    print(machine())


if __name__ == "__main__":
    main()
