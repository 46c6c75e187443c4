"""STUN and TURN servers: from settings, from Hugging Face, from Cloudflare, and what is said when they give none."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import httpx
import pytest

from workbench.transports.ice import CLOUDFLARE_URL, HUGGING_FACE_URL, IceError, IceSettings, ice_servers

SECRET = "hf_very_secret"


def _answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


async def test_none_by_default() -> None:
    servers = ice_servers(IceSettings())
    assert inspect.iscoroutinefunction(servers)
    assert inspect.isfunction(servers)
    assert await servers() == {"iceServers": []}


async def test_fixed_servers_come_from_the_settings() -> None:
    settings = IceSettings(stun_urls=("stun:a:1", "stun:b:2"), turn_url="turn:c:3", turn_username="me", turn_password="pw")
    assert await ice_servers(settings)() == {
        "iceServers": [{"urls": ["stun:a:1"]}, {"urls": ["stun:b:2"]}, {"urls": ["turn:c:3"], "username": "me", "credential": "pw"}]
    }
    assert "pw" not in repr(settings)


async def test_credentials_are_asked_for_at_every_call() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.copy_with(query=None)} {request.headers['authorization']}")
        return httpx.Response(200, json={"iceServers": {"urls": ["turn:x"], "username": "u", "credential": f"c{len(asked)}"}})

    settings = IceSettings(hugging_face_token=SECRET, cloudflare_key_id="key", cloudflare_key_api_token="token")
    servers = ice_servers(settings, _answering(answer))
    assert [server["credential"] for server in (await servers())["iceServers"]] == ["c1", "c2"]
    assert [server["credential"] for server in (await servers())["iceServers"]] == ["c3", "c4"]
    assert asked[0] == f"GET {HUGGING_FACE_URL} Bearer {SECRET}"
    assert asked[1] == f"POST {CLOUDFLARE_URL.format(key_id='key')} Bearer token"


def _refuse(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(401, text=f"bad token {SECRET}")


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"no route with {SECRET}", request=request)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_refuse, "HTTP 401"),
        (_unreachable, "cannot be reached"),
        (lambda _request: httpx.Response(200, text="<html>"), "no list of TURN servers"),
        (lambda _request: httpx.Response(200, json=[1]), "no list of TURN servers"),
        (lambda _request: httpx.Response(200, json={"iceServers": [{"url": "x"}]}), "no list of TURN servers"),
    ],
)
async def test_failures_are_told_without_the_secret(answer: Callable[[httpx.Request], httpx.Response], words: str) -> None:
    servers = ice_servers(IceSettings(hugging_face_token=SECRET), _answering(answer))
    with pytest.raises(IceError, match=words) as caught:
        await servers()
    assert "check HF_TOKEN" in str(caught.value)
    assert SECRET not in str(caught.value)
