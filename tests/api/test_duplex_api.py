"""Agreeing on a talk, with the original's shapes."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from workbench.api.context import Context
from workbench.api.entrance import KEPT_S, Entrance
from workbench.api.errors import ApiError
from workbench.api.quota import TalkQuota
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRequest
from workbench.testing.tts import ToneTts

PATH = "/api/mas/voice/duplex/session"


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post(PATH, json=body)


async def test_auto_takes_the_classic_engine_and_says_why(client: httpx.AsyncClient) -> None:
    answer = (await post(client, persona="casual")).json()
    assert answer["mode"] == "classic"
    assert "No PersonaPlex address is configured" in answer["reason"]
    assert answer["personaplex_available"] is False
    assert answer["transport"]["type"] == "websocket"
    assert answer["fallback"] == {
        "type": "http",
        "url": None,
        "sample_rate": None,
        "tts_url": "/api/mas/voice",
        "orchestrator_url": "/api/mas/voice/orchestrator",
    }
    assert answer["voice_config"]["persona"] == "casual"
    assert datetime.fromisoformat(answer["created_at"]).tzinfo is not None
    assert len(answer["session_id"]) <= 64


async def test_no_body_at_all_is_a_session_too(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH)).status_code == 200


async def test_check_only_reserves_nothing(client: httpx.AsyncClient, context: Context) -> None:
    answer = await post(client, check_only=True)
    assert answer.json() == {"personaplex_available": False, "recommended_mode": "classic"}
    assert context.entrance._pending == {}


async def test_personaplex_by_name_is_refused_with_the_repair(client: httpx.AsyncClient) -> None:
    answer = await post(client, mode="personaplex")
    assert answer.status_code == 503
    assert "Set PERSONAPLEX_URL" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"mode": "jarvis"}, 400),
        ({"persona": "../x"}, 404),
        ({"persona": "nobody"}, 404),
        ({"conversation_id": "../x"}, 400),
        ({"session_id": "a" * 65}, 400),
        ({"check_only": "perhaps"}, 400),
        ({"mode": "elevenlabs"}, 503),
    ],
)
async def test_what_cannot_be_is_told(client: httpx.AsyncClient, body: dict[str, Any], status: int) -> None:
    answer = await post(client, **body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_a_body_that_is_no_json_is_a_bad_request(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "error" in answer.json()


@pytest.mark.parametrize("voices", [[ToneTts("elevenlabs", voices=("arabella",))]], ids=["elevenlabs"])
async def test_elevenlabs_is_plain_http(client: httpx.AsyncClient) -> None:
    answer = (await post(client, mode="elevenlabs")).json()
    assert answer["mode"] == "elevenlabs"
    assert answer["transport"]["type"] == "http"
    assert answer["voice_config"]["voice_id"] == "arabella"


async def test_every_address_that_is_named_is_served(client: httpx.AsyncClient) -> None:
    answer = (await post(client)).json()
    for url in (answer["fallback"]["tts_url"], answer["fallback"]["orchestrator_url"]):
        assert (await client.post(url, json={})).status_code == 400, url
    assert urlsplit(answer["transport"]["url"]).path == "/api/chat"
    assert answer["transport"]["url"].startswith("ws://localhost/")


async def test_a_connection_takes_what_was_reserved(client: httpx.AsyncClient, context: Context) -> None:
    agreed = (await post(client, persona="casual", mode="scripted")).json()
    query = parse_qs(urlsplit(agreed["transport"]["url"]).query)
    talk = await context.entrance.open(TalkRequest(conversation_id=query["conversation_id"][0]))
    assert talk.conversation.engine == "scripted"
    assert talk.persona.persona_id == "casual"
    ended = await client.delete("/api/mas/voice/sessions", params={"session_id": agreed["session_id"]})
    assert ended.json()["success"] is True
    assert await talk.closed() == "ended_by_api"


async def test_what_a_connection_asks_itself_counts_more(client: httpx.AsyncClient, context: Context) -> None:
    agreed = (await post(client, persona="casual", mode="scripted")).json()
    talk = await context.entrance.open(TalkRequest(conversation_id=agreed["conversation_id"], persona="assistant"))
    assert (talk.persona.persona_id, talk.conversation.engine) == ("assistant", "scripted")


async def test_a_reservation_can_be_taken_back(client: httpx.AsyncClient, context: Context) -> None:
    agreed = (await post(client)).json()
    assert (await client.delete(f"/voice/sessions/{agreed['session_id']}")).status_code == 200
    assert (await client.delete(f"/voice/sessions/{agreed['session_id']}")).status_code == 404


async def test_an_id_is_given_once(client: httpx.AsyncClient) -> None:
    first = await client.post("/voice/sessions", json={"session_id": "session-1700000000000-abc"})
    assert first.status_code == 201
    assert first.json()["session_id"] == "session-1700000000000-abc"
    assert (await client.post("/voice/sessions", json={"session_id": "session-1700000000000-abc"})).status_code == 409


async def test_a_reservation_is_forgotten_after_a_minute(bench: Workbench, context: Context) -> None:
    now_s = 1_000.0
    entrance = Entrance(bench, TalkQuota(bench.settings, context.refusals), lambda _talk: None, monotonic=lambda: now_s)
    reserved = await entrance.reserve(session_id=None, conversation_id="c1", persona="casual", voice="NATF2", engine="scripted")
    now_s += KEPT_S + 1
    talk = await entrance.open(TalkRequest(conversation_id="c1", engine="echo"))
    assert talk.persona.persona_id == bench.settings.persona
    assert await entrance.end(reserved.session_id) is False


async def test_reservations_are_bounded(context: Context) -> None:
    for _number in range(256):
        await context.entrance.reserve(session_id=None, conversation_id=None, persona="casual", voice="NATF2", engine="echo")
    with pytest.raises(ApiError, match="256 sessions wait"):
        await context.entrance.reserve(session_id=None, conversation_id=None, persona="casual", voice="NATF2", engine="echo")


async def test_a_latency_is_measured_or_null(client: httpx.AsyncClient, bench: Workbench) -> None:
    modes = (await client.get(PATH)).json()["modes"]
    assert {mode: told["latency_ms"] for mode, told in modes.items()} == {
        "personaplex": None,
        "vllm-omni": None,
        "classic": None,
        "elevenlabs": None,
    }
    _store_reply(bench, 321.0)
    told = (await client.get(PATH)).json()
    assert (told["modes"]["classic"]["latency_ms"], told["modes"]["classic"]["latency_n"]) == (321.0, 1)
    assert told["modes"]["personaplex"]["available"] is False
    assert told["recommended"] == "classic"


def _store_reply(bench: Workbench, latency_ms: float) -> None:
    session_id = uuid.uuid4().hex
    bench.store.write(
        (
            "INSERT INTO voice_sessions (session_id, conversation_id, mode, engine, started_at) VALUES ($1, $1, 'classic', 'classic', $2)",
            [session_id, datetime.now(UTC)],
        )
    )
    bench.store.write(
        (
            "INSERT INTO voice_turns (turn_id, session_id, speaker, latency_ms, engine) VALUES ('t1', $1, 'agent', $2, 'classic')",
            [session_id, latency_ms],
        )
    )
