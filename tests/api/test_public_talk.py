"""A public Talk page before a private house: what the page needs is open, and nothing else."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from workbench.api.login import passwords_of
from workbench.api.talk_page import talk_page
from workbench.app.mount import add_pages
from workbench.assembly import AssemblyError
from workbench.settings import Settings

OPERATOR, VIEWER = "opens everything", "looks only"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"password": SecretStr(OPERATOR), "viewer_password": SecretStr(VIEWER), "public_talk": True})


async def test_every_route_but_those_of_the_talk_page_asks_for_the_password(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Every route of the whole app, its pages included, is asked as a stranger."""
    calls = add_pages(app)
    try:
        documented = {path: methods for path, methods in app.openapi()["paths"].items() if path != "/health"}
        assert len(documented) > 30
        for path, methods in documented.items():
            for method in methods:
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code == 401, (method, path)
        for path in ("/docs", "/openapi.json", "/webrtc/offer", "/metrics", "/plotly/plotly.js", "/nowhere"):
            assert (await client.get(path)).status_code == 401, path
        for page in ("/sessions", "/personas", "/latency", "/topology", "/tools"):
            for path in (f"{page}/gradio_api/queue/join", f"{page}/gradio_api/queue/data", f"{page}/config"):
                assert (await client.get(path)).status_code == 401, path
                assert (await client.post(path)).status_code == 401, path
        page = await client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "wb-start" in page.text
        assert "/logout" not in page.text
    finally:
        await calls.close()


@pytest.mark.parametrize(
    ("method", "path", "open_"),
    [
        ("GET", "/", True),
        ("GET", "/talk/talk.js", True),
        ("GET", "/assets/index-1.js", True),
        ("POST", "/gradio_api/queue/join", True),
        ("POST", "/gradio_api/run/predict", True),
        ("GET", "/gradio_api/queue/data", True),
        ("POST", "/", False),
        ("POST", "/gradio_api/upload", False),
        ("GET", "/gradio_api/file=/etc/passwd", False),
        ("GET", "/gradio_api/proxy=http://x", False),
        ("GET", "/assets/../api/sessions", False),
        ("GET", "/talk/..", False),
        ("GET", "/sessions", False),
        ("GET", "/api/sessions", False),
        ("DELETE", "/", False),
        ("POST", "/webrtc/offer", False),
        ("GET", "/metrics", False),
        ("GET", "//", False),
        ("GET", "/\n", False),
    ],
)
def test_what_the_talk_page_needs(method: str, path: str, open_: bool) -> None:
    assert talk_page(method, path) is open_


@pytest.mark.parametrize(("path", "open_"), [("/api/page/abc123", True), ("/api/chat", False), ("/api/talks/x/live", False), ("/", False)])
def test_its_sockets(path: str, open_: bool) -> None:
    assert talk_page("WEBSOCKET", path) is open_


async def test_operators_and_viewers_are_what_they_were(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/tools", headers={"authorization": f"Bearer {OPERATOR}"})).status_code == 200
    viewer = {"authorization": f"Bearer {VIEWER}"}
    assert (await client.get("/api/tools", headers=viewer)).status_code == 200
    assert (await client.get("/", headers=viewer)).headers["location"] == "/sessions"
    assert (await client.post("/gradio_api/queue/join", headers=viewer)).status_code == 403


def test_a_public_talk_page_needs_a_password_for_the_rest(settings: Settings) -> None:
    with pytest.raises(AssemblyError, match="WORKBENCH_PASSWORD"):
        passwords_of(settings.model_copy(update={"password": None, "viewer_password": None}))
