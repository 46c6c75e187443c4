"""A recorded call to a real server: real recogniser, real voice, the real question, over 8 kHz mu-law."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from phone_network import CALL, Message, PhoneCall, ask, media_message, read_twiml
from servers import opened_store, running

from workbench import events
from workbench.audio.mulaw import TELEPHONE_RATE
from workbench.store import queries

RECORDED = Path(__file__).parents[1] / "data" / "phone" / "time_tokyo.jsonl"
TOKEN, PUBLIC, PASSWORD = "the account's auth token", "https://talk.example", "the operator's"
PAUSE_S = 8


def recorded() -> list[Message]:
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


async def ask_until_answered(call: PhoneCall, media: Sequence[Message]) -> None:
    """As a caller does: asks, waits, and asks again. On a busy machine a question can be spoiled by frames that come late."""
    pause = [b"\xff" * 160] * (PAUSE_S * 50)
    said = [base64.b64decode(message["media"]["payload"]) for message in media]
    await call.say([media_message(number, codes) for number, codes in enumerate([*said, *pause] * 20)])


async def tool_finished(url: str) -> None:
    """Waits until the one talk of the server has run a tool."""
    async with asyncio.timeout(150), httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {PASSWORD}"}) as client:
        while True:
            for talk in (await client.get("/voice/sessions")).raise_for_status().json()["sessions"]:
                detail = (await client.get(f"/voice/sessions/{talk['session_id']}")).raise_for_status().json()
                if [row for row in detail["tool_invocations"] if row["status"] == "success"]:
                    return
            await asyncio.sleep(0.3)


@pytest.mark.slow
async def test_a_recorded_question_is_understood_and_answered_over_the_telephone(tmp_path: Path) -> None:
    media = [message for message in recorded() if message["event"] == "media"]
    settings = {"WORKBENCH_PHONE": "true", "TWILIO_AUTH_TOKEN": TOKEN, "WORKBENCH_PUBLIC_URL": PUBLIC, "WORKBENCH_PASSWORD": PASSWORD}
    with running(tmp_path / "var", **settings) as server:
        twiml = await ask(server.url, TOKEN, PUBLIC, "?persona=myca&engine=classic")
        assert twiml.status_code == 200, twiml.text
        url, parameters = read_twiml(twiml.text)
        assert url == "wss://talk.example/phone/media"
        async with PhoneCall(server.url, parameters) as call:
            asking = asyncio.create_task(ask_until_answered(call, media))
            await tool_finished(server.url)
            before = len(call.codes)
            # "In Tokyo it is ..."
            await call.until(lambda: len(call.codes) > before + TELEPHONE_RATE, limit_s=60)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await call.send({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}})
        assert call.close_code == 1000
        again = PhoneCall(server.url, parameters)
        async with again:
            assert (await again.ended())[0] == 4401, "a ticket is good for one call"
        assert server.stop() == 0
        assert TOKEN not in server.said
        assert parameters["ticket"] not in server.said
    assert np.sqrt(np.mean(np.square(call.heard))) > 0.01
    with opened_store(tmp_path / "var") as store:
        (row,) = store.query("SELECT session_id, conversation_id, transport, ended_reason FROM voice_sessions")
        session = queries.get_session(store, row["session_id"])
        kept = queries.read_events(store, row["session_id"])
    assert (row["conversation_id"], row["transport"], row["ended_reason"]) == (CALL, "phone", "hung_up")
    assert session is not None
    tool = next(event for event in kept if isinstance(event, events.ToolFinished))
    assert tool.tool == "time_in_place"
    assert "tokyo" in tool.spoken.lower()
    assert [event.digit for event in kept if isinstance(event, events.DigitPressed)] == ["5"]
