"""The socket that servers listen on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from workbench.commands.common import CommandError, listen_on


async def test_what_is_accepted_sends_at_once(free_port: int) -> None:
    """Nagle's algorithm holds the second part of an answer back until the first is acknowledged, which takes 40 ms."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def on_connection(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(on_connection, sock=listen_on("127.0.0.1", free_port)):
        _reader, writer = await asyncio.open_connection("127.0.0.1", free_port)
        assert await accepted
        writer.close()
        await writer.wait_closed()


def test_a_port_that_is_taken_is_told(free_port: int) -> None:
    with listen_on("127.0.0.1", free_port) as taken:
        taken.listen()
        with pytest.raises(CommandError, match=f"127.0.0.1:{free_port} cannot be listened on"):
            listen_on("127.0.0.1", free_port)
