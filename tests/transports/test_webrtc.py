"""WebRTC calls with aiortc peers in this process, over loopback: echo, hostile offers, places, ends."""

from __future__ import annotations

import asyncio
import fractions
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import av
import gradio as gr
import httpx
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from fastapi import FastAPI

from workbench.api.limits import Limits, Refusals
from workbench.api.visitor import VISITOR, Visitor
from workbench.conversation.port import TalkPort, TalkRequest
from workbench.settings import Settings
from workbench.testing.port import EchoOpener
from workbench.transports import webrtc_patches
from workbench.transports.ice import IceError
from workbench.transports.webrtc import WebRtcCalls, WebRtcOptions

Serve = Callable[..., AbstractAsyncContextManager[str]]
PACKET = 960


class Microphone(MediaStreamTrack):
    """A sine at 48 kHz in packets of 20 ms, at the pace of real time."""

    kind = "audio"

    def __init__(self, hertz: float = 440.0) -> None:
        super().__init__()
        self._hertz = hertz
        self._sent = 0
        self._began_s: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._began_s = self._began_s or time.monotonic()
        await asyncio.sleep(max(0.0, self._began_s + self._sent / 48_000 - time.monotonic()))
        wave = 9_000 * np.sin(2 * np.pi * self._hertz * (np.arange(PACKET) + self._sent) / 48_000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._sent, fractions.Fraction(1, 48_000)
        self._sent += PACKET
        return frame


@dataclass
class Peer:
    """A browser's part of a call."""

    address: str
    hertz: float = 440.0
    webrtc_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    channel: bool = True
    messages: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Peer:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.heard: list[np.ndarray] = []
        self.ended = asyncio.Event()
        if self.channel:
            self.pc.createDataChannel("text").on("message", self._message)
        self.pc.on("track", self._track)
        self.pc.addTrack(Microphone(self.hertz))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"http://{self.address}/webrtc/offer",
                json={"sdp": self.pc.localDescription.sdp, "type": "offer", "webrtc_id": self.webrtc_id},
            )
        self.answer = answer.json()
        if "sdp" in self.answer:
            await self.pc.setRemoteDescription(RTCSessionDescription(self.answer["sdp"], self.answer["type"]))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pc.close()

    def _message(self, message: str) -> None:
        self.messages.append(message)
        if '"end_stream"' in message:
            self.ended.set()

    def _track(self, track: MediaStreamTrack) -> None:
        self.listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                self.heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0].copy())
        except MediaStreamError:
            return

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.int16)

    def loud_hertz(self) -> float | None:
        """The pitch of the last half second, None while it is quiet."""
        last = self.sound[-24_000:].astype(float)
        if last.size < 24_000 or np.sqrt(np.mean(last**2)) < 1_000:
            return None
        return float(np.argmax(np.abs(np.fft.rfft(last * np.hanning(last.size))))) * 2.0


async def _eventually(holds: Callable[[], object], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.02)


@dataclass
class House:
    address: str
    opener: EchoOpener
    calls: WebRtcCalls


@pytest.fixture
async def house(serve: Serve) -> AsyncIterator[House]:
    """A server whose calls are echoes."""
    opener = EchoOpener()
    calls = WebRtcCalls(opener, WebRtcOptions(max_calls=4, loopback_only=True))
    app = FastAPI()
    app.include_router(calls.router())
    async with serve(app) as address:
        yield House(address, opener, calls)
        await calls.close()
        await _eventually(lambda: calls.taken == 0 and opener.live == 0)


async def test_four_peers_at_once_hear_their_own_sound(house: House) -> None:
    peers = [Peer(house.address, hertz) for hertz in (300.0, 440.0, 620.0, 900.0)]
    try:
        await asyncio.gather(*(peer.__aenter__() for peer in peers))
        for peer in peers:
            await _eventually(lambda peer=peer: peer.loud_hertz() is not None)
            assert peer.loud_hertz() == pytest.approx(peer.hertz, abs=4)
        assert len(house.calls.live) == house.opener.live == 4
        async with Peer(house.address) as fifth:
            assert fifth.answer["meta"]["error"] == "concurrency_limit_reached"
    finally:
        await asyncio.gather(*(peer.pc.close() for peer in peers))
    await _eventually(lambda: house.opener.live == 0 and not house.calls.live)
    assert {await port.closed() for port in house.opener.ports} == {"hung_up"}


