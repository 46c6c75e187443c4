"""Kills parts of a running workbench at random while people talk to it, and counts what became of every talk.

A workbench of its own with a gateway on the tiny checkpoint, a tool behind an MCP server, the real recogniser and, where there is one, a
PostgreSQL server. What dies is what has a process: gateway, recogniser, tool provider, database. Who brings it back is the workbench
itself, but for the database.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from servers import CLIPS, ROOT, Running
from ws_talks import WsTalk

from workbench import events
from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.audio.wav import load_wav
from workbench.wire_client import ChatError

TINY = ROOT / "tests" / "data" / "personaplex"
PERSONA = "---\nname: Tess\nvoice: TINYW1\nrole: casual\ntools: ['*']\n---\nYou enjoy having a good conversation. Your name is Tess.\n"
TOOLS = f"""
[[mcp]]
name = "lab"
command = "{sys.executable}"
args = ["-m", "benchmarks.mcp_tool"]
env = ["PYTHONPATH"]
tiers = {{ greenhouse = "read" }}
timeout_s = 5.0

[mcp.phrases]
greenhouse = ["how warm is the greenhouse"]
"""
SPOKEN = ("goforward.wav", "digit_four.wav", "something.wav", "one_two_three.wav", "fw_left.wav")
TYPED = ("how warm is the greenhouse", "what is six times seven", "what time is it in tokyo", "tell me something")
STILL_S = 20.0
"""An open talk whose listener gets no frame for so long hangs. An engine is given up after 5 s; the rest is a busy machine."""
OPEN_S = 120.0
"""A talk that is neither opened nor refused within this hangs. A gateway that loads torch takes the CPU that its start needs."""
DATABASE_GONE_S = 2.0
GATEWAY_APART_S = 25.0
"""Between two kills of the gateway: it takes some seconds to load, and what is not there cannot be lost."""


class Database(Protocol):
    """A database server that can die."""

    def stop(self, how: str = ...) -> None: ...

    def start(self) -> None: ...


@dataclass
class Visit:
    """One talk as its user saw it."""

    talk: WsTalk
    hung_up: bool = False
    """The user ended it; otherwise the server did."""
    why: str = ""
    """The last error that the server told."""


@dataclass
class Told:
    """What happened in a run."""

    visits: list[Visit] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Talks that did not begin, by the code of the refusal."""
    killed: Counter[str] = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)


def environment(folder: Path, database: str) -> Mapping[str, str]:
    """The settings of the workbench, with the files they name."""
    (folder / "personas").mkdir()
    (folder / "personas" / "tess.md").write_text(PERSONA)
    (folder / "tools.toml").write_text(TOOLS)
    return {
        "WORKBENCH_PERSONAS_DIR": str(folder / "personas"),
        "WORKBENCH_PERSONA": "tess",
        "WORKBENCH_TOOLS_FILE": str(folder / "tools.toml"),
        "WORKBENCH_ASR": "pocketsphinx",
        "WORKBENCH_GATEWAY": str(TINY),
        "WORKBENCH_GATEWAY_SLOTS": "2",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "WORKBENCH_DB": database,
    }


async def visitor(server: Running, number: int, seed: int, until_s: float, told: Told) -> None:
    """One person: talk after talk, a clip or a typed request at a time."""
    chance = random.Random(f"{seed}-{number}")
    while time.monotonic() < until_s:
        talk = WsTalk(server.url, engine="auto", open_within_s=OPEN_S)
        visit = Visit(talk)
        try:
            async with talk:
                told.visits.append(visit)
                for _ in range(chance.randint(2, 5)):
                    if talk.over:
                        break
                    await something(talk, chance, told)
                visit.hung_up = not talk.over
        except ChatError as error:
            # Before it began it was refused; afterwards it was ended while its user spoke.
            if visit not in told.visits:
                told.refused[error.code] += 1
                if error.code == "connection":
                    told.hangs.append(f"a talk could not be opened: {error}")
                await asyncio.sleep(0.5)
        except TimeoutError:
            told.hangs.append(f"{talk.session_id} did not end when its user hung up")
        visit.why = "; ".join(f"{error.code}: {error.message}" for error in talk.errors)


