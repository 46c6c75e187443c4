"""A vLLM-Omni server as its documentation describes it, without a model: the messages of `WS /v1/realtime?duplex=1` that a talk with
PersonaPlex uses, and `GET /v1/models`.

Written from `docs/serving/realtime_duplex_api.md` of vllm-project/vllm-omni (commit 09c32f18), `vllm_omni/deploy/personaplex.yaml`
(0e4a9cf3: first one frame, then five in a piece) and the PersonaPlex plugin's checks (0e617423). It answers the user's sound with
that sound.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import FastAPI, Header, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

FRAME_BYTES = 1_920 * 4
MODEL = "nvidia/personaplex-7b-v1"


@dataclass
class Session:
    """What the server keeps of a talk, whoever is connected."""

    id: str
    token: str
    config: dict[str, Any]
    seq: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    emitted: int = 0
    heard: int = 0


@dataclass
class OmniStub:
    """One server. What it got is in `events`."""

    key: str | None = None
    places: int = 2
    resumable: bool = False
    unit_ms: int = 80
    duplex: bool = True
    breaks_after: int | None = None
    """Frames after which it breaks the connection, once."""
    swallows: int = 0
    """Events that are kept in the journal and not sent before that break."""
    words: dict[int, str] = field(default_factory=dict)
    """Text of the n-th piece of sound; ` word<n>` for the others."""
    hostile: tuple[str | bytes, ...] = ()
    """Sent before the first sound."""
    mute: bool = False
    sessions: dict[str, Session] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tokens: Any = field(default_factory=itertools.count)

    @property
    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models(authorization: str = Header("")) -> JSONResponse:
            if self.key is not None and authorization != f"Bearer {self.key}":
                return JSONResponse({"error": "Unauthorized"}, 401)
            return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

        @app.websocket("/v1/realtime")
        async def realtime(socket: WebSocket, autostart: int = Query(1), authorization: str = Header("")) -> None:
            if self.key is not None and authorization != f"Bearer {self.key}":
                await socket.close(1008)
                return
            await socket.accept()
            with contextlib.suppress(WebSocketDisconnect):
                await self._talk(socket, autostart)

        return app

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def _talk(self, socket: WebSocket, autostart: int) -> None:
        session: Session | None = None
        while True:
            event = json.loads(await socket.receive_text())
            self.events.append(event)
            match event["type"]:
                case "session.update" if autostart and session is None:
                    session = await self._open(socket, event["session"])
                    if session is None:
                        return
                case "session.resume":
                    session = await self._resume(socket, event)
                    if session is None:
                        return
                case "input_audio_buffer.append" if session is not None:
                    if await self._hear(socket, session, event):
                        await socket.close(1011)
                        return
                case "session.heartbeat":
                    await self._send(socket, session, {"type": "session.heartbeat_ack"})
                case "session.close" if session is not None:
                    del self.sessions[session.id]
                    await self._send(socket, session, {"type": "session.closed", "reason": "client_close"})
                    return
                case "playback.ack":
                    pass
                case other:
                    error = {"type": "invalid_request_error", "code": "unknown_event", "message": f"{other}?"}
                    await self._send(socket, session, {"type": "error", "error": error})

    async def _open(self, socket: WebSocket, config: dict[str, Any]) -> Session | None:
        if len(self.sessions) >= self.places:
            full = {
                "type": "rate_limit_error",
                "code": "resource_exhausted",
                "message": f"duplex_session_capacity_exhausted: limit={self.places}",
            }
            await socket.send_json({"type": "error", "error": full})
            return None
        if not config["voice"].endswith(".pt") or "/" in config["voice"]:
            await socket.send_json({"type": "error", "error": "PersonaPlex voice must be a bundled .pt basename", "code": "invalid_voice"})
            return None
        session = Session(f"duplex-{next(self.tokens)}", f"rt_{next(self.tokens)}", config)
        self.sessions[session.id] = session
        described = {"id": session.id, "object": "realtime.session", "model": config["model"], "state": "open"}
        if self.duplex:
            described["capabilities"] = {
                "implementation_level": "model_native_duplex",
                "supports_input_append": True,
                "supports_barge_in": False,
                "supports_session_resume": self.resumable,
                "chunk_period_ms": self.unit_ms,
            }
        created = {"type": "session.created", "attachment_generation": 1, "resume_token": session.token, "session": described}
        await self._send(socket, session, created)
        await self._send(socket, session, {"type": "session.updated", "session": described})
        for message in self.hostile:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_text(message))
        response = {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []}
        await self._send(socket, session, {"type": "response.created", "response_id": "resp_1", "response": response})
        await self._send(socket, session, {"type": "response.speak", "response_id": "resp_1", "item_id": "item_resp_1"})
        return session

    async def _resume(self, socket: WebSocket, event: dict[str, Any]) -> Session | None:
        session = self.sessions.get(event["session_id"])
        if session is None or not self.resumable or event["resume_token"] != session.token:
            gone = f"Unknown or expired duplex session: {event['session_id']}"
            await socket.send_json({"type": "error", "error": gone, "code": "session_resume_expired"})
            return None
        session.token = f"rt_{next(self.tokens)}"
        last = event["last_received_server_event_seq"]
        await socket.send_json({"type": "session.resumed", "session_id": session.id, "resume_token": session.token})
        for kept in session.journal:
            # One more than was asked for: a client has to know what it has.
            if kept["server_event_seq"] >= last:
                await socket.send_json(kept)
        return session

    async def _hear(self, socket: WebSocket, session: Session, event: dict[str, Any]) -> bool:
        """True when the connection is to break."""
        assert (event["format"], event["sample_rate_hz"]) == ("pcm_f32le", 24_000)
        raw = base64.b64decode(event["audio"], validate=True)
        assert len(raw) == FRAME_BYTES
        session.waiting.append(raw)
        session.heard += 1
        if len(session.waiting) >= (5 if session.emitted else 1) and not self.mute:
            await self._speak(socket, session)
        if session.heard == self.breaks_after:
            self.breaks_after = None
            return True
        return False

    async def _speak(self, socket: WebSocket, session: Session) -> None:
        pcm = np.concatenate([np.frombuffer(raw, "<f4") for raw in session.waiting])
        session.waiting.clear()
        session.emitted += 1
        envelope = {"response_id": "resp_1", "item_id": "item_resp_1", "output_index": 0, "content_index": 0}
        coded = base64.b64encode((np.clip(pcm, -1, 1) * 32_767).astype("<i2").tobytes()).decode()
        sound = {"type": "response.output_audio.delta", **envelope, "delta": coded, "format": "pcm16", "sample_rate_hz": 24_000}
        words = self.words.get(session.emitted, f" word{session.emitted}")
        await self._send(socket, session, sound)
        await self._send(socket, session, {"type": "response.output_audio_transcript.delta", **envelope, "delta": words})

    async def _send(self, socket: WebSocket, session: Session | None, event: dict[str, Any]) -> None:
        if session is None:
            await socket.send_json(event)
            return
        session.seq += 1
        session.journal.append(event | {"server_event_seq": session.seq})
        if self.swallows and self.breaks_after is not None and self.breaks_after - session.heard < self.swallows:
            return
        await socket.send_json(session.journal[-1])
