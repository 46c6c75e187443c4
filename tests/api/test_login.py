"""The login: nobody without the password, viewers read, and neither a cookie nor an address can be made up."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.api.guesses import FAILURES_EVERYWHERE_PER_MINUTE, FAILURES_PER_MINUTE, Guesses
from workbench.api.login import COOKIE, Login, passwords_of
from workbench.api.seals import seals_of
from workbench.api.token_check import TokenCheck
from workbench.app import shell
from workbench.assembly import AssemblyError, Workbench
from workbench.settings import Settings

OPERATOR, VIEWER = "opens everything", "looks only"
HTML = {"accept": "text/html"}
CHANGES = [
    ("DELETE", "/api/mas/voice/sessions?session_id=x"),
    ("POST", "/api/export"),
    ("PUT", "/api/personas/myca"),
    ("POST", "/api/tools/arithmetic/call"),
    ("POST", "/webrtc/offer"),
    ("POST", "/gradio_api/queue/join"),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"password": SecretStr(OPERATOR), "viewer_password": SecretStr(VIEWER)})


async def logged_in(client: httpx.AsyncClient, password: str) -> httpx.Response:
    return await client.post("/login?next=/tools/", data={"password": password})


async def test_without_the_password_nothing_is_answered(client: httpx.AsyncClient) -> None:
    page = await client.get("/tools/?session=x", headers=HTML)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Ftools%2F%3Fsession%3Dx")
    for path in ("/", "/api/tools", "/voice/sessions", "/docs", "/metrics", "/openapi.json", "/talk/talk.js", "/nowhere"):
        assert (await client.get(path)).status_code == 401, path
    for method, path in CHANGES:
        assert (await client.request(method, path)).status_code == 401, path
    assert (await client.get("/health")).status_code == 200
    shown = await client.get("/login")
    assert 'type="password"' in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


async def test_the_operator_may_everything(client: httpx.AsyncClient) -> None:
    let_in = await logged_in(client, OPERATOR)
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/tools/")
    cookie = let_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert OPERATOR not in cookie
    assert (await client.get("/api/tools")).status_code == 200
    assert (await client.post("/api/tools/arithmetic/call", json={"arguments": {"expression": "6*7"}})).status_code == 200
    assert "/logout" in shell.top("/tools", login=True)
    assert "/logout" not in shell.top("/tools")
    assert (await client.get("/logout")).status_code == 303
    assert (await client.get("/api/tools")).status_code == 401


async def test_a_program_sends_it_as_a_bearer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/tools", headers={"authorization": f"Bearer {OPERATOR}"})).status_code == 200
    assert (await client.get("/api/tools", headers={"authorization": "Bearer wrong"})).status_code == 401


async def test_a_viewer_reads_and_changes_nothing(client: httpx.AsyncClient) -> None:
    await logged_in(client, VIEWER)
    assert (await client.get("/api/tools")).status_code == 200
    assert (await client.get("/voice/sessions?all=true")).status_code == 200
    assert (await client.get("/", headers=HTML)).headers["location"] == "/sessions"
    for method, path in CHANGES:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "viewer"), path


async def first_answer(app: FastAPI, path: str, bearer: str | None) -> str:
    """What a WebSocket's opening is answered with: `websocket.accept` or `websocket.close`."""
    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {bearer}".encode())] if bearer else [])]
    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"engine=echo",
        "headers": headers, "subprotocols": [],
        "scheme": "ws", "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "", "state": {}, "extensions": {},
    }  # fmt: skip
    answered: asyncio.Queue[str] = asyncio.Queue()
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: dict[str, str]) -> None:
        answered.put_nowait(message["type"])

    running = asyncio.ensure_future(app(scope, incoming.get, send))  # type: ignore[arg-type]
    first = await answered.get()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return first


async def test_websockets_ask_too(app: FastAPI) -> None:
    for bearer in (None, "wrong", VIEWER):
        for path in ("/api/chat", "/api/page/visitor"):
            assert await first_answer(app, path, bearer) == "websocket.close", (bearer, path)
    assert await first_answer(app, "/api/chat", OPERATOR) == "websocket.accept"
    # A viewer may watch; that this talk does not exist is the talk's own answer.
    assert await first_answer(app, "/api/talks/none/live", None) == "websocket.close"


