"""A WebSocket to a vLLM-Omni server: its addresses, the upgrade, events in and out, and a session that is opened or taken up again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from workbench.engines.base import EngineBusy, EngineError
from workbench.engines.vllm_omni.events import MAX_EVENT_BYTES, BadEvent, Event, open_session, parse, resume, said
from workbench.wire_client import shown_address

CLOSE_TIMEOUT_S = 2.0
ROUTE = "/v1/realtime"
FULL = ("resource_exhausted", "rate_limit_exceeded")
"""Codes of a server that has no place."""
UNIT_MS = 80


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what it wants to see."""

    base: str
    """`ws(s)://host[:port][/prefix]`."""
    key: str | None = None

    @classmethod
    def of(cls, url: str, key: str | None = None) -> Address:
        """`http(s)://`, `ws(s)://` or bare `host:port`, with or without `/v1/realtime`. Raises ValueError with the mend."""
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        if scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; give one such as ws://127.0.0.1:8099")
        return cls(urlunsplit((scheme, parts.netloc, parts.path.rstrip("/").removesuffix(ROUTE), "", "")), key)

    @property
    def shown(self) -> str:
        """For messages."""
        return shown_address(self.base)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def realtime(self, **query: str | int) -> str:
        return f"{self.base}{ROUTE}?{urlencode({'duplex': 1, **query})}"

    def http(self, path: str) -> str:
        return f"{self.base.replace('ws', 'http', 1)}{path}"


class Connection:
    """Events of one socket."""

    def __init__(self, address: Address, socket: ClientConnection) -> None:
        self._address = address
        self._socket = socket

    @classmethod
    async def to(cls, address: Address, **query: str | int) -> Connection:
        """Raises EngineError when it cannot be reached or refuses."""
        try:
            socket = await connect(
                address.realtime(**query),
                max_size=MAX_EVENT_BYTES,
                compression=None,
                close_timeout=CLOSE_TIMEOUT_S,
                additional_headers=address.headers,
                proxy=None,
            )
        except websockets.InvalidStatus as error:
            status = error.response.status_code
            mend = "; it wants its --api-key (WORKBENCH_VLLM_OMNI_KEY)" if status in (401, 403) else ""
            raise EngineError(f"{address.shown} refused {ROUTE} with HTTP {status}{mend}") from error
        except (OSError, websockets.InvalidHandshake, websockets.InvalidURI) as error:
            raise EngineError(f"{address.shown} cannot be reached ({said(str(error))}); is vllm-omni running there?") from error
        return cls(address, socket)

    async def send(self, event: Mapping[str, Any]) -> None:
        """Raises EngineError when the server has gone."""
        try:
            await self._socket.send(json.dumps(event))
        except websockets.ConnectionClosed as error:
            raise EngineError(f"{self._address.shown} closed the connection ({self.close_reason})") from error

    async def events(self) -> AsyncIterator[Event | BadEvent]:
        """Everything until the connection ends; what is no event comes as the reason why."""
        try:
            async for message in self._socket:
                try:
                    yield parse(message)
                except BadEvent as bad:
                    yield bad
        except websockets.ConnectionClosedError:
            return

    @property
    def close_reason(self) -> str:
        """Code and reason, as far as there is one."""
        return said(f"{self._socket.close_code or ''} {self._socket.close_reason or ''}") or "without a word"

    async def close(self) -> None:
        await self._socket.close()


@dataclass(frozen=True, slots=True)
class Opened:
    """A session as its server described it."""

    session_id: str
    model: str
    token: str
    resumable: bool
    acknowledges: bool
    seq: int


async def begin(address: Address, model: str, instructions: str, voice: str) -> tuple[Connection, Opened]:
    """A new session. Raises EngineBusy when there is no place, EngineError."""
    connection = await Connection.to(address, model=model)
    try:
        await connection.send(open_session(model, instructions, voice))
        event = await _awaited(connection, "session.created", address)
        return connection, _described(event, address)
    except BaseException:
        await connection.close()
        raise


async def take_up(address: Address, opened: Opened, last_seq: int) -> tuple[Connection, str]:
    """The same session on a new connection, and its new token. Raises EngineError when the server does not have it any more."""
    connection = await Connection.to(address, autostart=0)
    try:
        await connection.send(resume(opened.session_id, opened.token, last_seq))
        event = await _awaited(connection, "session.resumed", address)
        return connection, str(event.at("resume_token") or opened.token)
    except BaseException:
        await connection.close()
        raise


async def _awaited(connection: Connection, kind: str, address: Address) -> Event:
    async for event in connection.events():
        if isinstance(event, BadEvent):
            continue
        if event.kind == kind:
            return event
        if event.kind == "error":
            code, message = event.error
            kind_of = EngineBusy if code in FULL else EngineError
            raise kind_of(f"{address.shown} refused the talk: {message or 'it did not say why'} ({code})")
        if event.kind in ("session.closed", "session.expired", "session.resync_required"):
            raise EngineError(f"{address.shown} ended the session before it began: {event.text('reason') or event.kind}")
    raise EngineError(f"{address.shown} closed the talk before it began ({connection.close_reason}); see its log.")


def _described(event: Event, address: Address) -> Opened:
    able = event.at("session", "capabilities")
    if not isinstance(able, Mapping):
        raise EngineError(
            f"{address.shown} answers turn by turn: its session tells no capabilities. Serve PersonaPlex with a deploy configuration that "
            "says `session_mode: duplex`, in a vllm-omni whose PersonaPlex has a duplex plugin."
        )
    unit = able.get("chunk_period_ms")
    if unit != UNIT_MS:
        raise EngineError(
            f"{address.shown} serves a model with units of {said(str(unit))} ms; PersonaPlex has {UNIT_MS}. Serve PersonaPlex."
        )
    session_id = event.at("session", "id")
    if not isinstance(session_id, str) or not session_id:
        raise EngineError(f"{address.shown} opened a session without an id.")
    token = event.at("resume_token")
    return Opened(
        session_id=session_id,
        model=event.text("session", "model"),
        token=token if isinstance(token, str) else "",
        resumable=able.get("supports_session_resume") is True and isinstance(token, str) and bool(token),
        acknowledges=able.get("supports_playback_ack") is not False,
        seq=event.seq or 0,
    )


async def upgrade(address: Address) -> None:
    """Whether the route takes WebSockets; no session is opened. Raises EngineError."""
    connection = await Connection.to(address)
    await asyncio.shield(connection.close())
