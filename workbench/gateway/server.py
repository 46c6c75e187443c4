"""The gateway's HTTP and WebSocket server."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import secrets
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import uvicorn
from opentelemetry.trace import Tracer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import MAX_LINE_LENGTH

from workbench.audio.frames import FRAME_MS
from workbench.gateway.chat import Chat
from workbench.gateway.drain import MESSAGE, Drain
from workbench.gateway.memory import device_memory
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.prompts import PromptError, prompt_frames
from workbench.gateway.slots import Slots
from workbench.gateway.voice_sound import VoiceError
from workbench.protocol import MAX_MESSAGE_BYTES
from workbench.trace_headers import under_trace

log = logging.getLogger(__name__)
MAX_PROMPT_CHARS = 65_536
"""A question about a longer one is refused unread; it could not be a prompt."""
PING_S = 1.0
"""A client that does not answer within one second more is lost, so its row is free 2 s after it vanished."""


class ServerError(Exception):
    """The server cannot be started as asked. The message says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and for whom to serve."""

    host: str = "127.0.0.1"
    port: int = 8998
    token: str | None = None
    """Asked for as `Authorization: Bearer`, or as the web client's `worker_auth_id`; None lets everybody in."""
    origins: tuple[str, ...] = ()
    """Web pages of other hosts that may connect, such as `https://talk.example.org`; pages of this host always may."""
    certificate: Path | None = None
    key: Path | None = None
    pace: Literal["realtime", "client"] = "realtime"
    limits: Limits = field(default_factory=Limits)
    drain_s: float = 30.0
    """How long talks may go on after SIGTERM or `POST /drain`."""
    instance: str = field(default_factory=lambda: f"{socket.gethostname()[:40]}-{secrets.token_hex(3)}")
    """Which gateway this is, where several stand behind one address."""

    def __post_init__(self) -> None:
        if self.token is None and not _is_loopback(self.host):
            raise ServerError(f"{self.host} can be reached from other machines: give --token, or serve on 127.0.0.1")
        if (self.certificate is None) != (self.key is None):
            raise ServerError("TLS needs both a certificate and its key; give the other one too")


def make_app(slots: Slots, options: ServerOptions, drain: Drain, ended: Callable[[], None]) -> Starlette:
    """The server's routes over running slots. `ended` is called when a drain that was asked for here is over."""

    async def chat(websocket: WebSocket) -> None:
        if not _origin_allowed(websocket, options) or not _token_given(websocket, options):
            # Closing before accepting answers the upgrade with 403.
            await websocket.close(1008)
            return
        if drain.draining:
            # Before the upgrade, so that a balancer can take the visitor elsewhere.
            await websocket.send_denial_response(JSONResponse({"code": "draining", "message": MESSAGE}, 503))
            return
        await websocket.accept()
        with drain.talk(), under_trace(websocket.scope["headers"]):
            await Chat(websocket, slots, _identity(slots, options)).run()

    async def health(_request: Request) -> Response:
        told = describe(slots, options, draining=drain.draining)
        return JSONResponse(told, status_code=200 if told["status"] == "ready" else 503)

    async def begin_drain(request: Request) -> Response:
        if options.token is None:
            # Any page of this machine could ask for it.
            return PlainTextResponse("start the gateway with --token to drain it from here; SIGTERM needs none", 403)
        if not _token_given(request, options):
            return _unauthorised()
        drain.begin(ended)
        return JSONResponse(describe(slots, options, draining=True), 202)

    async def voices(request: Request) -> Response:
        if not _token_given(request, options):
            return _unauthorised()
        model = slots.owner.model
        found = [{"name": name, "frames": voice.frames} for name, voice in model.voices.items()]
        return JSONResponse({"voices": found, "broken": [{"name": name, "reason": why} for name, why in model.broken_voices.items()]})

    async def prompt(request: Request) -> Response:
        if not _token_given(request, options):
            return _unauthorised()
        try:
            asked = _PromptQuestion.model_validate_json(await request.body())
        except ValidationError:
            return JSONResponse({"error": "send JSON with the strings `voice` and `text`"}, status_code=400)
        return JSONResponse(describe_prompt(slots.owner.model, asked.voice, asked.text))

    async def metrics(request: Request) -> Response:
        if not _token_given(request, options):
            return _unauthorised()
        return Response(generate_latest(slots.owner.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            WebSocketRoute("/api/chat", chat),
            Route("/health", health),
            Route("/drain", begin_drain, methods=["POST"]),
            Route("/voices", voices),
            Route("/prompt", prompt, methods=["POST"]),
            Route("/metrics", metrics),
        ]
    )


def _identity(slots: Slots, options: ServerOptions) -> dict[str, str]:
    """Which gateway this is, and of what model."""
    model = slots.owner.model
    checkpoint = model.checkpoint
    return {"instance": options.instance, "model": checkpoint.name, "revision": checkpoint.revision, "device": str(model.device)}


