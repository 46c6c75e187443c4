"""A telephone number in front of the personas: Twilio asks at `/phone/voice` what to do with a call, and is told to bring its sound
to `/phone/media`.

Both are open to the network, and to nobody else. The question carries Twilio's signature, made with the account's auth token; the
answer carries a ticket for this one call, which the sound has to show. No login, no cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.etree import ElementTree

from fastapi import APIRouter, Request, Response

from workbench.api.context import Context
from workbench.api.errors import ApiError, errors
from workbench.api.visitor import VISITOR, Visitor
from workbench.assembly import AssemblyError
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.sessions import CONVERSATION_ID
from workbench.settings import Settings
from workbench.transports.phone import PATH as MEDIA
from workbench.transports.phone import Admit, PhoneOptions, phone_router
from workbench.transports.phone_messages import Start

VOICE = "/phone/voice"
OPEN_PATHS = (VOICE, MEDIA)
"""What the network must reach without a login, and proves itself at."""
TICKET = "ticket"
TICKET_S = 60.0
"""The sound follows the answer within a second or two."""
MAX_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """What the settings say of the telephone."""

    auth_token: str
    url: str
    """`https://host[/prefix]`, as Twilio knows this server, without a slash at the end."""
    personas: Mapping[str, str]
    """Dialled number to persona."""
    options: PhoneOptions


def line_of(settings: Settings) -> Line | None:
    """None where no telephone is wanted. Raises AssemblyError where one is, and something for it is missing."""
    if not settings.phone:
        return None
    token = settings.twilio_auth_token
    if token is None or not token.get_secret_value():
        raise AssemblyError("WORKBENCH_PHONE needs TWILIO_AUTH_TOKEN, the auth token of your Twilio account: calls are known by it.")
    url = urlsplit(settings.public_url or "")
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
        raise AssemblyError("WORKBENCH_PHONE needs WORKBENCH_PUBLIC_URL, the address under which Twilio reaches this server, https://host.")
    personas = {}
    for entry in settings.phone_personas:
        number, equals, persona = entry.partition("=")
        if not equals:
            raise AssemblyError(f"WORKBENCH_PHONE_PERSONAS holds {entry!r}; write +15551234567=persona, separated by commas.")
        personas[number.strip()] = persona.strip()
    options = PhoneOptions(idle_s=settings.phone_idle_s, max_call_s=settings.phone_max_s)
    return Line(token.get_secret_value(), (settings.public_url or "").rstrip("/"), personas, options)


def routers(context: Context, line: Line) -> list[APIRouter]:
    """The two routes."""
    tickets = Tickets(line.auth_token)
    router = APIRouter(tags=["telephone"])

    @router.post(VOICE, responses={200: {"content": {"text/xml": {}}}, **errors(400, 403, 404)}, response_class=Response)
    async def phone_voice(request: Request) -> Response:
        """What Twilio is to do with a call: bring its sound here. `?persona=` and `?engine=` of the webhook's address choose who answers;
        without a persona the dialled number does (WORKBENCH_PHONE_PERSONAS)."""
        form = _form(await request.body())
        query = f"?{request.url.query}" if request.url.query else ""
        signed = signature(line.auth_token, f"{line.url}{VOICE}{query}", form)
        if not hmac.compare_digest(signed.encode(), request.headers.get("x-twilio-signature", "").encode()):
            raise ApiError(403, "not_signed", "This is not signed by Twilio for this address with the auth token that is set here.")
        told = dict(form)
        call = told.get("CallSid", "")
        if not CONVERSATION_ID.fullmatch(call):
            raise ApiError(400, "bad_request", "CallSid is missing or no id.")
        bench = context.workbench
        wanted = request.query_params.get("persona") or line.personas.get(told.get("To", "")) or bench.settings.persona
        persona = bench.personas.get(wanted).persona_id
        if len(bench.sessions.live) >= bench.settings.max_sessions:
            return _twiml(_reject())
        ticket = tickets.make(Admitted(call, persona, request.query_params.get("engine"), tickets.caller(told.get("From", ""))))
        return _twiml(_connect(_socket_url(line.url), ticket))

    return [router, phone_router(context.entrance.open, admission(tickets), line.options)]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a ticket says."""

    call: str
    persona: str
    engine: str | None
    caller: str
    """Stands for the caller's number, and does not tell it."""


