"""Who may come in: nobody needs a password until one is set; then pages ask for it, programs send a token or it, and viewers only read.

A browser gets a sealed cookie. A program sends `Authorization: Bearer <token>`, or the password. A ticket (`roles.Ticket`) comes as a
bearer or, since browsers send none with a WebSocket, as `?ticket=`.
"""

from __future__ import annotations

import hmac
import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.api.errors import answer
from workbench.api.guesses import Guesses
from workbench.api.roles import READING, TICKET, Ticket, may
from workbench.api.seals import Seals
from workbench.api.talk_page import talk_page
from workbench.api.token_check import TokenCheck
from workbench.api.visitor import VISITOR
from workbench.assembly import AssemblyError
from workbench.settings import Settings
from workbench.store.base import StoreError
from workbench.store.tokens import PREFIX, TokenRole

Role = Literal["operator", "viewer"]

COOKIE = "workbench_login"
LOGIN, LOGOUT = "/login", "/logout"
STAYS_S = 12 * 3_600
"""A working day; after it the password is asked for again."""
OPEN_PATHS = ("/health", LOGIN, LOGOUT, "/talk/talk.css")
"""What the login page itself needs, and what watches over the server."""
VIEWER_HOME = "/sessions"
MAX_FORM_BYTES = 4_096
POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Passwords:
    """Raises AssemblyError when both are the same."""

    operator: SecretStr
    viewer: SecretStr | None = None

    def __post_init__(self) -> None:
        if self.viewer is not None and self.viewer.get_secret_value() == self.operator.get_secret_value():
            raise AssemblyError("WORKBENCH_VIEWER_PASSWORD is the same as WORKBENCH_PASSWORD; choose another one for those who only read.")

    def role(self, given: str) -> Role | None:
        """Whose password this is; None: nobody's. Takes as long for a wrong one as for a right one."""
        found: Role | None = None
        candidates: tuple[tuple[Role, SecretStr | None], ...] = (("operator", self.operator), ("viewer", self.viewer))
        for role, secret in candidates:
            if secret is not None and hmac.compare_digest(secret.get_secret_value().encode(), given.encode()):
                found = role
        return found


def passwords_of(settings: Settings) -> Passwords | None:
    """None: everybody may come in. Raises AssemblyError for a viewers' password alone."""
    if settings.password is None:
        if settings.public_talk:
            raise AssemblyError("WORKBENCH_PUBLIC_TALK opens the Talk page and nothing else: set WORKBENCH_PASSWORD for the rest.")
        if settings.viewer_password is not None:
            raise AssemblyError("WORKBENCH_VIEWER_PASSWORD is set and WORKBENCH_PASSWORD is not; set both.")
        return None
    return Passwords(settings.password, settings.viewer_password)


