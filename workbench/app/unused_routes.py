"""Routes of the page's library that no page of ours uses, and that fail at whatever they are sent."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

STREAMS = "/gradio_api/stream/"
"""Gradio's own streaming inputs. Its handlers take any id for one that exists."""


class UnusedRoutes:
    """ASGI middleware: they are not there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or STREAMS not in scope["path"]:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not used here"})
        else:
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
