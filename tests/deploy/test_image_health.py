"""The images' health check: of servers of every state, and of a real workbench with the compose file's own settings."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from compose_file import ROOT, environment, rendered
from servers import CLI, running
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.private_postgres import PrivatePostgres
from workbench.commands.checks import kept
from workbench.settings import Settings
from workbench.testing.serving import serving


async def asked(url: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "deploy" / "health.py"), url]
    return await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("status", "told", "well"),
    [
        (200, {"status": "ok"}, True),
        (200, {"status": "ready"}, True),
        (200, {"status": "degraded", "faults": ["No engine is ready."]}, False),
        (503, {"status": "failed"}, False),
        (200, ["ok"], False),
    ],
    ids=["ok", "ready", "degraded", "failed", "odd"],
)
async def test_what_counts_as_well(status: int, told: object, well: bool) -> None:
    async def health(_request: object) -> JSONResponse:
        return JSONResponse(told, status)

    async with serving(Starlette(routes=[Route("/health", health)])) as url:
        done = await asked(f"{url}/health")
    assert (done.returncode == 0) is well
    assert bool(done.stderr) is not well


async def test_nobody_there_is_not_well() -> None:
    done = await asked("http://127.0.0.1:9/health")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


@pytest.mark.slow
async def test_a_real_workbench_with_the_settings_of_the_compose_file(
    tmp_path: Path, secrets: dict[str, str], postgres: PrivatePostgres
) -> None:
    """On this machine instead of in containers: address, port, folder and the database's address are this test's. It finds the database
    empty, as at the first start, and the doctor looks on while it runs."""
    given = environment(rendered(secrets, ("cpu",))["services"]["workbench"], secrets)
    mine = {**given, "WORKBENCH_HOST": "127.0.0.1", "WORKBENCH_DB": postgres.new_database()}
    for name in ("WORKBENCH_PORT", "WORKBENCH_DATA_DIR"):
        del mine[name]
    with running(tmp_path / "var", (*CLI, "serve"), **mine) as server:
        done = await asked(f"{server.url}/health")
        assert (done.returncode, done.stderr) == (0, "")
        found = await kept.database(Settings(_env_file=None, db=mine["WORKBENCH_DB"]))
    assert (found.state, "migrations applied" in found.found) == ("ok", True), found
