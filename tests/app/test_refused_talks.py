"""A visitor who is refused a talk is told why: by the page's own socket, and by the protocol's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from workbench.api.visitor import VISITOR, Visitor
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.transports.webrtc import TalkHandler
from workbench.transports.websocket import CLOSE_BUSY
from workbench.wire_client import ChatClient, ChatError


async def test_one_talk_too_many_has_a_reason(serve: Any) -> None:
    async with serve(limits="all", limit_talks_at_once=1) as served, served.socket("/api/page/mine") as page:
        begin = {"type": "begin", "text": "hello", "persona": "casual", "engine": "echo", "recording": False}
        await page.send(begin)
        await page.until(lambda message: message["type"] == "talk")
        async with served.socket("/api/page/other") as other:
            await other.send(begin)
            refused = await other.until(lambda message: message["type"] == "refused")
        assert refused["code"] == "quota"
        assert "1 talks going on" in refused["message"]
        client = await ChatClient.connect(f"ws://{served.address}", engine="echo", wait_for_handshake=False)
        with pytest.raises(ChatError, match="1 talks going on") as told:
            await client.handshake()
        assert told.value.code == "quota"
        assert [message async for message in client.receive()] == []
        assert client.close_code == CLOSE_BUSY
        await client.close()


async def test_a_call_of_the_page_is_counted_under_its_own_address(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's offers come by way of its library; who sent one is still known where the talk is opened."""
    asked: list[Visitor | None] = []
    known = asyncio.Event()

    async def request(_handler: TalkHandler) -> TalkRequest:
        asked.append(VISITOR.get())
        known.set()
        raise TalkRefused("busy", "Not in this test.")

    monkeypatch.setattr(TalkHandler, "_request", request)
    async with serve(loopback_webrtc=True) as served, httpx.AsyncClient(base_url=f"http://{served.address}") as client:
        components = (await client.get("/config")).json()["components"]
        (microphone,) = [component["id"] for component in components if component["type"] == "webrtc"]
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.createDataChannel("text")
        peer.addTransceiver("audio")
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": "offer", "webrtc_id": "mine"}
        body = {"data": offer, "component_id": microphone, "fn_name": "offer", "session_hash": "mine"}
        answer = (await client.post("/gradio_api/component_server", json=body, timeout=60)).json()
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await asyncio.wait_for(known.wait(), 60)
        await peer.close()
    assert asked == [Visitor("127.0.0.1", local=True)]
