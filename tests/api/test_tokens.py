"""What programs are given instead of the password: each role does what it is for and nothing else, and a ticket is for one talk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from workbench.api import token_check
from workbench.api.context import Context
from workbench.api.guesses import FAILURES_PER_MINUTE
from workbench.api.roles import TICKET, Ticket, may
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.settings import Settings
from workbench.store import tokens

PASSWORD = "opens everything"
RESERVE = "/api/mas/voice/duplex/session"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"password": SecretStr(PASSWORD), "viewer_password": SecretStr("looks only"), "engine": "echo"})


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def made(client: httpx.AsyncClient, name: str, role: str, **more: Any) -> str:
    answer = await client.post("/api/tokens", json={"name": name, "role": role, **more}, headers=bearer(PASSWORD))
    assert answer.status_code == 201, answer.text
    secret: str = answer.json()["secret"]
    return secret


async def entered(app: FastAPI, path: str, query: str = "", secret: str | None = None) -> bool:
    """Whether the opening of a WebSocket gets past the login."""
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"} if not sent else {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {secret}".encode())] if secret else [])]
    scope = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "ws",
        "headers": headers, "subprotocols": [], "server": ("localhost", 80), "client": ("127.0.0.1", 1), "state": {}, "extensions": {},
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]
    return sent[0] == "websocket.accept"


async def test_each_role_does_what_it_is_for(client: httpx.AsyncClient) -> None:
    operator, viewer, talk = [await made(client, role, role) for role in ("operator", "viewer", "talk")]
    listing = await client.get("/api/tokens", headers=bearer(operator))
    assert {row["name"]: row["role"] for row in listing.json()["tokens"]} == {name: name for name in ("operator", "viewer", "talk")}
    assert not any(secret in listing.text or tokens.hashed(secret) in listing.text for secret in (operator, viewer, talk))
    for secret, reads, writes, talks in ((operator, 200, 201, 200), (viewer, 200, 403, 403), (talk, 403, 403, 200)):
        assert (await client.get("/api/tools", headers=bearer(secret))).status_code == reads
        one_more = {"name": "one more", "role": "talk"}
        assert (await client.post("/api/tokens", json=one_more, headers=bearer(secret))).status_code == writes
        assert (await client.post(RESERVE, json={"mode": "echo"}, headers=bearer(secret))).status_code == talks
    assert (await client.delete("/voice/sessions/x", headers=bearer(talk))).json()["code"] == "talk_token"


async def test_a_token_ends_by_itself_and_when_it_is_revoked(
    client: httpx.AsyncClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_check, "FRESH_S", 0.0)
    secret = await made(client, "robot", "viewer")
    assert (await client.get("/api/tools", headers=bearer(secret))).status_code == 200
    assert (await client.post("/api/tokens", json={"name": "robot"}, headers=bearer(PASSWORD))).status_code == 400
    assert (await client.delete("/api/tokens/robot", headers=bearer(PASSWORD))).status_code == 200
    assert (await client.get("/api/tools", headers=bearer(secret))).status_code == 401
    assert (await client.delete("/api/tokens/robot", headers=bearer(PASSWORD))).status_code == 404
    long_ago = datetime.now(UTC) - timedelta(days=2)
    old = await asyncio.to_thread(tokens.create, bench.store, "old", "viewer", days=1.0, now=long_ago)
    assert (await client.get("/api/tools", headers=bearer(old.secret))).status_code == 401
    assert tokens.role_of(bench.store, old.secret, now=long_ago) == "viewer"
    assert not tokens.revoke(bench.store, "old")
    kept = str(bench.store.query("SELECT * FROM access_tokens"))
    assert secret not in kept


async def test_a_made_up_token_is_a_wrong_password(client: httpx.AsyncClient) -> None:
    for _ in range(FAILURES_PER_MINUTE):
        assert (await client.get("/api/tools", headers=bearer("wbt_guess"))).status_code == 401
    assert (await client.get("/api/tools", headers=bearer(PASSWORD))).status_code == 401
    assert (await client.post("/login", data={"password": PASSWORD})).status_code == 429


@pytest.mark.parametrize(
    ("name", "role", "days", "why"),
    [
        ("", "talk", 1, "is no name"),
        ("../x", "talk", 1, "is no name"),
        ("x", "root", 1, "no role"),
        ("x", "talk", 0, "cannot last"),
        ("x", "talk", 1e9, "cannot last"),
    ],
)
def test_what_cannot_be_a_token_is_refused(bench: Workbench, name: str, role: Any, days: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tokens.create(bench.store, name, role, days=days)


async def test_a_ticket_is_for_one_talk(client: httpx.AsyncClient, app: FastAPI, context: Context) -> None:
    """The id of a talk alone, or the ticket of another, opens, watches and ends nothing."""
    secret = await made(client, "page", "talk")
    mine, other = [(await client.post(RESERVE, json={"mode": "echo"}, headers=bearer(secret))).json() for _ in range(2)]
    watch, own = f"/api/talks/{mine['session_id']}/live", f"conversation_id={mine['conversation_id']}"
    assert not await entered(app, "/api/chat", own)
    assert not await entered(app, "/api/chat", f"{own}&ticket={other['ticket']}")
    assert not await entered(app, "/api/chat", f"ticket={mine['ticket']}")
    assert not await entered(app, "/api/page/visitor", f"ticket={mine['ticket']}")
    assert may(Ticket(mine["session_id"], "c"), "WEBSOCKET", watch, {})
    assert not may(Ticket(other["session_id"], "c"), "WEBSOCKET", watch, {})
    assert not may("talk", "WEBSOCKET", watch, {})
    for path in (f"/voice/sessions/{mine['session_id']}", f"/voice/sessions/{other['session_id']}", "/api/tools"):
        assert (await client.delete(path, headers=bearer(other["ticket"] + "x"))).status_code == 401
    assert (await client.delete(f"/voice/sessions/{mine['session_id']}", headers=bearer(other["ticket"]))).json()["code"] == "ticket"
    assert await entered(app, "/api/chat", f"{own}&ticket={mine['ticket']}")
    assert (await client.delete(f"/voice/sessions/{other['session_id']}", headers=bearer(other["ticket"]))).status_code == 200
    # What was opened, or taken back, is not opened again.
    TICKET.set(Ticket(other["session_id"], other["conversation_id"]))
    with pytest.raises(TalkRefused, match="Reserve another"):
        await context.entrance.open(TalkRequest(conversation_id=other["conversation_id"], engine="echo"))


async def test_without_a_password_nobody_has_a_token(bench: Workbench) -> None:
    from workbench.api.app import create_app

    bench.settings = bench.settings.model_copy(update={"password": None, "viewer_password": None})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(bench)), base_url="http://localhost") as client:
        assert (await client.post("/api/tokens", json={"name": "x"})).json()["code"] == "no_login"
        assert (await client.post(RESERVE, json={"mode": "echo"})).json()["ticket"] is None
