"""`/phone/voice`: off until it is switched on, open to what Twilio signed and to nothing else; tickets let in one call, once."""

from __future__ import annotations

import base64
import hmac
from contextvars import copy_context

import httpx
import pytest
from phone_network import CALL, read_twiml
from pydantic import SecretStr

from workbench.api.app import create_app
from workbench.api.phone import TICKET, TICKET_S, Admitted, Tickets, admission, line_of, signature
from workbench.api.visitor import VISITOR, Visitor
from workbench.assembly import AssemblyError, Workbench
from workbench.conversation.port import TalkRefused
from workbench.settings import Settings
from workbench.transports.phone_messages import Start

TOKEN = "the account's auth token"
PUBLIC = "https://talk.example"
ADMITTED = Admitted(CALL, "myca", None, "caller")
FORM = {"CallSid": CALL, "To": "+15550002", "From": "+15550001"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    phone = {
        "phone": True,
        "twilio_auth_token": SecretStr(TOKEN),
        "public_url": PUBLIC,
        "phone_personas": ("+15550002=casual", "+15550003=nobody"),
        "password": SecretStr("the operator's"),
    }
    return settings.model_copy(update=phone)


async def ask(client: httpx.AsyncClient, query: str = "", token: str = TOKEN, **form: str) -> httpx.Response:
    fields = FORM | form
    sealed = signature(token, f"{PUBLIC}/phone/voice{query}", list(fields.items()))
    return await client.post(f"/phone/voice{query}", data=fields, headers={"X-Twilio-Signature": sealed})


def test_the_signature_is_that_of_the_public_definition() -> None:
    """Address, then names and values in order, HMAC-SHA1, base64: put together here by hand."""
    told = b"https://talk.example/phone/voice?x=1" + b"CallSidCA1" + b"To+1555"
    wanted = base64.b64encode(hmac.digest(b"secret", told, "sha1")).decode()
    assert signature("secret", "https://talk.example/phone/voice?x=1", [("To", "+1555"), ("CallSid", "CA1")]) == wanted


async def test_a_signed_call_is_connected_with_a_ticket_for_the_dialled_persona(client: httpx.AsyncClient) -> None:
    answer = await ask(client)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    url, parameters = read_twiml(answer.text)
    assert url == "wss://talk.example/phone/media"
    admitted = Tickets(TOKEN).admit(Start("MZ1", CALL, parameters))
    assert (admitted.call, admitted.persona, admitted.engine) == (CALL, "casual", None)
    assert admitted.caller == Tickets(TOKEN).caller(FORM["From"]) != Tickets(TOKEN).caller("+15550009")
    for secret in (TOKEN, FORM["From"]):
        assert secret not in answer.text
        assert secret not in base64.urlsafe_b64decode(parameters[TICKET].partition(".")[0]).decode()


@pytest.mark.parametrize(
    ("query", "dialled", "persona", "engine"),
    [
        ("?persona=customer-service", "+15550002", "customer-service", None),
        ("?engine=classic", "+15559999", "myca", "classic"),
    ],
)
async def test_the_address_of_the_webhook_chooses(client: httpx.AsyncClient, query: str, dialled: str, persona: str, engine: str) -> None:
    _url, parameters = read_twiml((await ask(client, query, To=dialled)).text)
    admitted = Tickets(TOKEN).admit(Start("MZ1", CALL, parameters))
    assert (admitted.persona, admitted.engine) == (persona, engine)


async def test_what_twilio_did_not_sign_is_refused(client: httpx.AsyncClient) -> None:
    fields = list(FORM.items())
    for sealed in ("", "x", "ünsigned".encode().decode("latin-1"), signature("another token", f"{PUBLIC}/phone/voice", fields)):
        answer = await client.post("/phone/voice", data=FORM, headers={"X-Twilio-Signature": sealed.encode("latin-1")})  # type: ignore[dict-item]
        assert (answer.status_code, answer.json()["code"]) == (403, "not_signed")
    sealed = signature(TOKEN, f"{PUBLIC}/phone/voice", fields)
    changed = await client.post("/phone/voice", data=FORM | {"To": "+15550003"}, headers={"X-Twilio-Signature": sealed})
    moved = await client.post("/phone/voice?persona=myca", data=FORM, headers={"X-Twilio-Signature": sealed})
    assert (changed.status_code, moved.status_code) == (403, 403)
    assert (await client.post("/phone/voice")).status_code == 403
    assert (await client.post("/phone/voice", content=b"\xff\xfe=")).status_code == 400
    assert (await client.post("/phone/voice", content=b"a=b&" * 1_000)).status_code == 400
    assert (await client.post("/phone/voice", content=b"a" * 300_000)).status_code == 413


async def test_signed_and_still_wrong(client: httpx.AsyncClient) -> None:
    assert (await ask(client, CallSid="")).status_code == 400
    assert (await ask(client, CallSid="../x")).status_code == 400
    assert (await ask(client, To="+15550003")).status_code == 404, "the persona of that number is nobody"


async def test_a_full_house_is_a_busy_line(client: httpx.AsyncClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.sessions), "live", property(lambda _self: range(100)))
    assert (await ask(client)).text.endswith('<Response><Reject reason="busy" /></Response>')


