"""What stands behind the Topology page: every node of this workbench asked side by side, each with its own deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from workbench.api.live_counts import LiveCounts
from workbench.api.probes import Probe, Probes
from workbench.api.text_talks import TextTalks
from workbench.api.tool_states import ToolStates
from workbench.assembly import Workbench
from workbench.audio.frames import SAMPLE_RATE
from workbench.bridge.fleet import ProviderStatus
from workbench.engines.personaplex.gpus import Gpu, GpuError, find_gpus
from workbench.store import queries
from workbench.store.base import StoreError
from workbench.store.processes import held_elsewhere

log = logging.getLogger(__name__)

T = TypeVar("T")

WITHIN_S = 4.0
"""A node that takes longer is unknown: the page asks every 5 s. Engines and providers have limits of 3 s and 4 s of their own."""
GPU_FRESH_S = 4.0
"""The driver's tool is a process of its own, and some pages may look at once."""


class Silent(Exception):
    """A node did not answer. The message says why."""


class Node(Generic[T]):
    """A part that is asked. Those who ask meanwhile share the answer, and one that hangs is not asked again before it has answered."""

    def __init__(
        self, ask: Callable[[], Awaitable[T]], *, within_s: float = WITHIN_S, fresh_s: float = 0.0, known: tuple[type[Exception], ...] = ()
    ) -> None:
        """`known`: errors whose message is for people; any other is logged too."""
        self._ask, self._within_s, self._fresh_s, self._known = ask, within_s, fresh_s, known
        self.task: asyncio.Task[T] | None = None
        """The last question, perhaps not answered yet."""
        self._done_s = 0.0

    async def get(self) -> T | Silent:
        """The answer, or why there is none."""
        task = self.task
        if task is None or (task.done() and time.monotonic() - self._done_s >= self._fresh_s):
            task = self.task = asyncio.ensure_future(self._asked())
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._within_s)
        except TimeoutError:
            return Silent(f"It gave no answer within {self._within_s:g} s.")
        except self._known as error:
            return Silent(str(error))
        except Exception as error:
            log.exception("a node of the topology failed to answer")
            return Silent(f"It failed to answer: {type(error).__name__}. The log says why.")

    async def _asked(self) -> T:
        try:
            return await self._ask()
        finally:
            self._done_s = time.monotonic()


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store answered, and how long the totals took, ms."""

    totals: dict[str, int]
    read_ms: float
    elsewhere: list[TalkElsewhere]


@dataclass(frozen=True, slots=True)
class TalkNow:
    """One talk that goes on. `step_ms`: the engine's work on a frame, median of the last 30 s; None in a talk without frames too."""

    session_id: str
    user: str
    persona: str
    engine: str
    gateway: str | None
    """The instance that holds the talk, where its engine is a gateway of ours."""
    transport: str
    minutes: float
    """Of session time."""
    turns: int | None
    """These three are None for a talk that is not followed: it is just being opened."""
    tools: int | None
    step_ms: float | None


@dataclass(frozen=True, slots=True)
class TalkElsewhere:
    """A talk that another process on the same store holds, as far as it is written down."""

    session_id: str
    persona: str
    engine: str | None
    transport: str | None
    minutes: float
    """Since it began."""
    turns: int
    tools: int
    held_by: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything at one moment."""

    talks: list[TalkNow]
    engines: dict[str, Probe] | Silent
    providers: Sequence[ProviderStatus] | Silent
    gpus: list[Gpu] | Silent
    stored: Stored | Silent
    seen_at: datetime


class Topology:
    """The nodes of one workbench."""

    def __init__(self, workbench: Workbench, probes: Probes, tool_states: ToolStates, text_talks: TextTalks, live: LiveCounts) -> None:
        self._workbench, self._text_talks, self._live = workbench, text_talks, live
        self.engines = Node(probes.all)
        self.providers = Node(lambda: _first(tool_states.get()))
        self.gpus = Node(_gpus, fresh_s=GPU_FRESH_S, known=(GpuError,))
        self.stored = Node(lambda: asyncio.to_thread(self._read), known=(StoreError,))

    async def look(self) -> Seen:
        """Asks all nodes. Never raises for one of them."""
        engines, providers, gpus, stored = await asyncio.gather(
            self.engines.get(), self.providers.get(), self.gpus.get(), self.stored.get()
        )
        return Seen(self.talks(), engines, providers, gpus, stored, datetime.now(UTC))

    def talks(self) -> list[TalkNow]:
        """Those that go on in this process, the longest first."""
        found = [
            self._talk(
                talk.session_id,
                user=talk.request.user,
                persona=talk.persona.persona_id,
                engine=talk.conversation.engine,
                gateway=gateway.name if (gateway := talk.conversation.engine_parts.get("gateway")) is not None else None,
                transport=talk.request.transport,
                samples=talk.conversation.now_samples,
            )
            for talk in self._workbench.sessions.live.values()
        ]
        found += [
            self._talk(
                talk.session_id,
                user=talk.user,
                persona=talk.persona.persona_id,
                engine="text",
                gateway=None,
                transport="http",
                samples=talk.clock.now_samples,
            )
            for talk in self._text_talks.live
        ]
        return sorted(found, key=lambda talk: -talk.minutes)

    def _talk(self, session_id: str, *, user: str, persona: str, engine: str, gateway: str | None, transport: str, samples: int) -> TalkNow:
        count = self._live.get(session_id)
        return TalkNow(
            session_id=session_id,
            user=user,
            persona=persona,
            engine=engine,
            gateway=gateway,
            transport=transport,
            minutes=samples / SAMPLE_RATE / 60,
            turns=count.turns if count is not None else None,
            tools=count.tools if count is not None else None,
            step_ms=count.step_ms if count is not None else None,
        )

    def _read(self) -> Stored:
        began_s = time.perf_counter()
        bench = self._workbench
        totals = queries.stats(bench.store)
        read_ms = (time.perf_counter() - began_s) * 1_000
        found = queries.going_on_elsewhere(bench.store, bench.here) if bench.store.shared else []
        now = datetime.now(UTC)
        elsewhere = [
            TalkElsewhere(
                session_id=row["session_id"],
                persona=row["persona"] or "unknown",
                engine=row["engine"],
                transport=row["transport"],
                minutes=(now - row["started_at"]).total_seconds() / 60,
                turns=row["turn_count"],
                tools=row["tool_count"],
                held_by=held_elsewhere(row, bench.here) or "another process",
            )
            for row in found
        ]
        return Stored(totals, read_ms, elsewhere)


async def _first(answer: Awaitable[tuple[T, object]]) -> T:
    return (await answer)[0]


async def _gpus() -> list[Gpu]:
    found = await asyncio.to_thread(find_gpus)
    if not found:
        raise GpuError("No NVIDIA driver is found on this machine.")
    return found
