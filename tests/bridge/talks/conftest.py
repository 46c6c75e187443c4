"""The engines that every scripted talk is held with: classic, and PersonaPlex on the tiny checkpoint behind a gateway process."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from servers import CLI, ROOT, clean_environment, free_port

from workbench.engines.base import Engine
from workbench.engines.classic.engine import ClassicEngine
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.testing.responder import ScriptedResponder
from workbench.testing.tts import ToneTts

TINY = ROOT / "tests" / "data" / "personaplex"


@pytest.fixture(scope="session")
def gateway_url() -> Iterator[str]:
    """A gateway that waits for every client's frame, so that talks can be driven faster or slower than real time."""
    if find_spec("torch") is None or find_spec("moshi") is None:
        pytest.skip("torch and moshi are not installed: uv sync --extra personaplex")
    port = free_port()
    flags = ("--checkpoint", str(TINY), "--device", "cpu", "--slots", "1", "--pace", "client", "--port", str(port))
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        process = subprocess.Popen(
            [*CLI, "gateway", *flags], stdout=log, stderr=log, env=clean_environment({"PYTHONPATH": str(ROOT)}), cwd=folder
        )
        try:
            yield f"ws://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


async def ready(engine: Engine) -> Engine:
    """The engine, once its handshake answers."""
    async with asyncio.timeout(120):
        while (await engine.probe()).state != "ready":  # noqa: ASYNC110 - another process has no event of ours
            await asyncio.sleep(0.1)
    return engine


@pytest.fixture(params=["classic", "personaplex"])
async def engine(request: pytest.FixtureRequest) -> Engine:
    """Both answer for themselves and both can say what they are given; only PersonaPlex talks while it listens."""
    if request.param == "classic":
        return ClassicEngine(ToneTts(), lambda _persona: ScriptedResponder(("Fine.",)), lambda _tts, _voice: (None, None), max_sessions=2)
    return await ready(PersonaPlexEngine(request.getfixturevalue("gateway_url")))
