"""The gateway over real sockets, with clients as NVIDIA's web client and ours behave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import WAIT_S, Served, running

from workbench.audio.frames import Pcm
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.server import ServerError, ServerOptions
from workbench.protocol import Audio, ErrorMessage, Handshake, Metadata, Ping, Text


@pytest.fixture(scope="module")
def served(model: Model) -> Iterator[Served]:
    yield from running(model, ServerOptions(port=0, limits=Limits(waiting=1)))


async def test_a_talk_as_nvidias_web_client_has_it(served: Served, user: Pcm) -> None:
    """The handshake is one byte; then every frame is answered with sound, and words come as pieces; nothing else is sent."""
    async with served.client(seed=7, repetition_penalty=1.0, pad_mult=0) as client:
        assert await client.next() == Handshake()
        kinds = set()
        for frame in user[:5]:
            await client.speak(frame)
        heard = 0
        while heard < 5 * 1920:
            message = await client.next()
            kinds.add(type(message))
            if isinstance(message, Audio):
                heard += len(client.reader.append(message.data))
    assert kinds <= {Audio, Text}


async def test_sound_from_before_the_handshake_does_not_break_the_stream(served: Served, user: Pcm) -> None:
    async with served.client(text_prompt="A prompt that nobody has asked for yet, so that it takes a while.") as client:
        await client.speak(user[0])
        assert await client.next() == Handshake()
        for frame in user[1:4]:
            await client.speak(frame)
        await client.hear(3 * 1920)


async def test_words_to_say_hold_and_interrupt(served: Served, user: Pcm) -> None:
    async with served.client(events=1) as client:
        opened = (await client.until(Metadata, "opened")).data
        assert opened["voice"] == "TINYW1.wav"
        await client.send(Metadata("say", {"id": "x", "text": "It costs twelve euros."}))
        said, words = None, ""
        for frame in [*user, *user]:
            await client.speak(frame)
            async with asyncio.timeout(WAIT_S):
                while not isinstance(message := await client.next(), Audio):
                    if isinstance(message, Text):
                        words += message.text
                    if isinstance(message, Metadata) and message.type == "said":
                        said = message.data
            if said:
                break
        assert " It costs twelve euros." in words
        assert said is not None
        assert (said["id"], said["words_heard"], said["interrupted"]) == ("x", 4, False)
        await client.send(Metadata("say", {"id": "y", "text": "one two three four five"}))
        await client.send(Metadata("interrupt"))
        assert (await client.until(Metadata, "said")).data["interrupted"]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "say", "text": "x"},
        {"type": "say", "id": "z", "text": ["x"]},
        {"type": "say", "id": "z", "text": "<>"},
        {"type": "hold", "max_ms": "long"},
        {"type": "hold", "max_ms": True},
        {"type": "interrupt", "hold_ms": None},
        {"type": "account", "text": 3},
    ],
)
async def test_orders_that_are_none_are_refused(served: Served, data: dict[str, Any]) -> None:
    async with served.client(events=1) as client:
        await client.until(Handshake)
        await client.send(Metadata(data.pop("type"), data))
        assert (await client.until(Metadata, "refused")).data["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"voice_prompt": ""}, "voice_prompt is missing"),
        ({"text_prompt": ""}, "text_prompt is missing"),
        ({"text_prompt": "  "}, "text prompt is empty"),
        ({"voice_prompt": "NOBODY"}, "no voice 'NOBODY'"),
        ({"voice_prompt": "../voices/TINYW1.wav"}, "no name"),
        ({"voice_prompt": "/etc/passwd"}, "no name"),
        ({"voice_prompt": "BROKEN"}, "not a saved voice"),
        ({"seed": "x"}, "seed"),
        ({"text_temperature": 9}, "text_temperature is 9"),
        ({"audio_topk": 9_999}, "audio_top_k is 9999"),
        ({"text_prompt": "we " * 1_400}, "at most 1000"),
    ],
)
async def test_queries_that_cannot_be_served(served: Served, query: dict[str, object], words: str) -> None:
    async with served.client(**query) as client:
        message = await client.next()
        assert isinstance(message, ErrorMessage)
        assert words in message.message
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_an_address_that_is_too_long_is_answered(served: Served) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with served.client(text_prompt="word " * 2_000):
            pass
    assert refused.value.response.status_code == 414


async def test_full_means_a_place_then_busy_never_silence(served: Served) -> None:
    async with served.client() as one, served.client() as two, served.client() as three:
        for client in (one, two, three):
            await client.until(Handshake)
        async with served.client(events=1) as waiting:
            assert (await waiting.until(Metadata, "queue")).data == {"position": 1}
            await waiting.send(Ping())
            assert isinstance(await waiting.next(), Ping)
            async with served.client() as refused:
                message = await refused.next()
                assert isinstance(message, ErrorMessage)
                assert (message.code, message.data["position"]) == ("busy", 2)
            status, body = served.get("/health")
            assert (status, json.loads(body)["in_use"], json.loads(body)["waiting"]) == (200, 3, 1)
            await one.socket.close()
            await waiting.until(Handshake)


async def test_a_lost_client_frees_its_row(served: Served) -> None:
    """The connection is cut without a word."""
    async with served.client() as client:
        await client.until(Handshake)
        client.socket.transport.abort()
    until = time.monotonic() + WAIT_S
    while served.slots.owner.rows != [None] * 3:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=50)), max_size=20))
def test_nothing_a_client_sends_ends_the_server(served: Served, messages: list[bytes | str]) -> None:
    async def play() -> None:
        async with served.client(events=1) as client:
            await client.until(Handshake)
            for message in messages:
                await client.socket.send(message)
            if any(isinstance(message, bytes) and message[:2] == b"\x03\x10" for message in messages):
                return
            await client.send(Ping())
            await client.until(Ping)

    asyncio.run(play())
    assert not served.slots.failure


def test_pages_of_other_hosts_are_refused(served: Served) -> None:
    async def status(origin: str) -> int:
        try:
            async with served.client(headers={"Origin": origin}) as client:
                await client.until(Handshake)
        except websockets.InvalidStatus as refused:
            return refused.response.status_code
        return 101

    async def all_of_them() -> list[int]:
        own = f"http://127.0.0.1:{served.port}"
        return [await status(origin) for origin in (own, "https://evil.example", "null", "http://[", "http://127.0.0.1:1")]

    assert asyncio.run(all_of_them()) == [101, 403, 403, 403, 403]


def test_voices_and_metrics(served: Served) -> None:
    found = json.loads(served.get("/voices")[1])
    assert [voice["name"] for voice in found["voices"]] == ["TINYF0.pt", "TINYF0_f32.pt", "TINYW0.wav", "TINYW1.wav"]
    assert found["broken"][0]["name"] == "BROKEN.pt"
    status, text = served.get("/metrics")
    assert status == 200
    assert "gateway_slots 3.0" in text
    assert "gateway_step_seconds_bucket" in text


def test_the_token_is_asked_for(model: Model) -> None:
    for served in running(model, ServerOptions(port=0, token="s3cret")):

        async def enter(**given: Any) -> int:
            try:
                async with served.client(**given) as client:  # noqa: B023 - used within the loop's turn
                    await client.until(Handshake)
            except websockets.InvalidStatus as refused:
                return refused.response.status_code
            return 101

        async def enter_all() -> list[int]:
            bearer = {"Authorization": "Bearer s3cret"}
            return [await enter(), await enter(headers=bearer), await enter(worker_auth_id="s3cret"), await enter(worker_auth_id="no")]

        assert asyncio.run(enter_all()) == [403, 101, 101, 403]
        assert served.get("/metrics")[0] == 401
        assert served.get("/voices", Authorization="Bearer s3cret")[0] == 200
        assert "s3cret" not in served.get("/health")[1]


def test_options_that_would_be_unsafe() -> None:
    with pytest.raises(ServerError, match="give --token"):
        ServerOptions(host="0.0.0.0")
    with pytest.raises(ServerError, match="certificate and its key"):
        ServerOptions(certificate=Path("cert.pem"))
    assert ServerOptions(host="0.0.0.0", token="x").host == "0.0.0.0"
