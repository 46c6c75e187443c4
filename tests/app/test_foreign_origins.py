"""Every route of the whole server, those of the page's library and its files too, asked by a page of another origin: it can neither read,
nor write, nor open a socket; nor can one whose name was made to point here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from workbench.api.app import create_app
from workbench.app.mount import add_pages
from workbench.app.unused_routes import STREAMS
from workbench.assembly import assemble
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts

EVIL = "https://evil.example"
FRIEND = "https://friend.example"


@dataclass(frozen=True)
class Place:
    path: str
    methods: tuple[str, ...]
    """Empty for a WebSocket."""


def places(routes: Any, before: str = "") -> Iterator[Place]:
    """Everything that an app answers, with names put in for path parameters."""
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from places(router.routes, before + route.include_context.prefix)
            continue
        path = before + re.sub(r"{[^}]*}", "x", route.path)
        if isinstance(route, Mount):
            inner = getattr(route.app, "routes", None)
            yield from places(inner, path) if inner else iter([Place(f"{path}/talk.css", ("GET", "HEAD"))])
        else:
            methods = getattr(route, "methods", None)
            yield Place(path, tuple(sorted(methods)) if methods else ())


@dataclass(frozen=True)
class Whole:
    app: FastAPI
    client: httpx.AsyncClient
    places: list[Place]


@pytest.fixture
async def whole(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    """The app with its pages; the parameter are its allowed origins."""
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", turn_fixed_hold_ms=500.0, allowed_origins=getattr(request, "param", ()))
    bench = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts(voices=("slt",))])
    app = create_app(bench)
    calls = add_pages(app)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            yield Whole(app, client, [place for place in places(app.routes) if STREAMS not in place.path])
    finally:
        await calls.close()
        await bench.close()


async def opened(app: FastAPI, path: str, **headers: str) -> str:
    """What a WebSocket's opening is answered with."""
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"} if not sent else {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "ws",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()], "subprotocols": [],
        "server": ("localhost", 80), "client": ("127.0.0.1", 1), "state": {}, "extensions": {},
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]


async def test_no_route_answers_a_page_of_another_origin(whole: Whole) -> None:
    asked = sockets = 0
    for place in whole.places:
        if not place.methods:
            assert await opened(whole.app, place.path, origin=EVIL) == "websocket.close", place
            assert await opened(whole.app, place.path, host="evil.example", origin="http://evil.example") == "websocket.close", place
            sockets += 1
            continue
        for method in {*place.methods, "POST"}:
            answer = await whole.client.request(method, place.path, headers={"origin": EVIL})
            assert answer.status_code == 403, (method, place)
            assert not [name for name in answer.headers if name.startswith("access-control-")], (method, place)
            asked += 1
        preflight = {"origin": EVIL, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        answer = await whole.client.options(place.path, headers=preflight)
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (403, None), place
        rebound = await whole.client.get(place.path, headers={"host": "evil.example", "origin": "http://evil.example"})
        assert (rebound.status_code, rebound.json()["code"]) == (400, "unknown_host"), place
        hidden = await whole.client.get(place.path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
        assert hidden.status_code == 403, place
    assert sockets >= 3
    assert asked > 400
    for origin in ("null", "file://", "http://localhost.evil.example", "https://localhost@evil.example", "chrome-extension://x"):
        assert (await whole.client.get("/api/tools", headers={"origin": origin})).status_code == 403, origin
    assert {"/api/chat", "/webrtc/offer", "/talk/talk.css", "/gradio_api/queue/join", "/tools/gradio_api/upload"} <= {
        place.path for place in whole.places
    }


async def test_the_own_page_and_programs_are_answered(whole: Whole) -> None:
    for headers in (
        {},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ):
        for path in ("/", "/tools/", "/api/tools", "/talk/talk.css"):
            answer = await whole.client.get(path, headers=headers)
            assert answer.status_code == 200, (path, headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")], path


@pytest.mark.parametrize("whole", [(FRIEND,)], indirect=True)
async def test_a_listed_origin_may_use_the_api_and_nothing_else(whole: Whole) -> None:
    answer = await whole.client.get("/api/tools", headers={"origin": FRIEND})
    assert (answer.status_code, answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (200, FRIEND, "Origin")
    assert "access-control-allow-credentials" not in answer.headers
    preflight = {"origin": FRIEND, "access-control-request-method": "PUT", "access-control-request-headers": "authorization,content-type"}
    answer = await whole.client.options("/api/personas/myca", headers=preflight)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, FRIEND)
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    for path in ("/", "/config", "/tools/config", "/gradio_api/info", "/talk/talk.css"):
        answer = await whole.client.get(path, headers={"origin": FRIEND})
        assert not [name for name in answer.headers if name.startswith("access-control-")], path
    assert await opened(whole.app, "/api/chat", origin=FRIEND) == "websocket.accept"
    for near in (f"{FRIEND}.evil.example", "http://friend.example", f"{FRIEND}:8443", "https://xfriend.example"):
        assert (await whole.client.get("/api/tools", headers={"origin": near})).status_code == 403, near
        assert await opened(whole.app, "/api/chat", origin=near) == "websocket.close", near


@pytest.mark.parametrize("whole", [("*",)], indirect=True)
async def test_all_origins_may_read_without_cookies(whole: Whole) -> None:
    answer = await whole.client.get("/api/tools", headers={"origin": EVIL})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in answer.headers
