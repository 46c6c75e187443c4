"""What tools do to the frames and the rows of talks: each batch is held without tools, then the same with them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.children import FOREIGN_AT_MOST, busy_s, cpu_s
from benchmarks.greenhouse import ASKED, PATH, SPOKEN, stub, tool
from benchmarks.table import percentile, table
from workbench.bridge.bridge import Bridge
from workbench.bridge.guard import Guard
from workbench.bridge.local import LocalProvider
from workbench.bridge.provider import Provider
from workbench.bridge.providers.n8n import N8nProvider, Webhook
from workbench.bridge.registry import Registry
from workbench.bridge.tool import Tool, ToolResult
from workbench.clock import RealtimeClock
from workbench.events import DecisionMade, FrameTiming
from workbench.store import queries
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.serving import serving
from workbench.testing.talks import TalkResult, run_talk
from workbench.testing.tools import Script, ScriptedProvider
from workbench.testing.user import Line, ScriptedUser

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


def talks_table(arms: Mapping[str, Talks], count: int) -> str:
    """Both arms as Markdown, and what was lost, a line each."""
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
    return "\n\n".join([table(frames_head, frames, digits=2), *told])
