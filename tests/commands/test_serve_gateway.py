"""`workbench serve` with a gateway of its own on the tiny checkpoint: real processes, real talks, real kills."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from servers import ROOT, SERVE, Running, running
from ws_talks import WsTalk

from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.events import EngineChosen, EngineLost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
TINY = ROOT / "tests" / "data" / "personaplex"
WITHIN_S = 120.0
"""A busy machine takes its time to import torch; what never comes fails all the same."""
PERSONA = "---\nname: Tess\nvoice: TINYW1\nrole: casual\ntools: ['*']\n---\nYou enjoy having a good conversation. Your name is Tess.\n"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "personas"
    folder.mkdir()
    (folder / "tess.md").write_text(PERSONA)
    return {
        "WORKBENCH_PERSONAS_DIR": str(folder),
        "WORKBENCH_PERSONA": "tess",
        "WORKBENCH_GATEWAY_SLOTS": "2",
        # One thread: the tiny model gains nothing by more, and the machine is shared.
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


async def until(look: Callable[[], Any]) -> Any:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + WITHIN_S
    while not (found := await asyncio.to_thread(look)):
        assert time.monotonic() < deadline, f"{look} gave {found!r} to the end"
        await asyncio.sleep(0.1)
    return found


def light(server: Running) -> dict[str, Any]:
    told: dict[str, Any] = server.health()["engines"]["personaplex"]
    return told


def gateways(server: Running) -> list[psutil.Process]:
    return [child for child in server.workers("gateway") if child.status() != psutil.STATUS_ZOMBIE]


async def test_it_starts_serves_is_killed_comes_back_and_dies_with_its_parent(tmp_path: Path, settings: dict[str, str]) -> None:
    server = Running(tmp_path / "var", (*SERVE, "--gateway", str(TINY)), settings)
    try:
        # While it loads: held in its first steps, so that the talk surely begins before it is ready.
        (child,) = await until(lambda: gateways(server))
        child.suspend()
        await asyncio.to_thread(server.wait_until_ready)
        starting = light(server)
        assert starting["state"] == "starting"
        assert "is starting on cpu" in starting["reason"]
        assert server.health()["status"] == "ok"
        assert "far from real time" in server.said
        async with WsTalk(server.url, engine="auto") as early:
            await early.until(lambda: early.of(EngineChosen))
        (chosen,) = early.of(EngineChosen)
        assert chosen.engine == "classic"
        assert "personaplex: The gateway of this server is starting on cpu" in chosen.reason
        child.resume()

        await until(lambda: light(server)["state"] == "ready")
        assert light(server)["capacity"] == 2
        assert "gateway: Loading personaplex" in server.said
        secret = child.environ()["PERSONAPLEX_TOKEN"]
        assert len(secret) > 30
        assert secret not in server.said
        assert secret not in " ".join(child.cmdline())
        (listening,) = [c for c in child.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert listening.laddr.ip == "127.0.0.1"
        refused = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{listening.laddr.port}/voices")
        assert refused.status_code == 401

        async with WsTalk(server.url, engine="auto") as talk:
            await talk.until(lambda: talk.of(EngineChosen), WITHIN_S)
            assert talk.of(EngineChosen)[0].engine == "personaplex"
            assert talk.of(EngineChosen)[0].parts["voice"]["name"] == "TINYW1.wav"
            playing = asyncio.create_task(talk.play(silence(20 * SAMPLE_RATE)))
            await talk.until(lambda: talk.heard_frames >= 10, WITHIN_S)
            child.kill()
            await talk.until(lambda: len(talk.of(EngineChosen)) == 2, WITHIN_S)
            assert [lost.engine for lost in talk.of(EngineLost)] == ["personaplex"]
            assert talk.of(EngineChosen)[1].engine == "classic"
            await talk.client.send_text("what is six times seven")
            await talk.until(lambda: "forty two" in "".join(talk.words), WITHIN_S)
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

        await until(lambda: "was ended by SIGKILL" in server.said)
        assert "It is started again in 1 s (try 1 of 5)." in server.said
        # Not the light, which may be 5 s old.
        await until(lambda: server.said.count("gateway: ready after") == 2)
        (again,) = gateways(server)
        assert again.pid != child.pid
        assert again.environ()["PERSONAPLEX_TOKEN"] != secret
        async with WsTalk(server.url, engine="personaplex") as late:
            await late.play(silence(SAMPLE_RATE))
            await late.until(lambda: late.heard_frames >= 5, WITHIN_S)

        # No goodbye: what ends the child is that its input does.
        server.kill()
        assert not psutil.wait_procs([again], timeout=60)[1]
    finally:
        if server.process.poll() is None:
            server.kill()


async def test_a_checkpoint_that_is_none_is_told_and_talks_go_on(tmp_path: Path, settings: dict[str, str]) -> None:
    with running(tmp_path / "var", (*SERVE, "--gateway", "no/where/at/all"), **settings) as server:
        failed = await until(lambda: (told := light(server))["state"] == "unavailable" and told)
        assert "ended with exit code 2: no/where/at/all: neither a folder nor a repository" in failed["reason"]
        told = server.health()
        assert told["status"] == "degraded"
        assert failed["reason"] in told["faults"][0]
        assert "It is not started again." in server.said
        async with WsTalk(server.url, engine="auto") as talk:
            await talk.until(lambda: talk.of(EngineChosen))
        assert talk.of(EngineChosen)[0].engine == "classic"
        assert server.stop() == 0


async def test_it_ends_with_an_orderly_stop(tmp_path: Path, settings: dict[str, str]) -> None:
    with running(tmp_path / "var", SERVE, **settings, WORKBENCH_GATEWAY=str(TINY)) as server:
        (child,) = gateways(server)
        assert await asyncio.to_thread(server.stop) == 0, server.said
        assert not child.is_running()
        assert not psutil.wait_procs([child], timeout=60)[1]
