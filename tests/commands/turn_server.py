"""A small STUN and TURN server on loopback UDP: bindings, allocations behind long-term credentials, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioice.stun import Class, Message, Method, parse_message
from aioice.turn import make_integrity_key

REALM, NONCE = "test.example", b"once"
RELAY = ("192.0.2.7", 50_000)


class TurnServer(asyncio.DatagramProtocol):
    """`users`: name to password. Mute, it hears and says nothing."""

    def __init__(self, users: dict[str, str], *, mute: bool = False) -> None:
        self.users, self.mute = users, mute
        self.allocated: set[Any] = set()
        """Addresses of clients that hold an allocation."""
        self.ever = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    @property
    def address(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.mute:
            request = parse_message(data)
            answer, key = self._answer(request, addr)
            if key is not None:
                answer.add_message_integrity(key)
            self.transport.sendto(bytes(answer), addr)

    def _answer(self, request: Message, addr: Any) -> tuple[Message, bytes | None]:
        def answer(kind: Class, **attributes: Any) -> Message:
            named = {name.replace("_", "-"): value for name, value in attributes.items()}
            return Message(request.message_method, kind, request.transaction_id, named)

        if request.message_method == Method.BINDING:
            return answer(Class.RESPONSE, XOR_MAPPED_ADDRESS=addr), None
        name = request.attributes.get("USERNAME")
        if name is None:
            return answer(Class.ERROR, ERROR_CODE=(401, "Unauthorized"), REALM=REALM, NONCE=NONCE), None
        key = make_integrity_key(name, REALM, self.users.get(name, ""))
        if name not in self.users or not request.check_message_integrity(key):
            return answer(Class.ERROR, ERROR_CODE=(401, "Unauthorized"), REALM=REALM, NONCE=NONCE), None
        if request.message_method == Method.ALLOCATE:
            self.allocated.add(addr)
            self.ever += 1
            return answer(Class.RESPONSE, LIFETIME=60, XOR_RELAYED_ADDRESS=RELAY, XOR_MAPPED_ADDRESS=addr), key
        if request.attributes.get("LIFETIME") == 0:
            self.allocated.discard(addr)
        return answer(Class.RESPONSE, LIFETIME=request.attributes.get("LIFETIME", 0)), key


@asynccontextmanager
async def turn_server(users: dict[str, str] | None = None, *, mute: bool = False) -> AsyncIterator[TurnServer]:
    """One that runs until the end of the block."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: TurnServer(users or {}, mute=mute), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