class Login:
    """ASGI middleware before everything else."""

    def __init__(
        self,
        app: ASGIApp,
        passwords: Passwords,
        seals: Seals,
        tokens: TokenCheck,
        open_paths: Collection[str] = (),
        *,
        public_talk: bool = False,
    ) -> None:
        """`open_paths`: HTTP paths and WebSockets beside `OPEN_PATHS` that ask by themselves who comes. `public_talk`: anybody may use the
        Talk page, as `talk_page` tells."""
        self._app = app
        self._passwords = passwords
        self._seals = seals
        self._tokens = tokens
        self._public_talk = public_talk
        self._open_paths = frozenset((*OPEN_PATHS, *open_paths))
        self._guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            role = await self._role(HTTPConnection(scope))
        except StoreError as error:
            # Whoever came with a token cannot be told from a stranger just now.
            refused: Response = answer(503, "store_unavailable", str(error))
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1013, "reason": "tokens cannot be looked up"})
            else:
                await refused(scope, receive, send)
            return
        if isinstance(role, Ticket):
            TICKET.set(role)
        if scope["type"] == "websocket":
            path = scope["path"]
            if self._open(role, "WEBSOCKET", path) or (
                role is not None and may(role, "WEBSOCKET", path, QueryParams(scope["query_string"]))
            ):
                await self._app(scope, receive, send)
            else:
                # Before `accept` this is an HTTP 403.
                await send({"type": "websocket.close", "code": 1008, "reason": "log in first" if role is None else "not with this login"})
            return
        response = await self._answer(Request(scope, receive), role)
        await (response or self._app)(scope, receive, send)

    def _open(self, role: TokenRole | Ticket | None, method: str, path: str) -> bool:
        """Whether no login is asked for. Who has one is let in by it, so that a viewer stays one on a public Talk page."""
        return path in self._open_paths or (self._public_talk and role is None and talk_page(method, path))

    async def _answer(self, request: Request, role: TokenRole | Ticket | None) -> Response | None:
        """What is answered here; None: the app answers."""
        path = request.url.path
        if path == LOGIN:
            return await self._login(request)
        if path == LOGOUT:
            gone = RedirectResponse(LOGIN, status_code=303)
            gone.delete_cookie(COOKIE)
            return gone
        if self._open(role, request.method, path):
            return None
        if role is not None:
            if role == "viewer" and path == "/" and request.method in READING:
                return RedirectResponse(VIEWER_HOME, status_code=303)
            if may(role, request.method, path, request.query_params):
                return None
            if role == "viewer":
                return answer(403, "viewer", "Viewers only read. Log in with the operator's password to change anything.")
            if role == "talk":
                return answer(
                    403, "talk_token", "This token is for talks only: it reserves and opens them. Use an operator's for anything else."
                )
            return answer(403, "ticket", "This ticket is for one talk only: it opens, watches and ends that one.")
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{LOGIN}?{urlencode({'next': path + query})}", status_code=303)
        refused = answer(401, "login", "A password is set here: log in at /login, or send a token as Authorization: Bearer.")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused

    async def _login(self, request: Request) -> Response:
        wanted = _own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return _page(wanted, "")
        body = await _bounded(request)
        form = parse_qs(body.decode("utf-8", "replace"))
        role = self._check(form.get("password", [""])[0])
        if role is None:
            waits = self._guesses.locked(_address())
            said = "Too many wrong passwords. Wait a minute." if waits else "That is not the password."
            return _page(wanted, said, status=429 if waits else 401)
        let_in = RedirectResponse(wanted, status_code=303)
        cookie = self._seals.seal("cookie", role, STAYS_S)
        let_in.set_cookie(COOKIE, cookie, max_age=STAYS_S, httponly=True, samesite="lax", secure=request.url.scheme == "https")
        return let_in

    async def _role(self, connection: HTTPConnection) -> TokenRole | Ticket | None:
        scheme, _space, given = Headers(scope=connection.scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and given:
            return await self._bearer(given)
        if (ticket := connection.query_params.get("ticket")) is not None:
            return self._ticket(ticket)
        told = self._seals.open("cookie", connection.cookies.get(COOKIE, ""))
        return "operator" if told == "operator" else "viewer" if told == "viewer" else None

    async def _bearer(self, given: str) -> TokenRole | Ticket | None:
        if (ticket := self._ticket(given)) is not None:
            return ticket
        if not given.startswith(PREFIX):
            return self._check(given)
        address = _address()
        if self._guesses.locked(address):
            return None
        role = await self._tokens.role(given)
        if role is None:
            self._guesses.wrong(address)
        return role

    def _ticket(self, given: str) -> Ticket | None:
        told = self._seals.open("ticket", given)
        return None if told is None else Ticket(*told.split(":"))

    def _check(self, given: str) -> Role | None:
        address = _address()
        if self._guesses.locked(address):
            return None
        role = self._passwords.role(given)
        if role is None:
            self._guesses.wrong(address)
        else:
            self._guesses.right(address)
        return role


def _address() -> str:
    visitor = VISITOR.get()
    return "unknown" if visitor is None else visitor.counted


async def _bounded(request: Request) -> bytes:
    """The body, cut where no form of ours is that long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            break
    return body[:MAX_FORM_BYTES]


def _own_path(wanted: str) -> str:
    """A path of this server, whatever was asked for: a login must not send anybody elsewhere."""
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or any(ord(c) < 32 for c in wanted):
        return "/"
    return wanted


def _page(wanted: str, said: str, status: int = 200) -> HTMLResponse:
    action = html.escape(f"{LOGIN}?{urlencode({'next': wanted})}")
    told = f'<p role="alert">{html.escape(said)}</p>' if said else ""
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Log in - PersonaPlex Workbench</title><link rel="stylesheet" href="/talk/talk.css">
<style>
body {{ color: var(--wb-ink); font: 15px/1.5 system-ui, sans-serif; margin: 0; }}
main {{ margin: 14vh auto 0; max-width: 320px; padding: 0 20px; }}
h1 {{ font-size: 19px; }} h1 span {{ font-weight: 400; }}
form {{ display: grid; gap: 12px; }} label {{ color: var(--wb-faint); display: grid; font-size: 13px; gap: 4px; }}
:is(input, button) {{ border: 1px solid var(--wb-line); border-radius: 6px; color: inherit; font: inherit; padding: 9px 11px; }}
input {{ background: var(--wb-panel); }}
button {{ background: var(--wb-ink); color: var(--wb-bg); cursor: pointer; font-weight: 600; }}
:is(input, button):focus-visible {{ outline: 2px solid var(--wb-ink); outline-offset: 2px; }}
[role=alert] {{ border-left: 4px solid var(--wb-bad); margin: 0; padding-left: 10px; }}
</style></head><body><main><h1>PersonaPlex <span>Workbench</span></h1><form method="post" action="{action}">
<label>Password <input name="password" type="password" autocomplete="current-password" autofocus required maxlength="512"></label>
{told}<button>Log in</button></form></main></body></html>"""
    return HTMLResponse(page, status_code=status, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