def describe(slots: Slots, options: ServerOptions, *, draining: bool) -> dict[str, Any]:
    """What `/health` answers. The server listens only after the model has made real steps."""
    owner = slots.owner
    return {
        "status": "failed" if slots.failure else "draining" if draining else "ready",
        "reason": slots.failure or (MESSAGE if draining else ""),
        **_identity(slots, options),
        "licence": owner.model.checkpoint.licence,
        "slots": len(owner.rows),
        "in_use": len(owner.rows) - owner.rows.count(None),
        "waiting": len(owner.waiting),
        "step_ms": slots.step_ms,
        "steps": _steps(tuple(owner.steps_s)),
        "memory": device_memory(owner.model.device),
    }


def _steps(took_s: tuple[float, ...]) -> dict[str, float] | None:
    """Of the last ticks; None before the first visitor."""
    if not took_s:
        return None
    p50, p95 = np.percentile(took_s, (50, 95)) * 1_000
    return {"n": len(took_s), "p50_ms": float(p50), "p95_ms": float(p95)}


class _PromptQuestion(BaseModel):
    voice: str = Field(max_length=200)
    text: str = Field(max_length=MAX_PROMPT_CHARS)


def describe_prompt(model: Model, voice_name: str, text: str) -> dict[str, Any]:
    """What `/prompt` answers: the size of a prompt, what it would take to be ready, and why it would be refused (empty if not)."""
    try:
        voice, ids = model.find_voice(voice_name), model.text_ids(text)
        frames = prompt_frames(voice, ids)
        model.check_frames(frames)
    except (VoiceError, PromptError) as error:
        return {"tokens": None, "frames": None, "ready_ms": None, "error": str(error)}
    ready_ms = None if model.prompt_frame_ms is None else model.prompt_frame_ms * frames
    return {"tokens": len(ids), "frames": frames, "ready_ms": ready_ms, "error": ""}


class _Protocol(WebSocketsSansIOProtocol):
    """Answers an address that is too long; uvicorn would leave such a client waiting for ever."""

    def data_received(self, data: bytes) -> None:
        if not self.handshake_complete and data.find(b"\r\n") > MAX_LINE_LENGTH:
            self.transport.write(b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
            return
        super().data_received(data)


class GatewayServer(uvicorn.Server):
    """SIGTERM drains, and a second one ends at once, as Ctrl-C does. However it ends, the talks are told before they are closed."""

    def __init__(self, slots: Slots, options: ServerOptions) -> None:
        self._drain = Drain(slots, options.drain_s)
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(_make_config(make_app(slots, options, self._drain, self._end), options))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self._loop is not None and not self._drain.draining:
            self._captured_signals.append(sig)
            self._loop.call_soon_threadsafe(self._drain.begin, self._end)
            return
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain.end_talks()
        await super().shutdown(sockets)

    def _end(self) -> None:
        self.should_exit = True


def _make_config(app: Starlette, options: ServerOptions) -> uvicorn.Config:
    """uvicorn, set up for the gateway."""
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_config=None,  # the log is the process's own
        log_level="warning",
        access_log=False,  # it would write prompts and tokens, which are in the query
        ws=_Protocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
    )


def serve(model: Model, options: ServerOptions, listening: socket.socket | None = None, tracer: Tracer | None = None) -> None:
    """Warms the model up, then serves until interrupted or drained; on the bound socket `listening` where one is given.

    Raises CheckpointError when the model's output is not numbers."""
    step_ms = model.warm_up()
    log.log(logging.INFO if step_ms < FRAME_MS else logging.WARNING, "%s", model.told_speed(step_ms))
    slots = Slots(model, pace=options.pace, limits=options.limits, step_ms=step_ms, tracer=tracer)
    slots.start()
    log.info("%s at %s is ready for %d talks on port %d", model.checkpoint.name, model.checkpoint.revision, model.rows, options.port)
    try:
        GatewayServer(slots, options).run(None if listening is None else [listening])
    finally:
        slots.stop()


def _origin_allowed(connection: HTTPConnection, options: ServerOptions) -> bool:
    """Programs send no Origin. A page must be of a listed origin or of this host; `null` is neither."""
    origin = connection.headers.get("origin")
    if origin is None or origin in options.origins:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    # Without a token only pages of this machine: any name can be made to point here (DNS rebinding).
    return parts.netloc == connection.headers.get("host") and (options.token is not None or _is_loopback(name))


def _token_given(connection: HTTPConnection, options: ServerOptions) -> bool:
    if options.token is None:
        return True
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    given = bearer if scheme.lower() == "bearer" else connection.query_params.get("worker_auth_id", "")
    return hmac.compare_digest(given.encode(), options.token.encode())


def _unauthorised() -> Response:
    return PlainTextResponse("give the gateway's token as `Authorization: Bearer ...`", 401, {"WWW-Authenticate": "Bearer"})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
