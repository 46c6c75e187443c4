"""Only names that are this server's own are answered: a foreign page whose name was made to point here must not reach it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.api.errors import answer
from workbench.settings import Settings
from workbench.transports.origin import is_loopback

LOCAL_DOMAINS = ("local", "localhost", "internal", "home.arpa")
"""Nobody can have a name there that the whole world resolves."""


class KnownHost:
    """ASGI middleware: every other `Host` is answered with 400, on HTTP and WebSocket alike.

    A server on loopback is known by loopback names. One that listens to other machines cannot know its names: with a password a stranger's
    name is of no use to the stranger, since a browser keeps cookies by name. Without one it answers to what no stranger can have:
    addresses, names without a dot, names of local domains. The hosts of `WORKBENCH_ALLOWED_ORIGINS` and `WORKBENCH_PUBLIC_URL`
    are known to all.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._loopback = is_loopback(settings.host)
        self._all = not self._loopback and (settings.password is not None or "*" in settings.allowed_origins)
        named = (urlsplit(address).hostname for address in (*settings.allowed_origins, settings.public_url or ""))
        self._named = {settings.host.lower(), *(name for name in named if name)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self.knows(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "unknown host"})
        else:
            refused = answer(400, "unknown_host", "This server is not known by that name; add https://NAME to WORKBENCH_ALLOWED_ORIGINS.")
            await refused(scope, receive, send)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header, with or without a port, is a name of this server."""
        if self._all or (not host and not self._loopback):
            # What names no host is no browser.
            return True
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        name = name.rstrip(".")
        if is_loopback(name) or name in self._named:
            return True
        return not self._loopback and (_is_address(name) or "." not in name or name.endswith(tuple(f".{end}" for end in LOCAL_DOMAINS)))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
