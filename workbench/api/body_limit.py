"""Bodies of the API are bounded, whatever their headers say."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.api.errors import answer

MAX_BODY_BYTES = 256 * 1024
"""Far over any message that is spoken, far under what would hurt."""


class BodyLimit:
    """ASGI middleware: a request under one of `prefixes` whose body is larger than `max_bytes` is answered 413. `larger`: by prefix, what
    may be larger than that."""

    def __init__(
        self, app: ASGIApp, *, prefixes: tuple[str, ...], max_bytes: int = MAX_BODY_BYTES, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._prefixes = prefixes
        self._max_bytes = max_bytes
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        most = next((limit for prefix, limit in self._larger.items() if scope["path"].startswith(prefix)), self._max_bytes)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > most:
                too_large = answer(413, "too_large", f"The body is larger than {most:,} bytes; send less.")
                await too_large(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        whole: list[Message] = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)
