"""The page's WebSockets: what they tell, what they do, and whom they refuse."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

CHOSEN = {"persona": "myca", "voice": "", "engine": "classic", "recording": False}


def of_type(kind: str) -> Any:
    return lambda message: message["type"] == kind


def with_event(kind: str, **fields: Any) -> Any:
    """A message that carries such an event."""
    return lambda message: any(
        event["kind"] == kind and all(event[name] == value for name, value in fields.items()) for event in message.get("events", [])
    )


async def test_a_written_talk_from_begin_to_hang_up(serve: Any) -> None:
    async with serve() as served, served.socket("/api/page/visitor-1") as page:
        lights = await page.until(of_type("lights"))
        assert lights["engines"]["classic"]["state"] == "ready"
        assert lights["engines"]["personaplex"]["state"] == "unavailable"
        assert "PERSONAPLEX_URL" in lights["engines"]["personaplex"]["repair"]
        await page.send({"type": "begin", "text": "what is six times seven", **CHOSEN})
        session_id = (await page.until(of_type("talk")))["session_id"]
        await page.until(with_event("ToolFinished", tool="arithmetic"))
        async with served.socket(f"/api/talks/{session_id}/live") as other:
            snapshot = await other.until(of_type("talk"))
            assert "UserText" in {event["kind"] for event in snapshot["events"]}
            await page.send({"type": "type", "text": "<b>and</b> two plus two"})
            await other.until(with_event("UserText", text="<b>and</b> two plus two"))
        await page.send({"type": "hang_up"})
        await page.until(with_event("SessionClosed", reason="hung_up"))


async def test_the_page_is_told_how_the_talk_was_opened(serve: Any) -> None:
    async with serve() as served, served.socket("/api/page/visitor-5") as page:
        await page.send({"type": "begin", "text": "hello", **CHOSEN})
        events = {event["kind"]: event for event in (await page.until(of_type("talk")))["events"]}
        assert events["SessionOpened"]["recording"] is False
        assert events["EngineChosen"]["parts"].keys() >= {"asr", "end_of_turn", "tts", "responder"}


async def test_the_engine_is_switched_in_mid_talk(serve: Any) -> None:
    async with serve() as served, served.socket("/api/page/visitor-3") as page:
        await page.send({"type": "begin", "text": "hello", **CHOSEN})
        await page.until(of_type("talk"))
        await page.send({"type": "switch_engine", "engine": "scripted"})
        await page.until(with_event("EngineChosen", engine="scripted"))
        await page.send({"type": "switch_engine", "engine": "personaplex"})
        await page.until(with_event("Notice", code="engine_unavailable"))


async def test_a_page_that_goes_away_ends_its_written_talk(serve: Any) -> None:
    async with serve() as served, served.socket("/api/page/visitor-2") as page:
        await page.send({"type": "begin", "text": "hello", **CHOSEN})
        session_id = (await page.until(of_type("talk")))["session_id"]
        async with served.socket(f"/api/talks/{session_id}/live") as other:
            await page.connection.close()
            await other.until(with_event("SessionClosed", reason="client_lost"))


async def test_a_page_that_comes_back_gets_the_talk_so_far(serve: Any) -> None:
    async with serve() as served, served.socket("/api/page/visitor-4") as page:
        await page.send({"type": "begin", "text": "what is six times seven", **CHOSEN})
        await page.until(with_event("ToolFinished"))
        async with served.socket("/api/page/visitor-4") as again:
            snapshot = await again.until(of_type("talk"))
            assert {"UserText", "ToolFinished"} <= {event["kind"] for event in snapshot["events"]}
        await page.send({"type": "type", "text": "still there"})
        await page.until(with_event("UserText", text="still there"))


async def test_a_refusal_is_told_to_the_page_and_the_page_lives(serve: Any) -> None:
    async with serve(max_sessions=1) as served, served.socket("/api/page/one") as one, served.socket("/api/page/two") as two:
        await one.send({"type": "begin", "text": "hello", **CHOSEN, "persona": "../etc/passwd"})
        assert (await one.until(of_type("refused")))["code"] == "unknown_persona"
        await one.send({"type": "begin", "text": "hello", **CHOSEN, "engine": "personaplex"})
        refused = await one.until(of_type("refused"))
        assert refused["code"] == "engine_unavailable"
        assert "PERSONAPLEX_URL" in refused["message"]
        await one.send({"type": "begin", "text": "hello", **CHOSEN})
        await one.until(of_type("talk"))
        await two.send({"type": "begin", "text": "hello", **CHOSEN})
        assert (await two.until(of_type("refused")))["code"] == "busy"


@pytest.mark.parametrize("raw", ["", "no json", "[1]", '"text"', json.dumps({"type": "type", "text": "x" * 20_000})])
async def test_nonsense_closes_the_socket_and_the_server_lives(serve: Any, raw: str) -> None:
    async with serve() as served:
        async with served.socket("/api/page/visitor") as page:
            await page.connection.send(raw)
            assert await page.close_code() == 4400
        async with served.socket("/api/page/visitor") as page:
            for harmless in ({"type": "type", "text": 7}, {"type": "unheard of"}, {"type": "hang_up"}, {"type": "look"}):
                await page.send(harmless)
            await page.until(of_type("lights"))
            await page.until(of_type("lights"))


async def test_who_may_not_watch_is_told(serve: Any) -> None:
    async with serve() as served:
        async with served.socket("/api/talks/nobody/live") as watcher:
            assert await watcher.close_code() == 4404
        async with served.socket(f"/api/page/{'v' * 65}") as page:
            assert await page.close_code() == 4400
        for path in ("/api/page/visitor", "/api/talks/any/live"):
            with pytest.raises(InvalidStatus, match="403"):
                await served.socket(path, origin="https://evil.example").__aenter__()


async def test_the_page_and_its_assets_are_our_own(serve: Any) -> None:
    async with serve() as served, httpx.AsyncClient(base_url=f"http://{served.address}") as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for asset in ("before.js", "talk.js", "talk.css"):
            assert f"/talk/{asset}" in page.text
            assert (await client.get(f"/talk/{asset}")).status_code == 200
        assert (await client.get("/talk/%2e%2e/page.py")).status_code == 404
        assert (await client.get("/health")).status_code == 200