async def something(talk: WsTalk, chance: random.Random, told: Told) -> None:
    """The user says or types something, and listens for a while."""
    if chance.random() < 0.5:
        await talk.client.send_text(chance.choice(TYPED))
    sound = load_wav(CLIPS / chance.choice(SPOKEN))
    playing = asyncio.create_task(talk.play(np.concatenate([sound, silence(round(chance.uniform(1, 3) * SAMPLE_RATE))])))
    heard, since_s = talk.heard_frames, time.monotonic()
    while not playing.done() and not talk.over:
        await asyncio.sleep(0.1)
        if talk.heard_frames != heard:
            heard, since_s = talk.heard_frames, time.monotonic()
        elif time.monotonic() - since_s > STILL_S:
            told.hangs.append(f"{talk.session_id} gave no frame for {STILL_S:g} s")
            break
    playing.cancel()
    (result,) = await asyncio.gather(playing, return_exceptions=True)
    if isinstance(result, Exception) and not isinstance(result, ChatError):
        raise result


class Killer:
    """Kills one part every `every_s`: each kind once in an order of chance, then any."""

    def __init__(self, server: Running, database: Database | None, seed: int, told: Told) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._told = told
        self._kinds: dict[str, Callable[[], bool]] = {
            "gateway": lambda: self._kill("gateway"),
            "recogniser": lambda: self._kill("pocketsphinx_worker"),
            "provider": lambda: self._kill("mcp_tool"),
        }
        if database is not None:
            self._kinds["database"] = lambda: restart(database)

    async def run(self, every_s: float, until_s: float) -> None:
        """Until nothing more could come back within the run."""
        first, gateway_from_s = list(self._kinds), 0.0
        self._chance.shuffle(first)
        while time.monotonic() + every_s < until_s:
            await asyncio.sleep(every_s * self._chance.uniform(0.7, 1.3))
            kind = first.pop() if first else self._chance.choice(list(self._kinds))
            if kind == "gateway" and time.monotonic() < gateway_from_s:
                continue
            if await asyncio.to_thread(self._kinds[kind]):
                self._told.killed[kind] += 1
                gateway_from_s = time.monotonic() + GATEWAY_APART_S if kind == "gateway" else gateway_from_s

    def _kill(self, module: str) -> bool:
        """SIGKILL to one child of the server that runs `module`; False when there is none just now."""
        if found := self._server.workers(module):
            self._chance.choice(found).kill()
        return bool(found)


def restart(database: Database) -> bool:
    """As when its machine loses power: gone at once, and back a little later."""
    database.stop("immediate")
    time.sleep(DATABASE_GONE_S)
    database.start()
    return True


async def run(server: Running, *, database: Database | None, seconds: float, every_s: float, visitors: int, seed: int) -> Told:
    """Visitors and kills for `seconds`; every talk is over afterwards."""
    told = Told()
    until_s = time.monotonic() + seconds
    killer = Killer(server, database, seed, told)
    await asyncio.gather(killer.run(every_s, until_s), *(visitor(server, number, seed, until_s, told) for number in range(visitors)))
    return told


def faults_of(visit: Visit, kept: list[events.Event], session: Mapping[str, object] | None) -> list[str]:
    """What is missing or wrong in the rows of one talk, a line each."""
    talk = visit.talk
    name = talk.session_id
    if session is None:
        return [f"{name} has no row"]
    faults = []
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    if ticks != list(range(1, len(ticks) + 1)):
        faults.append(f"{name}: ticks have a hole ({len(ticks)} of {ticks[-1] if ticks else 0})")
    if len(ticks) < talk.heard_frames:
        faults.append(f"{name}: {talk.heard_frames} frames were heard and {len(ticks)} are stored")
    others = [event for event in kept if not isinstance(event, events.FrameTiming)]
    if talk.events:
        first = others.index(talk.events[0]) if talk.events[0] in others else len(others)
        if others[first : first + len(talk.events)] != talk.events:
            faults.append(f"{name}: of {len(talk.events)} events that were told, some are not stored")
    last = others[-1] if others else None
    if not isinstance(last, events.SessionClosed):
        faults.append(f"{name}: its last event is {last.kind if last else 'none'}")
    elif session["is_active"] or session["ended_reason"] != last.reason:
        faults.append(f"{name}: ended as {last.reason}, its row says {session['ended_reason']}, active {session['is_active']}")
    elif (last.reason == "hung_up") != visit.hung_up:
        faults.append(f"{name}: its user {'hung up' if visit.hung_up else 'was cut off'}, and it ended as {last.reason} {last.detail}")
    begun = {event.invocation_id for event in others if isinstance(event, events.ToolStarted)}
    ends = (events.ToolFinished, events.ToolFailed, events.ToolCancelled, events.ToolRefused)
    if open_calls := begun - {event.invocation_id for event in others if isinstance(event, ends)}:
        faults.append(f"{name}: {len(open_calls)} tool calls began and never ended")
    return faults