async def test_packets_carry_their_own_time(house: House) -> None:
    async with Peer(house.address) as peer:
        await _eventually(lambda: peer.loud_hertz() is not None)
        port = house.opener.ports[0]
        sizes = {packet[0] for packet in port.pushed}
        stamps = [packet[1] for packet in port.pushed]
    assert sizes == {480}
    steps = {after - before for before, after in itertools.pairwise(stamps) if before is not None and after is not None}
    assert steps == {480}


async def test_whose_talk_it_is_is_known_where_it_is_opened(serve: Serve) -> None:
    """Talks are counted by address: the offer's must still be there when the call has connected."""
    asked: list[Visitor | None] = []
    opener = EchoOpener()

    async def counted(request: TalkRequest) -> TalkPort:
        asked.append(VISITOR.get())
        return await opener(request)

    calls = WebRtcCalls(counted, WebRtcOptions(max_calls=4, loopback_only=True))
    app = FastAPI()
    app.include_router(calls.router())
    app.add_middleware(Limits, settings=Settings(_env_file=None), refusals=Refusals())
    async with serve(app, proxy_headers=False) as address:
        async with Peer(address):
            await _eventually(lambda: asked)
        await calls.close()
        await _eventually(lambda: calls.taken == 0 and opener.live == 0)
    assert asked == [Visitor("127.0.0.1", local=True)]


async def test_what_is_expected_of_an_id_is_asked_for(house: House) -> None:
    house.calls.expect("mine", TalkRequest(persona="echo", voice="NATF2"))
    async with Peer(house.address, webrtc_id="mine"):
        await _eventually(lambda: house.opener.ports)
    assert house.opener.ports[0].request == TalkRequest(persona="echo", voice="NATF2", transport="webrtc")


async def test_a_refused_talk_is_told_and_its_place_freed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.transports.webrtc.LEAVE_WITHIN_S", 0.2)
    house.calls.expect("stranger", TalkRequest(persona="nobody"))
    async with Peer(house.address, webrtc_id="stranger") as peer:
        await asyncio.wait_for(peer.ended.wait(), 15)
        assert any("Known: echo" in message for message in peer.messages)
        await _eventually(lambda: house.calls.taken == 0)


async def test_the_end_of_a_talk_closes_the_call(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.transports.webrtc.LEAVE_WITHIN_S", 0.2)
    async with Peer(house.address) as peer:
        await _eventually(lambda: peer.loud_hertz() is not None)
        await house.opener.ports[0].hang_up("time_limit")
        await asyncio.wait_for(peer.ended.wait(), 15)
        assert any("The echo has ended." in message for message in peer.messages)
        await _eventually(lambda: house.calls.taken == 0)


async def test_silence_is_sent_while_the_talk_opens(house: House) -> None:
    gate = asyncio.Event()
    house.opener.before_open = gate.wait
    async with Peer(house.address) as peer:
        await _eventually(lambda: peer.sound.size > 24_000)
        assert not np.abs(peer.sound).max() > 100
        gate.set()
        await _eventually(lambda: peer.loud_hertz() is not None)


async def test_a_peer_that_leaves_while_its_talk_opens_frees_its_place(house: House) -> None:
    house.opener.before_open = asyncio.Event().wait
    async with Peer(house.address):
        await _eventually(lambda: house.opener.live == 1)
    await _eventually(lambda: house.opener.live == 0 and house.calls.taken == 0)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "offer", "webrtc_id": "a"},
        {"type": "answer", "sdp": "v=0", "webrtc_id": "a"},
        {"type": "offer", "sdp": "garbage", "webrtc_id": "a"},
        {"type": "offer", "sdp": "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\n", "webrtc_id": "a"},
        {"type": "offer", "sdp": "v=0", "webrtc_id": ""},
        {"type": "offer", "sdp": "v=0", "webrtc_id": "x" * 500},
    ],
)
async def test_bad_offers_are_refused_and_keep_no_place(house: House, body: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=f"http://{house.address}") as client:
        for _ in range(6):
            answer = await client.post("/webrtc/offer", json=body)
            assert answer.json()["status"] == "failed"
            assert answer.json()["meta"]["error"] == "bad_offer"
    assert house.calls.taken == 0


