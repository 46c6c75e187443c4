"""Which web pages may open a talk: a page of another site must not reach the microphone server of the visitor's own machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def is_loopback(host: str | None) -> bool:
    """True for `localhost` and loopback addresses."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_allowed(origin: str | None, host: str | None, allowed: Collection[str] = ()) -> bool:
    """Whether a request with these `Origin` and `Host` headers may go on.

    Allowed are clients that are no browser (no Origin), the page's own origin, any loopback page when the server itself is addressed
    by a loopback name, and the origins listed (`https://host[:port]`, or `*` for all).
    """
    if origin is None or "*" in allowed:
        return True
    if origin.rstrip("/").lower() in {entry.rstrip("/").lower() for entry in allowed}:
        return True
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host or ''}")
        page_port = page.port or _DEFAULT_PORTS.get(page.scheme)
        server_port = server.port or _DEFAULT_PORTS.get(page.scheme)
    except ValueError:
        return False
    if page.scheme not in {"http", "https"} or page.hostname is None:
        return False
    if is_loopback(page.hostname) and is_loopback(server.hostname):
        return True
    return (page.hostname, page_port) == (server.hostname, server_port)
