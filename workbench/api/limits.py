"""How much one address may ask: requests a minute by kind, and WebSockets at once. Talks are counted in `quota`, where they are opened."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.api.allowance import Allowance
from workbench.api.errors import answer
from workbench.api.visitor import VISITOR, Visitor, Visitors
from workbench.settings import Settings

log = logging.getLogger(__name__)

Kind = Literal["read", "write", "speech", "heavy", "socket"]

OPEN_PATHS = ("/health",)
"""What watches over the server asks as often as it likes."""
READING = ("GET", "HEAD", "OPTIONS")
SPEECH = ("/api/mas/voice", "/api/mas/voice/orchestrator")
"""POST there has something spoken, or a language model asked; so has `/api/personas/<id>/voice`."""
HEAVY = ("/api/export", "/api/rescore", "/api/voices/")
"""Uploads, and what goes through the whole store."""
SOCKETS_MAX = 64
"""WebSockets of one address at once: a page has two, a watched talk one."""
TOLD_EVERY_S = 60.0


def kind_of(method: str, path: str) -> Kind:
    """What a request is counted as."""
    if method in READING:
        return "read"
    if path in SPEECH or (path.startswith("/api/personas/") and path.endswith("/voice")):
        return "speech"
    return "heavy" if path.startswith(HEAVY) else "write"


class Refusals:
    """How many were turned away since the start, by kind; a line in the log at most once a minute for each kind."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._monotonic = monotonic
        self._told_s: dict[str, float] = {}

    def add(self, kind: str, address: str) -> None:
        self.counts[kind] += 1
        now_s = self._monotonic()
        if now_s - self._told_s.get(kind, -math.inf) >= TOLD_EVERY_S:
            self._told_s[kind] = now_s
            log.warning("%s asks too much (%s); %d such requests were refused so far", address, kind, self.counts[kind])


def limited(settings: Settings, visitor: Visitor) -> bool:
    """Whether anything is counted for this visitor."""
    return settings.limits == "all" or (settings.limits == "remote" and not visitor.local)


class Limits:
    """ASGI middleware: notes who asks (`visitor.VISITOR`), and answers 429 with Retry-After when an address asks too much."""

    def __init__(self, app: ASGIApp, settings: Settings, refusals: Refusals) -> None:
        self._app = app
        self._settings = settings
        self._refusals = refusals
        self._visitors = Visitors(behind_proxies=bool(settings.trusted_proxies))
        self._allowances: dict[Kind, Allowance] = {
            "read": Allowance(settings.limit_reads_per_minute),
            "write": Allowance(settings.limit_writes_per_minute),
            "speech": Allowance(settings.limit_speech_per_minute),
            "heavy": Allowance(settings.limit_heavy_per_minute),
        }
        self._sockets: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        visitor = self._visitors.of(scope)
        VISITOR.set(visitor)
        if scope["path"] in OPEN_PATHS or not limited(self._settings, visitor):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refused = self._ask(visitor, kind_of(scope["method"], scope["path"]))
            await (refused or self._app)(scope, receive, send)
        else:
            await self._socket(visitor, scope, receive, send)

    async def _socket(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._ask(visitor, "read")
        if refused is None and self._sockets[visitor.counted] >= SOCKETS_MAX:
            refused = self._refuse(visitor, "socket", 1.0, f"This address has {SOCKETS_MAX} WebSockets open; close one.")
        if refused is not None:
            if "websocket.http.response" in scope.get("extensions", {}):
                await refused(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": "too many requests"})
            return
        self._sockets[visitor.counted] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets[visitor.counted] -= 1
            if not self._sockets[visitor.counted]:
                del self._sockets[visitor.counted]

    def _ask(self, visitor: Visitor, kind: Kind) -> Response | None:
        allowance = self._allowances[kind]
        wait_s = allowance.take(visitor.counted)
        if not wait_s:
            return None
        told = f"This address has had its {allowance.amount:g} requests a minute of this kind ({kind}). Wait {math.ceil(wait_s)} s."
        return self._refuse(visitor, kind, wait_s, told)

    def _refuse(self, visitor: Visitor, kind: Kind, wait_s: float, message: str) -> Response:
        self._refusals.add(kind, visitor.counted)
        refused = answer(429, "rate_limited", message)
        refused.headers["Retry-After"] = str(math.ceil(wait_s))
        return refused
