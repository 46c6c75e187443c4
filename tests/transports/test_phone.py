"""`/phone/media` under a real server, with a telephone network that plays in real time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from phone_network import CALL, PhoneCall, media_message, packets, start_message
from waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.mulaw import TELEPHONE_RATE, decode_mulaw
from workbench.audio.timeline import UserTimeline
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.engines.base import AgentFrame
from workbench.events import DigitPressed, PlayoutMeasured, UserSpeech
from workbench.testing.port import EchoOpener
from workbench.transports.phone import CLOSE_BAD_MESSAGE, CLOSE_BUSY, CLOSE_NOT_ADMITTED, CLOSE_TOO_SLOW, PhoneOptions, phone_router
from workbench.transports.phone_messages import Start
from workbench.transports.websocket import SERVER_OPTIONS

Serve = Callable[..., AbstractAsyncContextManager[str]]
FAST = PhoneOptions(max_ahead_s=1e9)


def admit(start: Start) -> TalkRequest:
    if start.parameters.get("ticket") == "forged":
        raise TalkRefused("not_admitted", "the ticket is forged")
    return TalkRequest(transport="phone", conversation_id=start.call_sid)


def _app(opener: EchoOpener, options: PhoneOptions = FAST) -> FastAPI:
    app = FastAPI()
    app.include_router(phone_router(opener, admit, options))
    return app


@pytest.fixture
async def echo(serve: Serve) -> AsyncIterator[tuple[str, EchoOpener]]:
    opener = EchoOpener(capacity=4)
    async with serve(_app(opener), **SERVER_OPTIONS) as address:
        yield f"ws://{address}", opener
    assert opener.live == 0


def _speech(seconds: float) -> Pcm:
    """A sweep from 300 to 3000 Hz, [n] at 8 kHz."""
    at = np.arange(round(seconds * TELEPHONE_RATE)) / TELEPHONE_RATE
    return (0.3 * np.sin(2 * np.pi * (300 * at + (2_700 / (2 * seconds)) * at**2))).astype(np.float32)


def _likeness(heard: Pcm, said: Pcm) -> float:
    """The largest normalised correlation within 10 ms."""
    best = 0.0
    for lag in range(81):
        ours, theirs = heard[lag : said.size], said[: min(said.size, heard.size) - lag]
        size = min(ours.size, theirs.size)
        best = max(best, float(np.corrcoef(ours[:size], theirs[:size])[0, 1]))
    return best


async def test_what_is_said_comes_back_and_marks_tell_that_it_was_heard(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    said = _speech(1.6)
    async with PhoneCall(url) as call:
        await call.say(packets(said), pace_s=0.0)
        await call.until(lambda: len(call.codes) >= said.size - 640)
    (port,) = opener.ports
    assert (port.request.transport, port.request.conversation_id) == ("phone", CALL)
    assert _likeness(call.heard, said) > 0.99, "mu-law twice, and 8 to 24 to 8 kHz"
    assert all(len(base64.b64decode(message["media"]["payload"])) == 160 for message in call.got if message["event"] == "media")
    assert await port.closed() == "hung_up"
    assert call.close_code == 1000


async def test_nothing_above_the_telephone_band_reaches_the_talk_or_folds_into_it(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with PhoneCall(url) as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        high = (0.3 * np.sin(2 * np.pi * 6_000 * np.arange(10 * FRAME_SAMPLES) / SAMPLE_RATE)).astype(np.float32)
        for begin in range(0, high.size, FRAME_SAMPLES):
            opener.ports[0].play(AgentFrame(high[begin : begin + FRAME_SAMPLES]))
        low = (0.3 * np.sin(2 * np.pi * 1_000 * np.arange(2 * FRAME_SAMPLES) / SAMPLE_RATE)).astype(np.float32)
        opener.ports[0].play(AgentFrame(low[:FRAME_SAMPLES]))
        opener.ports[0].play(AgentFrame(low[FRAME_SAMPLES:]))
        await call.until(lambda: np.abs(call.heard).max(initial=0) > 0.25)
    heard = call.heard
    loud = int(np.argmax(np.abs(heard) > 0.25))
    assert np.sqrt(np.mean(np.square(heard[200 : loud - 200]))) < 0.003, "6 kHz must not come back as 2 kHz"


async def test_lost_packets_are_silence_and_late_ones_find_their_place(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    sent = packets(_speech(1.6))
    del sent[40]
    sent[20], sent[21] = sent[21], sent[20]
    async with PhoneCall(url) as call:
        timeline = UserTimeline(adaptive=False)
        await until(lambda: opener.ports and opener.ports[0].listener)
        port = opener.ports[0]
        push = port.push

        def keep(pcm: Pcm, media_samples: int | None, arrival_s: float) -> None:
            timeline.push(pcm, media_samples, 0.0)
            push(pcm, media_samples, arrival_s)

        port.push = keep  # type: ignore[method-assign]
        await call.say(sent, pace_s=0.0)
        await until(lambda: len(port.pushed) == 79)
    stamps = [packet[1] for packet in port.pushed]
    assert stamps[20:22] == [21 * 480, 20 * 480]
    frames = [timeline.take(FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES) for number in range(20)]
    assert sum(frame.lost_samples for frame in frames) == 480, "one packet of 20 ms"
    heard = np.concatenate([frame.pcm for frame in frames])
    hole = heard[40 * 480 : 41 * 480]
    assert not hole.any()
    whole = np.concatenate([decode_mulaw(base64.b64decode(message["media"]["payload"])) for message in packets(_speech(1.6))])
    joined = heard[19 * 480 + 108 : 23 * 480 : 3]
    order = whole[19 * 160 : 19 * 160 + joined.size]
    assert np.corrcoef(joined, order)[0, 1] > 0.8, "21 and 20 stand in their order; each begins with a filter of its own"


async def test_a_barge_in_clears_the_network_and_says_how_much_nobody_heard(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with PhoneCall(url) as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        port = opener.ports[0]
        tone = (0.3 * np.sin(2 * np.pi * 400 * np.arange(FRAME_SAMPLES) / SAMPLE_RATE)).astype(np.float32)
        for _ in range(20):
            port.play(AgentFrame(tone))
        await call.until(lambda: len(call.codes) >= 6 * 640)
        assert port.listener is not None
        port.listener.flush()
        await call.until(lambda: call.cleared)
        played = len(call.codes) / 8
        await until(lambda: port.published)
    (measured,) = port.published
    assert isinstance(measured, PlayoutMeasured)
    assert measured.cut_ms is not None
    assert abs(1_600 - measured.cut_ms - played) <= 200, "what was heard and what was cut are the 1.6 s that were sent"
    assert measured.frames >= 4
    assert measured.delay_ms is not None
    assert measured.largest_ms is not None
    assert 0 <= measured.delay_ms <= measured.largest_ms
    assert len(call.codes) < 1_600 * 8, "it was not played to its end"


async def test_silence_is_not_sent(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with PhoneCall(url) as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        for _ in range(10):
            opener.ports[0].play(AgentFrame(silence()))
        opener.ports[0].play(AgentFrame(np.full(FRAME_SAMPLES, 0.1, np.float32)))
        await call.until(lambda: call.got)
    assert sum(message["event"] == "media" for message in call.got) == 4


async def test_digits_are_events_and_nothing_else(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with PhoneCall(url) as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        for digit in "1#":
            await call.send({"event": "dtmf", "streamSid": "x", "dtmf": {"track": "inbound_track", "digit": digit}})
        await until(lambda: len(opener.ports[0].published) == 2)
    assert [event.digit for event in opener.ports[0].published if isinstance(event, DigitPressed)] == ["1", "#"]
    assert opener.ports[0].typed == []


async def test_the_caller_is_lost_the_talk_ends_and_the_other_way_round(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with PhoneCall(url) as lost:
        await until(lambda: opener.ports and opener.ports[0].listener)
        lost.socket.transport.abort()
        assert await opener.ports[0].closed() == "client_lost"
    async with PhoneCall(url) as call:
        await until(lambda: len(opener.ports) == 2 and opener.ports[1].listener)
        await opener.ports[1].hang_up("server_stopped")
        assert await call.ended() == (1012, "server_stopped")


@pytest.mark.parametrize("limit", ["idle", "longest", "deaf"])
async def test_a_call_ends_when_nobody_speaks_when_it_is_too_long_and_when_nothing_comes(serve: Serve, limit: str) -> None:
    changed: dict[str, Any] = {"idle": {"idle_s": 0.3}, "longest": {"max_call_s": 0.3}, "deaf": {"media_within_s": 0.3}}[limit]
    opener = EchoOpener()
    async with serve(_app(opener, replace(FAST, **changed)), **SERVER_OPTIONS) as address, PhoneCall(f"ws://{address}") as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        listener = opener.ports[0].listener
        assert listener is not None
        if limit == "longest":
            listener.event(UserSpeech(at_samples=0, noticed_samples=0, edge="start", detector="test"))
        saying = asyncio.create_task(call.say(packets(_speech(10.0)) if limit != "deaf" else []))
        code, _reason = await call.ended()
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
    assert code == 1000
    assert await opener.ports[0].closed() == ("client_lost" if limit == "deaf" else "time_limit")


async def test_a_caller_who_speaks_is_not_idle(serve: Serve) -> None:
    opener = EchoOpener()
    async with serve(_app(opener, replace(FAST, idle_s=0.3)), **SERVER_OPTIONS) as address, PhoneCall(f"ws://{address}") as call:
        await until(lambda: opener.ports and opener.ports[0].listener)
        listener = opener.ports[0].listener
        assert listener is not None
        listener.event(UserSpeech(at_samples=0, noticed_samples=0, edge="start", detector="test"))
        await call.say(packets(_speech(1.0)))
        assert call.close_code is None


START = json.dumps(start_message())
MEDIA = json.dumps(media_message(0, b"\xff" * 160))
HOSTILE: dict[str, list[str | bytes]] = {
    "no json": ["what"],
    "a number": ["1"],
    "a list": ["[]"],
    "null": ["null"],
    "deep": ["[" * 100_000],
    "a huge number": ['{"event": ' + "9" * 5_000 + "}"],
    "no event": ["{}"],
    "an event that is a list": ['{"event": []}'],
    "binary": [b"\x00\x01"],
    "media first": [MEDIA],
    "a mark first": ['{"event": "mark", "mark": {"name": "0.1"}}'],
    "stop first": ['{"event": "stop"}'],
    "start without a body": ['{"event": "start"}'],
    "start of another format": [json.dumps(start_message(mediaFormat={"encoding": "audio/opus", "sampleRate": 48_000, "channels": 2}))],
    "start with odd parameters": [json.dumps(start_message(customParameters=[1, 2]))],
    "start with too many parameters": [json.dumps(start_message({str(number): "x" for number in range(200)}))],
    "start with no call": [json.dumps(start_message(callSid=""))],
    "two starts": [START, START],
    "bad base64": [START, json.dumps({"event": "media", "media": {"track": "inbound", "timestamp": "0", "payload": "***"}})],
    "payload no text": [START, json.dumps({"event": "media", "media": {"track": "inbound", "timestamp": "0", "payload": 7}})],
    "payload too large": [START, json.dumps(media_message(0, b"\xff" * 20_000))],
    "no timestamp": [START, json.dumps({"event": "media", "media": {"track": "inbound", "payload": "/w=="}})],
    "a timestamp of words": [START, json.dumps(media_message(0, b"\xff") | {"media": {"timestamp": "soon", "payload": "/w=="}})],
    "a timestamp below zero": [START, json.dumps(media_message(0, b"\xff", -1))],
    "a timestamp without end": [START, json.dumps(media_message(0, b"\xff", 10**40))],
    "a digit that is none": [START, '{"event": "dtmf", "dtmf": {"digit": "say yes"}}'],
    "a mark without a name": [START, '{"event": "mark"}'],
    "a name without end": [START, json.dumps({"event": "mark", "mark": {"name": "x" * 100_000}})],
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_media_stream_is_closed_with_a_reason(echo: tuple[str, EchoOpener], name: str) -> None:
    url, _opener = echo
    async with asyncio.timeout(15), connect(f"{url}/phone/media", compression=None) as socket:
        try:
            for message in HOSTILE[name]:
                await socket.send(message)
            async for _message in socket:
                pass
        except ConnectionClosed:
            pass
        assert socket.close_code == CLOSE_BAD_MESSAGE
        assert socket.close_reason


async def test_a_giant_frame_a_forged_ticket_a_busy_server_and_a_web_page(echo: tuple[str, EchoOpener]) -> None:
    url, opener = echo
    async with connect(f"{url}/phone/media", compression=None) as socket:
        try:
            await socket.send("x" * 3_000_000)
            await socket.wait_closed()
        except ConnectionClosed:
            pass
        assert socket.close_code == 1009
    async with PhoneCall(url, {"ticket": "forged"}) as call:
        assert await call.ended() == (CLOSE_NOT_ADMITTED, "the ticket is forged")
    opener.capacity = 0
    async with PhoneCall(url) as call:
        assert (await call.ended())[0] == CLOSE_BUSY
    with pytest.raises(InvalidStatus, match="403"):
        async with connect(f"{url}/phone/media", origin="https://evil.example"):
            pass  # type: ignore[unreachable]
    assert opener.ports == []


async def test_who_says_nothing_is_shown_the_door_and_who_leaves_early_frees_its_place(serve: Serve) -> None:
    opener = EchoOpener()
    async with serve(_app(opener, replace(FAST, start_within_s=0.2)), **SERVER_OPTIONS) as address:
        async with connect(f"ws://{address}/phone/media", compression=None) as socket:
            await socket.wait_closed()
            assert socket.close_code == CLOSE_TOO_SLOW
        opener.before_open = asyncio.Event().wait
        async with PhoneCall(f"ws://{address}"):
            await until(lambda: opener.live == 1)
        await until(lambda: opener.live == 0)


async def test_odd_timestamps_do_not_hurt(echo: tuple[str, EchoOpener]) -> None:
    """They come as numbers or text, jump, repeat and go back."""
    url, opener = echo
    stamps = [0, 20, 20, 0, 2**40, 5, 7, 100_000, 60]
    async with PhoneCall(url) as call:
        await call.say([media_message(number, b"\x10" * 160, stamp) for number, stamp in enumerate(stamps)], pace_s=0.0)
        await call.send({"event": "media", "media": {"timestamp": 80, "payload": ""}})
        await call.send({"event": "media", "media": {"track": "outbound"}})
        await call.send({"event": "novelty", "x": 1})
        await until(lambda: opener.ports and len(opener.ports[0].pushed) == len(stamps))
        assert call.close_code is None