async def test_candidates_for_nobody_and_foreign_pages_are_refused(house: House) -> None:
    async with httpx.AsyncClient(base_url=f"http://{house.address}") as client:
        answer = await client.post("/webrtc/offer", json={"type": "ice-candidate", "candidate": {}, "webrtc_id": "nobody"})
        assert answer.json()["meta"]["error"] == "unknown_connection"
        answer = await client.post(
            "/webrtc/offer", json={"type": "offer", "sdp": "v=0", "webrtc_id": "a"}, headers={"origin": "https://evil.example"}
        )
        assert answer.json()["meta"]["error"] == "forbidden_origin"


async def test_a_call_without_a_data_channel_is_refused(house: House) -> None:
    async with Peer(house.address, channel=False) as peer:
        assert "data channel" in peer.answer["meta"]["message"]
    assert house.calls.taken == 0


async def test_an_offer_that_nobody_follows_up_is_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc_patches, "START_WITHIN_S", 0.5)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("text")
    pc.addTrack(Microphone())
    await pc.setLocalDescription(await pc.createOffer())
    async with httpx.AsyncClient() as client:
        offer = {"sdp": pc.localDescription.sdp, "type": "offer", "webrtc_id": "idle"}
        assert (await client.post(f"http://{house.address}/webrtc/offer", json=offer)).json()["type"] == "answer"
        again = (await client.post(f"http://{house.address}/webrtc/offer", json=offer)).json()
        assert again["meta"]["error"] == "connection_already_exists"
    assert house.calls.taken == 1
    await _eventually(lambda: house.calls.taken == 0)
    await pc.close()


async def test_turn_credentials_that_cannot_be_had_are_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> dict[str, Any]:
        raise IceError("Cloudflare gave no TURN credentials (HTTP 403); check the key")

    calls = WebRtcCalls(house.opener, WebRtcOptions(loopback_only=True))
    calls.ice = broken
    app = FastAPI()
    app.include_router(calls.router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        sdp = "v=0\r\nm=audio 9 X 0\r\nm=application 9 X 0\r\n"
        answer = (await client.post("/webrtc/offer", json={"sdp": sdp, "type": "offer", "webrtc_id": "a"})).json()
    assert answer["meta"] == {"error": "ice_unavailable", "message": "Cloudflare gave no TURN credentials (HTTP 403); check the key"}
    assert calls.taken == 0


async def test_the_pages_microphone_is_under_the_same_limit(house: House) -> None:
    with gr.Blocks():
        persona = gr.Dropdown(["echo", "nobody"], value="echo")
        microphone = house.calls.component(label="Talk")
        house.calls.connect(microphone, [persona], lambda values: TalkRequest(persona=str(values[0])))
    assert (await microphone.resolve_rtc_configuration()) == {"iceServers": []}
    bad = await microphone.handle_offer({"type": "offer", "sdp": "garbage", "webrtc_id": "page"}, None)
    assert b"bad_offer" in bad.body
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = pc.createDataChannel("text")
    pc.addTrack(Microphone())
    await pc.setLocalDescription(await pc.createOffer())

    @channel.on("message")
    def answer(message: str) -> None:
        if '"send_input"' in message:
            microphone.set_input_gradio("page", "echo")

    offer = {"type": "offer", "sdp": pc.localDescription.sdp, "webrtc_id": "page"}
    got = await microphone.handle_offer(offer, microphone.set_additional_outputs("page"))
    await pc.setRemoteDescription(RTCSessionDescription(got["sdp"], got["type"]))
    assert house.calls.taken == 1
    await _eventually(lambda: house.opener.ports)
    assert house.opener.ports[0].request == TalkRequest(persona="echo", transport="webrtc")
    output = await asyncio.wait_for(microphone.fetch_latest_output("page"), 10)
    assert output.args == ("echo-0",)
    await pc.close()
    await _eventually(lambda: house.opener.live == 0 and house.calls.taken == 0)


async def test_a_peer_that_falls_silent_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.transports.webrtc.LOST_AFTER_S", 0.5)
    async with Peer(house.address) as peer:
        await _eventually(lambda: peer.loud_hertz() is not None)
        peer.pc.getSenders()[0].replaceTrack(None)
        async with asyncio.timeout(10):
            assert await house.opener.ports[0].closed() == "client_lost"
