"""The doctor's words on ports, providers of tools and the language model, each a real one on loopback or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from workbench.commands.checks import machine, services
from workbench.settings import Settings
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nothing listens, kept from others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


async def test_a_provider_that_answers_and_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody() as address:
        file = tmp_path / "tools.toml"
        file.write_text(f'[n8n]\nurl = "{address}"\n')
        async with serving(MasStub().app) as url:
            monkeypatch.setenv("MAS_ORCHESTRATOR_URL", url)
            found = await services.tools(Settings(_env_file=None, tools_file=file))
    told = {one.found.partition(" ")[0]: one for one in found}
    assert [(name, told[name].state) for name in ("local", "mas", "n8n")] == [("local", "ok"), ("mas", "ok"), ("n8n", "warning")], found
    assert told["n8n"].repair == "export N8N_WEBHOOK_URL=http://HOST:5678"


async def test_a_tools_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text("[mas")
    (found,) = await services.tools(Settings(_env_file=None, tools_file=tmp_path / "tools.toml"))
    assert (found.state, found.repair) == ("error", f"edit {tmp_path / 'tools.toml'}")


async def test_a_language_model_is_asked_for_a_word() -> None:
    async def chat(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer right":
            return JSONResponse({}, 401)
        said = 'data: {"choices": [{"delta": {"content": "ready"}}]}\n\ndata: [DONE]\n\n'
        return StreamingResponse(iter([said]), media_type="text/event-stream")

    async with serving(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])) as url:
        told = {"llm_base_url": f"{url}/v1", "llm_model": "small"}
        good = await services.language_model(Settings(_env_file=None, **told, llm_api_key="right"))
        bad = await services.language_model(Settings(_env_file=None, **told, llm_api_key="wrong"))
    assert (good.state, good.found.startswith("small at 127.0.0.1 said its first piece")) == ("ok", True), good
    assert (bad.state, "refused the key" in bad.found) == ("warning", True)
    assert "wrong" not in bad.found
    with nobody() as address:
        away = await services.language_model(Settings(_env_file=None, llm_base_url=address))
    assert (away.state, away.repair) == ("warning", "unset WORKBENCH_LLM_BASE_URL")
    assert (await services.language_model(Settings(_env_file=None))).state == "ok"
    assert (await services.language_model(Settings(_env_file=None, llm_base_url="ftp://x"))).state == "error"


async def test_who_holds_a_port_is_told() -> None:
    async def health(_request: Request) -> Response:
        return JSONResponse({"service": "personaplex-workbench", "status": "degraded"})

    async with serving(Starlette(routes=[Route("/health", health)])) as url:
        own, _gateway = await machine.ports(Settings(_env_file=None, port=int(url.rpartition(":")[2])))
    assert (own.state, "A workbench runs there, degraded." in own.found) == ("warning", True), own
