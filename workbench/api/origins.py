"""Pages of other origins: closed unless `WORKBENCH_ALLOWED_ORIGINS` names them. This stands before every route, those of the page's library
and its static files too.

A listed origin may use the API, its answers carry CORS headers, and cookies are never sent: such a page sends a token as a bearer.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.errors import answer
from workbench.transports.origin import origin_allowed

API_PATHS = ("/api/", "/voice/", "/webrtc/offer", "/health", "/metrics", "/openapi.json")
"""What pages of listed origins may read; the pages themselves are for their own origin."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type", "Traceparent", "Tracestate")
ANSWER_HEADERS = ("Retry-After", "X-Voice")
PREFLIGHT_KEPT_S = 600


class Origins:
    """ASGI middleware: answers foreign origins with 403, on HTTP and WebSocket alike, and writes the CORS headers of listed ones. Whatever
    an app within says about CORS is taken off: the page's library lets any origin read where the server has a public name."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed
        listed = [origin.rstrip("/").lower() for origin in allowed]
        self._cors = CORSMiddleware(
            self._without_cors,
            allow_origins=listed,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=ANSWER_HEADERS,
            max_age=PREFLIGHT_KEPT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._welcome(headers):
            if scope["type"] == "websocket":
                # Before `accept` this is an HTTP 403.
                await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
                return
            refused = answer(403, "foreign_origin", "Pages of this origin may not come here; add it to WORKBENCH_ALLOWED_ORIGINS.")
            await refused(scope, receive, send)
        elif scope["type"] == "http" and self._allowed and scope["path"].startswith(API_PATHS):
            await self._cors(scope, receive, send)
        else:
            await self._without_cors(scope, receive, send)

    def _welcome(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return origin_allowed(origin, headers.get("host"), self._allowed)
        # A picture, a sound or a script of ours in a foreign page comes without an origin; a link to us is followed as a navigation.
        return headers.get("sec-fetch-site") != "cross-site" or headers.get("sec-fetch-mode") == "navigate"

    async def _without_cors(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stripped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:
                    del headers[name]
            await send(message)

        await self._app(scope, receive, stripped)
