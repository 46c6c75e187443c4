"""The keeper of a local gateway: states, restarts, secrets and endings, with stand-ins for the gateway's process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from workbench.clock import FastClock, fixed
from workbench.engines.base import EngineError, EngineSpec
from workbench.engines.personaplex import local
from workbench.engines.personaplex.local import LocalGateway
from workbench.engines.roster import Roster
from workbench.testing.engines import EchoEngine
from workbench.testing.talks import TEST_PERSONA

STUB = Path(__file__).parent / "stub_gateway.py"
WITHIN_S = 60.0


class Kept:
    """A gateway that is being kept, and what was told of it."""

    def __init__(self, how: str, folder: Path, waits_s: tuple[float, ...]) -> None:
        self.lines: list[str] = []
        self.folder = folder
        self.gateway = LocalGateway(
            (sys.executable, str(STUB), how, str(folder)), device="cpu", progress=self.lines.append, waits_s=waits_s
        )

    @property
    def starts(self) -> int:
        return len(list(self.folder.iterdir()))

    def children(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if str(STUB) in child.cmdline()]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - the lines set no event
                await asyncio.sleep(0.01)

    def told(self, words: str) -> bool:
        return any(words in line for line in self.lines)


@asynccontextmanager
async def kept(how: str, folder: Path, *waits_s: float) -> AsyncIterator[Kept]:
    made = Kept(how, folder, waits_s)
    made.gateway.start()
    try:
        yield made
    finally:
        await made.gateway.stop()
        assert not made.children()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LOOK_ROUND_S", 0.02)
    monkeypatch.setattr(local, "CHECK_ROUND_S", 0.02)


async def test_it_is_starting_until_its_own_health_says_ready(tmp_path: Path) -> None:
    async with kept("serve", tmp_path) as it:
        answer = await it.gateway.probe()
        assert (answer.state, answer.handshake_ms) == ("starting", None)
        roster = Roster([it.gateway, EchoEngine()], automatic=("personaplex", "echo"))
        name, why, _answer = await roster.choose("auto")
        assert name == "echo"
        assert "personaplex: The gateway of this server is starting on cpu" in why
        with pytest.raises(EngineError, match="is starting on cpu"):
            await roster.choose("personaplex")
        with pytest.raises(EngineError, match="is starting on cpu"):
            await it.gateway.open(EngineSpec("x", TEST_PERSONA, "NATF2", FastClock(fixed({}))))
        await it.until(lambda: it.told("ready after"))
        answer = await it.gateway.probe()
        assert (answer.state, answer.capacity, answer.voices) == ("ready", 3, ("STUB",))
        assert answer.handshake_ms is not None
        (child,) = it.children()
        secret = child.environ()["PERSONAPLEX_TOKEN"]
        assert not it.told(secret)
        assert secret not in " ".join(child.cmdline())
    assert it.lines[0] == "gateway: Opening the stub."


async def test_a_killed_one_is_told_and_started_again(tmp_path: Path) -> None:
    async with kept("serve", tmp_path, 0.05, 30.0) as it:
        await it.until(lambda: it.told("ready after"))
        it.children()[0].kill()
        await it.until(lambda: sum("ready after" in line for line in it.lines) == 2)
        assert it.told("gateway: it was ended by SIGKILL. It is started again in 0.05 s (try 1 of 2).")
        it.children()[0].kill()
        await it.until(lambda: it.told("in 30 s (try 2 of 2)"))
        answer = await it.gateway.probe()
        assert answer.state == "unavailable"
        assert "was ended by SIGKILL" in answer.reason
        assert "started again in 30 s" in answer.repair
    assert it.starts == 2


async def test_tries_have_an_end(tmp_path: Path) -> None:
    async with kept("crash", tmp_path, 0.0, 0.0) as it:
        await it.until(lambda: it.told("not started again"))
        answer = await it.gateway.probe()
        assert answer.state == "unavailable"
        assert answer.reason == "The gateway of this server ended with exit code 3: Traceback: out of cheese."
        assert "restart `workbench serve`" in answer.repair
    assert it.starts == 3


async def test_what_it_says_plainly_is_not_tried_again(tmp_path: Path) -> None:
    async with kept("refuse", tmp_path, 0.0, 0.0) as it:
        await it.until(lambda: it.told("not started again"))
        assert (await it.gateway.probe()).reason.endswith("exit code 2: the licence is not accepted.")
    assert it.starts == 1


async def test_a_command_that_cannot_be_run(tmp_path: Path) -> None:
    lines: list[str] = []
    gateway = LocalGateway((str(tmp_path / "gone"),), device="cpu", progress=lines.append)
    gateway.start()
    async with asyncio.timeout(WITHIN_S):
        while not lines:  # noqa: ASYNC110 - the lines set no event
            await asyncio.sleep(0.01)
    assert "cannot be started" in (await gateway.probe()).reason
    await gateway.stop()


async def test_a_lost_model_is_started_anew(tmp_path: Path) -> None:
    async with kept("serve-then-fail", tmp_path, 0.0) as it:
        await it.until(lambda: it.starts == 2)
        assert it.told("it has lost its model. The gateway at ws://127.0.0.1:")
        assert it.told("has failed: NaN.")


async def test_one_that_does_not_go_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "GOODBYE_S", 0.2)
    async with kept("deaf", tmp_path) as it:
        await it.until(lambda: it.told("ready after"))
        (child,) = it.children()
    assert not child.is_running()


async def test_a_progress_bar_does_not_flood_the_log(tmp_path: Path) -> None:
    async with kept("bar", tmp_path) as it:
        seen = set()
        async with asyncio.timeout(WITHIN_S):
            while len(seen) < 5:
                answer = await it.gateway.probe()
                seen.add(answer.reason.rpartition("fetching")[2])
                await asyncio.sleep(0.01)
        assert answer.state == "starting"
    assert sum("fetching" in line for line in it.lines) <= 2
