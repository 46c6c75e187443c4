"""The WebSockets of the page: `/api/talks/{session_id}/live` to watch a talk, `/api/page/{visitor}` for the page that leads it.

Both send JSON texts: `talk` (the state so far), then `update`, at most one every 80 ms. A page also gets `lights` and `refused`,
and may send `{"type": "look"}`, `{"type": "type", "text": ...}`, `{"type": "switch_engine", "engine": ...}`, `{"type": "hang_up"}`, and
`{"type": "begin", "text": ..., "persona", "voice", "engine", "recording"}` for a written talk, which needs no microphone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from workbench.app.choices import CHOICES
from workbench.app.feed import Viewer
from workbench.app.live import LiveHub
from workbench.audio.frames import FRAME_MS
from workbench.sessions import CONVERSATION_ID
from workbench.transports.origin import origin_allowed

LIGHTS_EVERY_S = 5.0
MAX_MESSAGE_CHARS = 16_384
"""A page has nothing longer to say than a typed utterance."""
CLOSE_BAD_MESSAGE = 4400
CLOSE_NOT_FOUND = 4404

Lights = Callable[[], Awaitable[dict[str, Any]]]


def live_router(hub: LiveHub, lights: Lights, allowed_origins: Collection[str] = ()) -> APIRouter:
    """Both routes. `lights` gives the engines' states as a message."""
    router = APIRouter()

    async def welcome(websocket: WebSocket) -> bool:
        if origin_allowed(websocket.headers.get("origin"), websocket.headers.get("host"), allowed_origins):
            await websocket.accept()
            return True
        # Before `accept` this is an HTTP 403.
        await websocket.close(1008, "this origin may not watch talks; add it to WORKBENCH_ALLOWED_ORIGINS")
        return False

    @router.websocket("/api/talks/{session_id}/live")
    async def watch(websocket: WebSocket, session_id: str) -> None:
        if not await welcome(websocket):
            return
        feed = hub.feed(session_id)
        if feed is None:
            await websocket.close(CLOSE_NOT_FOUND, "there is no running talk of this id")
            return
        viewer = Viewer()
        feed.watch(viewer)
        try:
            await _until_first(_send(websocket, viewer), _drain(websocket))
        finally:
            feed.leave(viewer)

    @router.websocket("/api/page/{visitor}")
    async def page(websocket: WebSocket, visitor: str) -> None:
        if not await welcome(websocket):
            return
        if not CONVERSATION_ID.fullmatch(visitor):
            await websocket.close(CLOSE_BAD_MESSAGE, "a visitor id is 1 to 64 letters, digits, hyphens and underscores")
            return
        viewer = Viewer()
        hub.enter(visitor, viewer)
        look = asyncio.Event()
        try:
            await _until_first(_send(websocket, viewer), _shine(viewer, lights, look), _obey(websocket, hub, visitor, look))
        finally:
            hub.leave(visitor, viewer)

    return router


async def _until_first(*works: Any) -> None:
    """Runs all until one ends; the others are cancelled. A client that went away is no fault."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        error = task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect):
            raise error


async def _send(websocket: WebSocket, viewer: Viewer) -> None:
    while True:
        for message in await viewer.take():
            await websocket.send_text(json.dumps(message, ensure_ascii=False, allow_nan=False))
        await asyncio.sleep(FRAME_MS / 1_000)


async def _received(websocket: WebSocket) -> str:
    """The next text; a binary message is none of ours and counts as an empty one. Raises WebSocketDisconnect."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text: str | None = message.get("text")
    return text or ""


async def _drain(websocket: WebSocket) -> None:
    """A watcher has nothing to say; its leaving is noticed."""
    while True:
        await _received(websocket)


async def _shine(viewer: Viewer, lights: Lights, look: asyncio.Event) -> None:
    while True:
        viewer.tell(await lights())
        look.clear()
        try:
            await asyncio.wait_for(look.wait(), LIGHTS_EVERY_S)
        except TimeoutError:
            continue


async def _obey(websocket: WebSocket, hub: LiveHub, visitor: str, look: asyncio.Event) -> None:
    while True:
        raw = await _received(websocket)
        try:
            message = json.loads(raw) if len(raw) <= MAX_MESSAGE_CHARS else None
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            await websocket.close(CLOSE_BAD_MESSAGE, f"send JSON objects of at most {MAX_MESSAGE_CHARS} characters")
            return
        talk = hub.talk(visitor)
        match message:
            case {"type": "look"}:
                look.set()
            case {"type": "type" | "begin", "text": str(text)} if talk is not None:
                talk.type(text)
            case {"type": "switch_engine", "engine": str(engine)} if talk is not None:
                talk.conversation.switch_engine(engine)
            case {"type": "begin", "text": str(text)}:
                await hub.begin(visitor, [message.get(name) for name in CHOICES], text)
            case {"type": "hang_up"} if talk is not None:
                # The page learns of the end by the talk's own events.
                talk.conversation.hang_up("hung_up")
            case _:
                # What a newer page may send, or what came a moment after the talk ended.
                continue
