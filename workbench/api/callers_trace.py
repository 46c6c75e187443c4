"""Whoever asks us in the course of a trace of their own has what comes of it in that trace: HTTP and WebSockets alike."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.trace_headers import under_trace


class CallersTrace:
    """ASGI middleware that takes `traceparent` and `tracestate` of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        with under_trace(scope["headers"]):
            await self._app(scope, receive, send)
