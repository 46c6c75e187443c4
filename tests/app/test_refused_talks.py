"""A visitor who is refused a talk is told why: by the page's own socket, and by the protocol's."""

from __future__ import annotations

from typing import Any

import pytest

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
