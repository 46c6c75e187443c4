"""STUN and TURN servers, tried as WebRTC uses them: a binding request, and a real allocation with the same credentials."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aioice.stun
import aioice.turn
import httpx
from aiortc.rtcicetransport import parse_stun_turn_uri

from workbench.commands.checks.finding import NETWORK_TIMEOUT_S, Finding
from workbench.settings import Settings
from workbench.transports.ice import IceError, ice_servers, ice_settings
from workbench.transports.origin import is_loopback

NAME = "turn"
LIFETIME_S = 60
"""Of the trial's allocation, which is given back at once."""
NONE_CONFIGURED = "No STUN or TURN server is configured, and none is needed on one machine or one network."
OFF_SITE = (
    "No TURN server is configured: whoever is not on this network cannot talk by WebRTC; "
    "a program on the WebSocket at /api/chat can, through any proxy."
)


async def turn(
    settings: Settings, transport: httpx.AsyncBaseTransport | None = None, timeout_s: float = NETWORK_TIMEOUT_S
) -> list[Finding]:
    """`transport`, for whom credentials are asked of, and `timeout_s`, for one server, are for tests."""
    ice = ice_settings(settings)
    try:
        async with asyncio.timeout(2 * timeout_s):
            listed = (await ice_servers(ice, transport)())["iceServers"]
    except IceError as error:
        return [Finding(NAME, "warning", f"{error}.", _credentials(settings))]
    except TimeoutError:
        told = f"No TURN credentials came within {2 * timeout_s:g} s."
        return [Finding(NAME, "warning", told, _credentials(settings))]
    if not listed:
        if is_loopback(settings.host) and not settings.allowed_origins:
            return [Finding(NAME, "ok", NONE_CONFIGURED)]
        return [Finding(NAME, "warning", OFF_SITE, "export HF_TOKEN=hf_... WORKBENCH_TURN_FROM_HUGGINGFACE=true")]
    return list(await asyncio.gather(*(_server(url, server, settings, timeout_s) for url, server in _each(listed))))


def _each(listed: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for server in listed:
        urls = server["urls"]
        for url in [urls] if isinstance(urls, str) else urls:
            yield str(url), server


async def _server(url: str, server: Mapping[str, Any], settings: Settings, timeout_s: float) -> Finding:
    try:
        parts = parse_stun_turn_uri(url)
    except ValueError as error:
        told = f"{url[:100]!r} is no address of a STUN or TURN server ({error}); write stun:HOST:PORT or turn:HOST:PORT."
        return Finding(NAME, "error", told, _correct(url, settings))
    if parts["scheme"] == "stuns":
        return Finding(NAME, "ok", f"{url} was not tried: the server passes stuns: over, and browsers decide for themselves.")
    began_s = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            seen = await (_bind(parts) if parts["scheme"] == "stun" else _allocate(parts, server))
    except TimeoutError:
        return Finding(NAME, "warning", f"{url} gave no answer within {timeout_s:g} s.", _correct(url, settings))
    except aioice.stun.TransactionFailed as error:
        told = " ".join(str(part) for part in error.response.attributes.get("ERROR-CODE", ("no", "reason")))
        refused = error.response.error_code in (401, 403, 438, 441)
        return Finding(NAME, "warning", f"{url} refused: {told}.", _credentials(settings) if refused else _correct(url, settings))
    except (OSError, aioice.stun.TransactionError) as error:
        return Finding(NAME, "warning", f"{url} cannot be used: {error}.", _correct(url, settings))
    took_ms = (time.perf_counter() - began_s) * 1_000
    what = "sees this machine as" if parts["scheme"] == "stun" else "allocated a relay at"
    return Finding(NAME, "ok", f"{url} {what} {seen[0]}:{seen[1]}, in {took_ms:.0f} ms.", ms=took_ms)


def _correct(url: str, settings: Settings) -> str:
    """The command that sets another address: of the server that the settings name, or of none where it was fetched."""
    if url in settings.stun_urls:
        return "unset WORKBENCH_STUN_URLS"
    return "export WORKBENCH_TURN_URL=turn:HOST:3478" if url == settings.turn_url else f"nc -vz {url.partition(':')[2].partition('?')[0]}"


def _credentials(settings: Settings) -> str:
    """The command that sets other credentials."""
    if settings.turn_from_huggingface:
        return "export HF_TOKEN=hf_..."
    if settings.cloudflare_turn_key_id is not None:
        return "export CLOUDFLARE_TURN_KEY_ID=... CLOUDFLARE_TURN_KEY_API_TOKEN=..."
    return "export WORKBENCH_TURN_USERNAME=... WORKBENCH_TURN_PASSWORD=..."


def _not_connected(_data: bytes) -> None:
    raise OSError("there is no socket yet")


class _Asker(asyncio.DatagramProtocol):
    """One STUN question over UDP."""

    def __init__(self) -> None:
        self.send: Callable[[bytes], None] = _not_connected
        self.request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
        self.transaction: aioice.stun.Transaction | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.send = transport.sendto  # type: ignore[attr-defined]  # of a datagram transport, as asyncio gives it here

    def send_stun(self, message: aioice.stun.Message, _address: tuple[str, int]) -> None:
        self.send(bytes(message))

    def datagram_received(self, data: bytes, address: Any) -> None:
        try:
            message = aioice.stun.parse_message(data)
        except ValueError:
            return
        if self.transaction is not None and message.transaction_id == self.request.transaction_id:
            self.transaction.response_received(message, address)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: said at once, not after the timeout."""
        if not self.lost.done():
            self.lost.set_exception(exc)


async def _bind(parts: Mapping[str, Any]) -> tuple[str, int]:
    """The address that the server sees."""
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(_Asker, remote_addr=(parts["host"], parts["port"]))
    try:
        asker.transaction = aioice.stun.Transaction(asker.request, (parts["host"], parts["port"]), asker)
        asked = asyncio.ensure_future(asker.transaction.run())
        try:
            waiting: set[asyncio.Future[Any]] = {asked, asker.lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                asker.lost.result()
            message, _address = asked.result()
        finally:
            asked.cancel()
            asker.lost.cancel()
    finally:
        transport.close()
    seen = message.attributes.get("XOR-MAPPED-ADDRESS") or message.attributes.get("MAPPED-ADDRESS")
    if seen is None:
        raise OSError("its answer holds no address")
    return str(seen[0]), int(seen[1])


async def _allocate(parts: Mapping[str, Any], server: Mapping[str, Any]) -> tuple[str, int]:
    """The relay's address. The allocation is deleted again."""
    relay, _protocol = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        (parts["host"], parts["port"]),
        username=server.get("username"),
        password=server.get("credential"),
        lifetime=LIFETIME_S,
        ssl=parts["scheme"] == "turns" or None,
        transport=parts["transport"],
    )
    where: tuple[str, int] = relay.get_extra_info("sockname")
    await relay._close()
    return where
