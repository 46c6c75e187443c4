"""The gateway on a CPU with the tiny checkpoint, through the personaplex engine: handshake, reply latency, talks at once.

    uv run --extra personaplex python -m benchmarks.gateway [--talks 1,4,8] [--seconds 20]
    uv run --extra personaplex python -m benchmarks.gateway --reference CHECKOUT --reference-python PYTHON

With `--reference`, NVIDIA's own server is run from a checkout of its repository beside ours, and both are asked by the same bare client, in
turns.

Without it, reply latency is the time from handing a frame to the engine to having the persona's reply to it. Ticks that still play an
earlier reply, because one was late, are counted apart."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.beside_reference import Server, compare, reference
from benchmarks.children import ROOT, Served, child, free_port, wait_until_answered
from benchmarks.table import machine, percentile, table
from workbench.audio.frames import FRAME_MS
from workbench.clock import RealtimeClock
from workbench.engines.base import EngineSpec
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.engines.personaplex.session import PersonaPlexSession
from workbench.personas import Persona
from workbench.testing.talks import spoken

TINY = ROOT / "tests" / "data" / "personaplex"
GATEWAY = ("-c", "import torch; torch.set_num_threads(1); from workbench.cli import main; main()", "gateway", "--device", "cpu")
HANDSHAKES = 20
ON_TIME_SHARE = 0.99
"""Talks are held in real time when this share of ticks has a reply within the tick's deadline."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Talks that ran side by side."""

    talks: int
    replies_ms: list[float]
    ticks: int
    late: int
    dropped: int


async def open_session(engine: PersonaPlexEngine, prompt: str) -> tuple[PersonaPlexSession, float]:
    """A session and how long it took to open, in ms."""
    persona = Persona("tiny", "Tess", "TINYW1", "casual", prompt)
    began_s = time.perf_counter()
    session = await engine.open(EngineSpec("benchmark", persona, persona.voice, RealtimeClock()))
    took_ms = (time.perf_counter() - began_s) * 1_000
    assert isinstance(session, PersonaPlexSession)
    return session, took_ms


async def handshakes(engine: PersonaPlexEngine, *, known: bool) -> list[float]:
    """Times to open a session whose persona the gateway has seen before, or has not."""
    times = []
    for number in range(HANDSHAKES):
        session, took_ms = await open_session(
            engine, "You enjoy a good talk." if known else f"You are visitor number {number} of this shop."
        )
        await session.close()
        times.append(took_ms)
    return times[1:] if known else times


async def talk(engine: PersonaPlexEngine, seconds: float, replies_ms: list[float]) -> PersonaPlexSession:
    """One talk in real time; its replies' latencies are added to `replies_ms`."""
    session, _ms = await open_session(engine, "You enjoy a good talk.")
    clock = RealtimeClock()
    frame = spoken(FRAME_MS / 1_000)
    for _ in range(round(seconds * 1_000 / FRAME_MS)):
        await clock.next_tick()
        began_s = time.perf_counter()
        late, in_step = session.late_frames, not session.playout.behind_ms
        await session.step(frame)
        if in_step and session.late_frames == late:
            replies_ms.append((time.perf_counter() - began_s) * 1_000)
    await session.close()
    return session


async def side_by_side(engine: PersonaPlexEngine, talks: int, seconds: float) -> Ran:
    replies_ms: list[float] = []
    sessions = await asyncio.gather(*(talk(engine, seconds, replies_ms) for _ in range(talks)))
    ticks = talks * round(seconds * 1_000 / FRAME_MS)
    return Ran(talks, replies_ms, ticks, sum(s.late_frames for s in sessions), sum(s.playout.dropped for s in sessions))


async def measure(url: str, talks: list[int], seconds: float) -> None:
    engine = PersonaPlexEngine(url)
    rows = []
    for label, known in (("persona not seen before", False), ("known persona", True)):
        times = await handshakes(engine, known=known)
        rows.append((label, len(times), percentile(times, 50), percentile(times, 95)))
    print(table(("connect to handshake", "n", "p50 ms ↓", "p95 ms ↓"), rows, 1))
    print()
    lines = []
    for ran in [await side_by_side(engine, count, seconds) for count in talks]:
        held = "yes" if ran.ticks - ran.late >= ON_TIME_SHARE * ran.ticks else "no"
        behind = ran.ticks - ran.late - len(ran.replies_ms)
        figures = (percentile(ran.replies_ms, 50), percentile(ran.replies_ms, 95))
        lines.append((str(ran.talks), str(len(ran.replies_ms)), *figures, str(behind), str(ran.late), str(ran.dropped), held))
    head = ("talks at once", "n in time", "reply p50 ms ↓", "p95 ms ↓", "behind ↓", "late ↓", "dropped ↓", "real time")
    print(table(head, lines, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talks", default="1,4,8", help="how many talks at once, several separated by commas")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of our model; NVIDIA's server has bfloat16")
    parser.add_argument("--reference", type=Path, help="a checkout of NVIDIA/personaplex, whose server is run beside ours")
    parser.add_argument("--reference-python", default=sys.executable, help="a Python with the packages of its moshi/requirements.txt")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each server, with --reference")
    given = parser.parse_args()
    talks = [int(count) for count in given.talks.split(",")]
    most = max(talks)
    print(f"Tiny checkpoint, {most} slots, {given.dtype}, one torch thread; {machine()}.\n")
    with ExitStack() as running:
        url, _process = running.enter_context(gateway(most, given.dtype))
        if given.reference is None:
            asyncio.run(measure(url, talks, given.seconds))
            return
        # A talk alone is compared on a server for one talk, as NVIDIA's is: a step of eight rows costs more than a step of one.
        alone = Server("ours, 1 slot", running.enter_context(gateway(1, given.dtype))[0], 1)
        theirs = Server("NVIDIA's", running.enter_context(reference(given.reference, given.reference_python, TINY)), most)
        servers = (alone, Server(f"ours, {most} slots", url, most), theirs)
        asyncio.run(compare(servers, rounds=given.rounds, seconds=given.seconds, talks=talks))


@contextmanager
def gateway(slots: int, dtype: str) -> Iterator[Served]:
    """A gateway in a process of its own, ready for talks: its address and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    flags = ("--checkpoint", str(TINY), "--slots", str(slots), "--dtype", dtype, "--port", str(port))
    with child([*GATEWAY, *flags]) as process:
        wait_until_answered(f"{url}/health", process)
        yield url, psutil.Process(process.pid)


if __name__ == "__main__":
    main()
