"""The gateway's HTTP and WebSocket server."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import uvicorn
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
from workbench.gateway.memory import device_memory
from workbench.gateway.model import Model
from workbench.gateway.owner import Limits
from workbench.gateway.prompts import PromptError, prompt_frames
from workbench.gateway.slots import Slots
from workbench.gateway.voice_sound import VoiceError
from workbench.protocol import MAX_MESSAGE_BYTES

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

    def __post_init__(self) -> None:
        if self.token is None and not _is_loopback(self.host):
            raise ServerError(f"{self.host} can be reached from other machines: give --token, or serve on 127.0.0.1")
        if (self.certificate is None) != (self.key is None):
            raise ServerError("TLS needs both a certificate and its key; give the other one too")


def make_app(slots: Slots, options: ServerOptions) -> Starlette:
    """The server's routes over running slots."""

    async def chat(websocket: WebSocket) -> None:
        if not _origin_allowed(websocket, options) or not _token_given(websocket, options):
            # Closing before accepting answers the upgrade with 403.
            await websocket.close(1008)
            return
        await websocket.accept()
        await Chat(websocket, slots).run()

    async def health(_request: Request) -> Response:
        status = 503 if slots.failure else 200
        return JSONResponse(describe(slots), status_code=status)

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
            Route("/voices", voices),
            Route("/prompt", prompt, methods=["POST"]),
            Route("/metrics", metrics),
        ]
    )


def describe(slots: Slots) -> dict[str, Any]:
    """What `/health` answers. The server listens only after the model has made real steps."""
    owner = slots.owner
    checkpoint = owner.model.checkpoint
    return {
        "status": "failed" if slots.failure else "ready",
        "reason": slots.failure,
        "model": checkpoint.name,
        "revision": checkpoint.revision,
        "licence": checkpoint.licence,
        "device": str(owner.model.device),
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


def make_config(slots: Slots, options: ServerOptions) -> uvicorn.Config:
    """uvicorn, set up for the gateway."""
    return uvicorn.Config(
        make_app(slots, options),
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


def serve(model: Model, options: ServerOptions, listening: socket.socket | None = None) -> None:
    """Warms the model up, then serves until interrupted; on the bound socket `listening` where one is given.

    Raises CheckpointError when the model's output is not numbers."""
    step_ms = model.warm_up()
    log.log(logging.INFO if step_ms < FRAME_MS else logging.WARNING, "%s", model.told_speed(step_ms))
    slots = Slots(model, pace=options.pace, limits=options.limits, step_ms=step_ms)
    slots.start()
    log.info("%s at %s is ready for %d talks on port %d", model.checkpoint.name, model.checkpoint.revision, model.rows, options.port)
    try:
        uvicorn.Server(make_config(slots, options)).run(None if listening is None else [listening])
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
