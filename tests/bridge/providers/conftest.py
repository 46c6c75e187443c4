from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import n8n_server
import pytest
from fastapi.responses import HTMLResponse

from workbench.testing.n8n_stub import N8nStub, Workflow, answering, command, slow
from workbench.testing.serving import serving


@pytest.fixture(scope="session")
def real_n8n(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The webhooks of a real n8n, started once for all tests."""
    install = os.environ.get("WORKBENCH_N8N_DIR")
    if not install:
        pytest.skip("WORKBENCH_N8N_DIR names no n8n install (npm install n8n)")
    with n8n_server.running(Path(install), tmp_path_factory.mktemp("n8n")) as url:
        yield url


def stub() -> N8nStub:
    """The workflows of `tests/data/n8n`, played. Text is sent as n8n sends it: called HTML."""
    return N8nStub(
        [
            Workflow("workbench/command", command, header=n8n_server.HEADER),
            Workflow("workbench/slow", slow(2.0)),
            Workflow("workbench/text", answering(lambda: HTMLResponse("The greenhouse is at 21 °C."))),
            Workflow("workbench/inactive", command, active=False),
        ]
    )


@pytest.fixture(params=["stub", pytest.param("real", marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def webhooks(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of the webhooks, of the stub and of a real n8n."""
    if request.param == "real":
        yield request.getfixturevalue("real_n8n")
        return
    async with serving(stub().app) as url:
        yield f"{url}/webhook"
