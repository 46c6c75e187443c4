"""What all HTTP providers share: limits, redirects, secrets, waiting."""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.providers.http import HttpClient, read_retry_after, to_its_end
from workbench.bridge.tool import ToolError

SECRET = "secret-5e1f"


def client(handler: Callable[[httpx.Request], httpx.Response], **options: int) -> HttpClient:
    return HttpClient(
        "the server",
        "http://server.test:8001/base/",
        setting="x.url",
        headers={"X-Token": SECRET},
        transport=httpx.MockTransport(handler),
        **options,
    )


async def get(http: HttpClient) -> httpx.URL | bytes:
    try:
        return (await http.send("GET", "/a", timeout_s=5.0)).body
    finally:
        await http.close()


async def test_the_path_hangs_below_the_base_and_the_secret_goes_along() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"yes")

    assert await get(client(handler)) == b"yes"
    assert str(seen[0].url) == "http://server.test:8001/base/a"
    assert seen[0].headers["x-token"] == SECRET
    assert seen[0].headers["user-agent"] == "personaplex-workbench"
    assert SECRET not in repr(client(handler))


async def test_a_redirect_within_the_server_is_followed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(200, content=b"there") if request.url.path == "/there" else httpx.Response(307, headers={"location": "/there"})
        )

    assert await get(client(handler)) == b"there"


@pytest.mark.parametrize("target", ["http://evil.test/", "https://server.test:8001/", "http://server.test/", "//evil.test/x"])
async def test_a_redirect_to_another_server_gets_no_secret(target: str) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"location": target})

    with pytest.raises(ToolError, match="redirected to another server"):
        await get(client(handler))
    assert asked == ["server.test"]


async def test_a_post_is_not_turned_into_a_get() -> None:
    http = client(lambda _request: httpx.Response(302, headers={"location": "/login"}))
    with pytest.raises(ToolError, match="answered a POST with a redirect"):
        await http.send("POST", "/a", timeout_s=5.0, body={})
    await http.close()


async def test_redirects_in_a_circle_end() -> None:
    with pytest.raises(ToolError, match="more than 3 times"):
        await get(client(lambda _request: httpx.Response(307, headers={"location": "/a"})))


async def test_reading_stops_at_the_limit() -> None:
    given_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given_bytes
        while True:
            given_bytes += 1_000
            yield b"x" * 1_000

    with pytest.raises(ToolError, match="more than 10000 bytes"):
        await get(client(lambda _request: httpx.Response(200, content=endless()), max_bytes=10_000))
    assert given_bytes <= 12_000


async def test_a_compressed_answer_is_not_unpacked() -> None:
    with pytest.raises(ToolError, match="compressed"):
        await get(client(lambda _request: httpx.Response(200, content=b"\x1f\x8b", headers={"content-encoding": "gzip"})))


async def test_what_the_server_repeats_of_a_secret_is_blotted_out() -> None:
    assert await get(client(lambda request: httpx.Response(200, content=request.headers["x-token"].encode()))) == b"[hidden]"


def test_a_secret_that_no_header_can_carry_is_refused_unrepeated() -> None:
    with pytest.raises(ToolError, match="copy it again") as refused:
        HttpClient("the server", "http://x", setting="x.url", headers={"X-Token": "half a sécret\n"})
    assert "half" not in str(refused.value)


async def test_too_many_requests_are_waited_out_only_where_there_is_time() -> None:
    answers = [httpx.Response(429, headers={"retry-after": "0"}), httpx.Response(200, content=b"now")]
    progress: list[str] = []
    http = client(lambda _request: answers.pop(0))
    answer = await http.ask("POST", "/a", within_s=5.0, on_progress=lambda _fraction, text: progress.append(text), body={})
    assert answer.body == b"now"
    assert progress == ["the server at server.test:8001 is busy; asking again in 0 s"]

    for header, says in (
        ({"retry-after": "60"}, "come back in 60 s"),
        ({}, "does not say until when"),
        ({"retry-after": "soon"}, "until when"),
    ):
        answers.append(httpx.Response(429, headers=header))
        with pytest.raises(ToolError, match=says):
            await http.ask("POST", "/a", within_s=5.0, on_progress=lambda _fraction, _text: None, body={})
    await http.close()


def test_retry_after_is_seconds_or_a_date() -> None:
    assert read_retry_after(None, 0.0) is None
    assert read_retry_after("120", 0.0) == 120.0
    assert read_retry_after(email.utils.formatdate(1_000_030, usegmt=True), 1_000_000.0) == 30.0
    assert read_retry_after(email.utils.formatdate(10, usegmt=True), 1_000_000.0) == 0.0


@given(st.text(max_size=60))
def test_no_retry_after_breaks_it(value: str) -> None:
    seconds = read_retry_after(value, 0.0)
    assert seconds is None or seconds >= 0


async def test_an_error_after_a_cancellation_is_a_cancellation() -> None:
    async def failing() -> None:
        await asyncio.sleep(0.01)
        raise ToolError("too late")

    waiting = asyncio.create_task(to_its_end(failing(), 5.0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_work_that_cannot_be_called_back_is_waited_for_but_not_for_ever() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(to_its_end(endless(), 0.05))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()
