"""A server on loopback answers only to loopback names: a foreign page whose name was made to point here must not reach it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from workbench.settings import Settings
from workbench.transports.origin import is_loopback

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


def allowed_hosts(settings: Settings) -> list[str]:
    """The `Host` headers that are answered. A server that listens to other machines cannot know its names, and answers to all."""
    if not is_loopback(settings.host):
        return ["*"]
    named = [urlsplit(origin).hostname for origin in settings.allowed_origins]
    return [*LOOPBACK_NAMES, settings.host, *(name for name in named if name)]


class KnownHost(TrustedHostMiddleware):
    """Refuses every other `Host` with 400, on HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(app, allowed_hosts=allowed_hosts(settings), www_redirect=False)