def admission(tickets: Tickets) -> Admit:
    """Lets in what shows a ticket. Limits count a call under its caller: all calls come from the few addresses of the network."""

    def admit(start: Start) -> TalkRequest:
        admitted = tickets.admit(start)
        visitor = VISITOR.get()
        if visitor is not None and not visitor.local:
            VISITOR.set(Visitor(f"caller {admitted.caller}", local=False))
        return TalkRequest(persona=admitted.persona, engine=admitted.engine, transport="phone", conversation_id=admitted.call)

    return admit


class Tickets:
    """Each lets one call's sound in, once, and says what is to be talked. Signed with a key that every process with the same auth token
    has, so that the question and the sound may come to different ones."""

    def __init__(self, auth_token: str, *, now: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(auth_token.encode(), b"ticket of a telephone call", "sha256")
        self._now = now
        self._used: dict[str, float] = {}

    def caller(self, number: str) -> str:
        """The same for every call of this number, and nobody can read the number from it."""
        return hmac.new(self._key, b"number " + number.encode(), hashlib.sha256).hexdigest()[:16]

    def make(self, admitted: Admitted) -> str:
        """A ticket for a call."""
        told = base64.urlsafe_b64encode(json.dumps([*astuple(admitted), self._now() + TICKET_S]).encode()).decode()
        return f"{told}.{self._seal(told)}"

    def admit(self, start: Start) -> Admitted:
        """What the ticket says that a stream shows. Raises TalkRefused."""
        ticket = start.parameters.get(TICKET, "")
        told, _dot, seal = ticket.rpartition(".")
        if not hmac.compare_digest(self._seal(told).encode(), seal.encode()):
            raise TalkRefused("not_admitted", f"the stream's parameter {TICKET} is none of ours; get one at {VOICE}")
        *said, until = json.loads(base64.urlsafe_b64decode(told))
        admitted = Admitted(*said)
        now = self._now()
        self._used = {seal: until for seal, until in self._used.items() if until > now}
        if admitted.call != start.call_sid or until <= now or seal in self._used:
            raise TalkRefused("not_admitted", f"the ticket is of another call, was used before, or is older than {TICKET_S:g} s")
        self._used[seal] = until
        return admitted

    def _seal(self, told: str) -> str:
        return hmac.new(self._key, told.encode(), hashlib.sha256).hexdigest()


def signature(auth_token: str, url: str, form: list[tuple[str, str]]) -> str:
    """What Twilio writes into `X-Twilio-Signature`: HMAC-SHA1 over the address and the form's fields, sorted, in base64."""
    told = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(auth_token.encode(), told.encode(), "sha1")).decode()


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise ApiError(400, "bad_request", f"The body is no form of at most {MAX_FIELDS} fields.") from error


def _socket_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws")) + MEDIA


def _connect(url: str, ticket: str) -> ElementTree.Element:
    """When the stream ends nothing follows, so the network hangs up."""
    response = ElementTree.Element("Response")
    stream = ElementTree.SubElement(ElementTree.SubElement(response, "Connect"), "Stream", url=url)
    ElementTree.SubElement(stream, "Parameter", name=TICKET, value=ticket)
    return response


def _reject() -> ElementTree.Element:
    response = ElementTree.Element("Response")
    ElementTree.SubElement(response, "Reject", reason="busy")
    return response


def _twiml(response: ElementTree.Element) -> Response:
    return Response(ElementTree.tostring(response, encoding="utf-8", xml_declaration=True), media_type="text/xml")