@pytest.mark.parametrize("cookie", ["", "operator", "operator.99999999999.", "operator.99999999999." + "0" * 64, "a.b.c.d", "é.1.x"])
async def test_a_cookie_that_was_made_up_is_none(client: httpx.AsyncClient, cookie: str) -> None:
    answer = await client.get("/api/tools", headers={"cookie": f"{COOKIE}={cookie}".encode()})
    assert answer.status_code == 401


async def test_a_viewers_cookie_cannot_be_made_an_operators(client: httpx.AsyncClient) -> None:
    await logged_in(client, VIEWER)
    stolen = client.cookies[COOKIE].strip('"').replace("viewer", "operator", 1)
    client.cookies.clear()
    assert (await client.get("/api/tools", headers={"cookie": f"{COOKIE}={stolen}"})).status_code == 401


async def test_an_old_cookie_is_none(client: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await logged_in(client, OPERATOR)
    later = time.time() + 13 * 3_600
    assert context.seals is not None
    monkeypatch.setattr(context.seals, "_wall_clock", lambda: later)
    kept = client.cookies[COOKIE]
    client.cookies.clear()
    assert (await client.get("/api/tools", headers={"cookie": f"{COOKIE}={kept}"})).status_code == 401


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/a\nb", "javascript:alert(1)"])
async def test_a_login_leads_nowhere_else(client: httpx.AsyncClient, wanted: str) -> None:
    answer = await client.post("/login", params={"next": wanted}, data={"password": OPERATOR})
    assert answer.headers["location"] == "/"
    shown = await client.get("/login", params={"next": wanted})
    assert "evil" not in shown.text


async def test_guessing_is_stopped(client: httpx.AsyncClient) -> None:
    for _ in range(FAILURES_PER_MINUTE):
        assert (await logged_in(client, "guess")).status_code in (401, 429)
    answer = await logged_in(client, OPERATOR)
    assert answer.status_code == 429
    assert "Wait a minute" in answer.text
    assert "guess" not in answer.text


def test_who_guesses_locks_out_nobody_else() -> None:
    now_s = 0.0
    guesses = Guesses(monotonic=lambda: now_s)
    guesses.right("owner")
    for number in range(FAILURES_EVERYWHERE_PER_MINUTE):
        attacker = f"attacker {number // FAILURES_PER_MINUTE}"
        assert not guesses.locked(attacker)
        guesses.wrong(attacker)
    assert guesses.locked("attacker 0")
    assert guesses.locked("attacker 99"), "from so many addresses at once no new one is listened to"
    assert not guesses.locked("owner")
    now_s += 6.0
    assert not guesses.locked("somebody new"), "and only for a moment"
    assert not guesses.locked("attacker 0")


async def test_a_cookie_outlives_the_server_and_not_the_password(client: httpx.AsyncClient, bench: Workbench) -> None:
    await logged_in(client, OPERATOR)
    cookie = {"cookie": f"{COOKIE}={client.cookies[COOKIE]}"}

    async def status(**changes: object) -> int:
        bench.settings = bench.settings.model_copy(update=changes)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(bench)), base_url="http://localhost") as again:
            return (await again.get("/api/tools", headers=cookie)).status_code

    key = bench.settings.data_dir / "session.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert await status() == 200
    assert await status(password=SecretStr("another one")) == 401
    assert await status(password=SecretStr(OPERATOR)) == 200
    assert await status(session_key=SecretStr("k" * 32)) == 401
    with pytest.raises(AssemblyError, match="at least 32"):
        await status(session_key=SecretStr("short"))


def test_passwords_that_let_the_wrong_ones_in_are_refused(settings: Settings) -> None:
    with pytest.raises(AssemblyError, match="the same"):
        passwords_of(settings.model_copy(update={"viewer_password": settings.password}))
    with pytest.raises(AssemblyError, match="set both"):
        passwords_of(settings.model_copy(update={"password": None}))
    assert passwords_of(settings.model_copy(update={"password": None, "viewer_password": None})) is None


async def test_what_is_neither_http_nor_websocket_passes(settings: Settings, bench: Workbench) -> None:
    seen: list[str] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        seen.append(scope["type"])  # type: ignore[index]

    passwords = passwords_of(settings)
    assert passwords is not None
    await Login(inner, passwords, seals_of(settings), TokenCheck(bench.store))({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
