"""Nothing of the page leaves the machine: outside addresses are taken out of its HTML, and the browser is told to allow none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's page starts from an inline script and compiles its event functions.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob: mediastream:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)

_OUTSIDE = re.compile(r"""<(?:link|script)\b[^>]*?\b(?:href|src)\s*=\s*["'](?:https?:)?//[^>]*>(?:\s*</script>)?""", re.IGNORECASE)
"""Elements that would load from another host. Left in, the policy would stop them too, but with an error in the console."""


def without_outside(html: str) -> str:
    """The page without `link` and `script` elements of other hosts."""
    return _OUTSIDE.sub("", html)


class OfflinePages:
    """ASGI middleware for the HTML answers of an app. Answers that already carry a policy of their own are left as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body: list[bytes] = []

        async def rewrite(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_page(send, start, b"".join(body))

        await self._app(scope, receive, rewrite)


def _is_page(start: Message) -> bool:
    headers: Mapping[str, str] = Headers(raw=start["headers"])
    plain = "content-encoding" not in headers and "content-security-policy" not in headers
    return plain and headers.get("content-type", "").startswith("text/html")


async def _send_page(send: Send, start: Message, body: bytes) -> None:
    page = without_outside(body.decode("utf-8")).encode()
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-security-policy"] = POLICY
    headers["referrer-policy"] = "no-referrer"
    if "content-length" in headers:
        headers["content-length"] = str(len(page))
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": page})
