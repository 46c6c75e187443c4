from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Route

from workbench.app.offline import POLICY, OfflinePages, without_outside

PAGE = """<head><link rel="preconnect" href="https://fonts.example.com" />
<link
  rel="preconnect"
  href="https://fonts.example.net"
  crossorigin="anonymous"
/>
<script src="https://cdn.example.com/a.js" async></script><script src="//cdn.example.com/b.js"></script>
<script src="./assets/own.js"></script><link rel="stylesheet" href="/talk/talk.css"><script>const said = 1;</script></head><p>ä</p>"""


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def streamed(_request: Request) -> StreamingResponse:
    half = len(PAGE) // 2
    return StreamingResponse(iter((PAGE[:half], PAGE[half:])), media_type="text/html")


async def data(_request: Request) -> JSONResponse:
    return JSONResponse({"url": '<script src="https://cdn.example.com/a.js"></script>'})


async def strict(_request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": "default-src 'none'"})


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", page), Route("/streamed", streamed), Route("/data", data), Route("/strict", strict)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(OfflinePages(app)), base_url="http://test")


@pytest.mark.parametrize("path", ["/", "/streamed"])
async def test_a_page_names_no_other_host_and_may_load_from_none(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert "//" not in answer.text
    assert "./assets/own.js" in answer.text
    assert "/talk/talk.css" in answer.text
    assert "const said = 1;" in answer.text
    assert answer.text.endswith("<p>ä</p>")
    assert answer.headers["content-security-policy"] == POLICY


async def test_other_answers_are_left_as_they_are(client: httpx.AsyncClient) -> None:
    assert "cdn.example.com" in (await client.get("/data")).text
    answer = await client.get("/strict")
    assert answer.text == PAGE
    assert answer.headers["content-security-policy"] == "default-src 'none'"


async def test_the_length_told_is_the_length_sent(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert int(answer.headers["content-length"]) == len(answer.content) < len(PAGE.encode())


@given(st.text())
def test_a_page_without_outside_addresses_is_not_changed(text: str) -> None:
    html = text.replace("<", "&lt;")
    assert without_outside(html) == html


def test_the_policy_lets_nothing_out() -> None:
    assert "http" not in POLICY
    assert "*" not in POLICY