async def test_the_rest_of_the_server_still_asks_for_the_password(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/tools")).status_code == 401
    assert (await client.get("/phone/voice/x")).status_code == 401
    assert (await client.get("/phone")).status_code == 401


def test_a_ticket_is_of_one_call_for_once_and_not_for_long() -> None:
    now = [1_000.0]
    tickets = Tickets(TOKEN, now=lambda: now[0])
    ticket = tickets.make(ADMITTED)

    def admit(ticket: str, call: str = CALL) -> str | None:
        return tickets.admit(Start("MZ1", call, {TICKET: ticket})).persona

    told, _dot, seal = ticket.rpartition(".")
    for forged in ("", ".", "x.y", told, f"{told}.{seal[:-1]}0", f"{told}x.{seal}", Tickets("other").make(ADMITTED), "é.é"):
        with pytest.raises(TalkRefused, match="none of ours"):
            admit(forged)
    with pytest.raises(TalkRefused, match="another call"):
        admit(ticket, "CA2")
    assert admit(ticket) == "myca"
    with pytest.raises(TalkRefused, match="used before"):
        admit(ticket)
    late = tickets.make(ADMITTED)
    now[0] += TICKET_S
    with pytest.raises(TalkRefused, match="older"):
        admit(late)
    with pytest.raises(TalkRefused, match="none of ours"):
        tickets.admit(Start("MZ1", CALL, {}))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"twilio_auth_token": None}, "TWILIO_AUTH_TOKEN"),
        ({"public_url": None}, "WORKBENCH_PUBLIC_URL"),
        ({"public_url": "talk.example"}, "WORKBENCH_PUBLIC_URL"),
        ({"phone_personas": ("+1555",)}, "WORKBENCH_PHONE_PERSONAS"),
    ],
)
def test_half_a_telephone_is_told(settings: Settings, changed: dict[str, object], words: str) -> None:
    with pytest.raises(AssemblyError, match=words):
        line_of(settings.model_copy(update=changed))


async def test_without_the_setting_there_is_no_telephone(bench: Workbench) -> None:
    object.__setattr__(bench, "settings", bench.settings.model_copy(update={"phone": False, "password": None}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(bench)), base_url="http://localhost") as client:
        assert (await ask(client)).status_code == 404
        assert (await client.get("/phone/media")).status_code == 404


def test_limits_count_the_caller_and_not_the_networks_address() -> None:
    """Two callers come from one address: each has an allowance of its own."""
    tickets = Tickets(TOKEN)

    def counted(number: str, visitor: Visitor) -> Visitor | None:
        VISITOR.set(visitor)
        ticket = tickets.make(Admitted(CALL, "myca", None, tickets.caller(number)))
        request = admission(tickets)(Start("MZ1", CALL, {TICKET: ticket}))
        assert (request.transport, request.conversation_id, request.persona) == ("phone", CALL, "myca")
        return VISITOR.get()

    network = Visitor("203.0.113.5", local=False)
    one, again, other = (copy_context().run(counted, number, network) for number in ("+15550001", "+15550001", "+15550009"))
    assert one != network
    assert one == again != other
    local = Visitor("127.0.0.1", local=True)
    assert copy_context().run(counted, "+15550001", local) == local
