"""What whoever came in may do."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from workbench.store.tokens import TokenRole

READING = ("GET", "HEAD", "OPTIONS")
WATCHING = "/api/talks/"
"""WebSockets below are one-way: whoever opens one watches a talk and says nothing."""
TALKING = {
    ("GET", "/api/mas/voice/duplex/session"),
    ("POST", "/api/mas/voice/duplex/session"),
    ("POST", "/voice/sessions"),
    ("POST", "/webrtc/offer"),
    ("WEBSOCKET", "/api/chat"),
}
"""All that a token of the role `talk` is for."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Lets into one reserved talk, lets watch it and end it: what a server gives to its visitor's browser."""

    session_id: str
    conversation_id: str


TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)
"""With which the request that is answered came in."""


def may(role: TokenRole | Ticket, method: str, path: str, query: Mapping[str, str]) -> bool:
    """Whether such a request goes on. `method` is `WEBSOCKET` for those."""
    if role == "operator":
        return True
    if role == "viewer":
        return path.startswith(WATCHING) if method == "WEBSOCKET" else method in READING
    if role == "talk":
        return (method, path) in TALKING
    if method == "WEBSOCKET":
        own = {"/api/chat": query.get("conversation_id") == role.conversation_id, f"{WATCHING}{role.session_id}/live": True}
        return own.get(path, False)
    return method in ("GET", "DELETE") and path == f"/voice/sessions/{role.session_id}"
