"""How much one address may ask, who counts as one, and that nobody is believed who says to be another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from waiting import until

from workbench.api.allowance import Allowance
from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.api.limits import SOCKETS_MAX, Limits, Refusals, kind_of
from workbench.api.quota import TalkQuota
from workbench.api.visitor import VISITOR, Visitor, counted
from workbench.assembly import Workbench
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.settings import Settings

FAR = "198.51.100.7"
Client = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def test_an_allowance_is_used_at_once_and_comes_back_evenly() -> None:
    now_s = 100.0
    allowance = Allowance(3, 60.0, monotonic=lambda: now_s)
    assert [allowance.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(20.0)]
    assert allowance.take("b") == 0.0
    now_s += 19.0
    assert allowance.take("a") == pytest.approx(1.0)
    now_s += 1.0
    assert [allowance.take("a"), allowance.take("a")] == [0.0, pytest.approx(20.0)]
    now_s += 600.0
    assert [allowance.take("a", 3.0), allowance.wait_s("a", 3.0)] == [0.0, pytest.approx(60.0)]
    with pytest.raises(ValueError, match="more than 0"):
        Allowance(0)


def test_no_number_of_addresses_fills_the_memory() -> None:
    allowance = Allowance(1, keys_max=100)
    for number in range(10_000):
        allowance.take(f"address {number}")
    assert len(allowance) == 100


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("", "unknown"),
        ("x" * 500, "x" * 64),
    ],
)
def test_who_counts_as_one(host: str, name: str) -> None:
    assert counted(host) == name


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/api/voices", "read"),
        ("POST", "/api/mas/voice", "speech"),
        ("POST", "/api/mas/voice/orchestrator", "speech"),
        ("POST", "/api/personas/myca/voice", "speech"),
        ("PUT", "/api/voices/mine", "heavy"),
        ("POST", "/api/export", "heavy"),
        ("POST", "/gradio_api/queue/join", "write"),
    ],
)
def test_what_a_request_counts_as(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


@pytest.fixture
def from_(bench: Workbench) -> Client:
    """`async with from_(address, **settings) as client`: somebody at that address, before an app of these settings."""

    @asynccontextmanager
    async def made(*addresses: str, **changes: object) -> AsyncIterator[list[httpx.AsyncClient]]:
        bench.settings = bench.settings.model_copy(update=changes)
        app = create_app(bench)
        transports = [httpx.ASGITransport(app, client=(address, 1)) for address in addresses]
        yield [httpx.AsyncClient(transport=transport, base_url="http://localhost") for transport in transports]

    return made


async def statuses(client: httpx.AsyncClient, count: int, path: str = "/api/mas/voice", **headers: str) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(count)]


async def test_an_address_that_asks_too_much_is_told_when_to_come_again(from_: Client) -> None:
    async with from_(FAR, "203.0.113.9", limit_reads_per_minute=3, limit_writes_per_minute=1) as (one, other):
        assert await statuses(one, 4) == [200, 200, 200, 429]
        refused = await one.get("/api/mas/voice")
        assert refused.json()["code"] == "rate_limited"
        assert "3 requests a minute" in refused.json()["error"]
        assert 0 < int(refused.headers["retry-after"]) <= 20
        # Watching over the server, other kinds of requests and other addresses have nothing to do with it.
        assert await statuses(one, 5, "/health") == [200] * 5
        assert (await one.delete("/voice/sessions/none")).status_code == 404
        assert (await one.delete("/voice/sessions/none")).status_code == 429
        assert await statuses(other, 3) == [200] * 3


async def test_this_machine_is_not_counted_unless_that_is_wanted(from_: Client) -> None:
    async with from_("127.0.0.1", limit_reads_per_minute=1) as (here,):
        assert await statuses(here, 5) == [200] * 5
    async with from_("127.0.0.1", limit_reads_per_minute=1, limits="all") as (here,):
        assert await statuses(here, 2) == [200, 429]
    async with from_(FAR, limit_reads_per_minute=1, limits="off") as (far,):
        assert await statuses(far, 5) == [200] * 5


async def test_a_proxy_that_is_not_trusted_is_one_visitor(from_: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Neither can anybody be another by saying so, nor is the world behind a tunnel to loopback the machine itself."""
    async with from_("127.0.0.1", limit_reads_per_minute=2) as (here,):
        assert await statuses(here, 2, **{"x-forwarded-for": "192.0.2.1"}) == [200, 200]
        assert await statuses(here, 1, **{"x-forwarded-for": "192.0.2.2"}) == [429]
        assert await statuses(here, 1, **{"cf-connecting-ip": "192.0.2.3"}) == [429]
    assert [record for record in caplog.records if "WORKBENCH_TRUSTED_PROXIES=127.0.0.1" in record.message]


async def test_what_a_trusted_proxy_says_is_believed(from_: Client) -> None:
    async with from_("10.0.0.3", FAR, trusted_proxies=("10.0.0.0/8",), limit_reads_per_minute=1) as (proxy, stranger):
        # The proxy appends whom it saw; what stood there before is a claim.
        assert await statuses(proxy, 1, **{"x-forwarded-for": "1.1.1.1, 192.0.2.1"}) == [200]
        assert await statuses(proxy, 1, **{"x-forwarded-for": "8.8.8.8, 192.0.2.1"}) == [429]
        assert await statuses(proxy, 1, **{"x-forwarded-for": "192.0.2.2"}) == [200]
        # Behind a proxy nobody is local, whatever is forwarded.
        assert await statuses(proxy, 2, **{"x-forwarded-for": "127.0.0.1"}) == [200, 429]
        assert await statuses(stranger, 1, **{"x-forwarded-for": "192.0.2.9"}) == [200]
        assert await statuses(stranger, 1, **{"x-forwarded-for": "192.0.2.10"}) == [429]


async def test_the_sockets_of_an_address_are_bounded() -> None:
    async def held(scope: object, receive: object, send: object) -> None:
        await gate.wait()

    async def open_one() -> str:
        told: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            told.append(message)

        scope = {"type": "websocket", "path": "/api/chat", "client": (FAR, 1), "headers": [], "extensions": {}}
        await limits(scope, None, send)  # type: ignore[arg-type]
        return str(told[0]["type"]) if told else "held"

    gate = asyncio.Event()
    limits = Limits(held, Settings(_env_file=None), Refusals())
    first = [asyncio.ensure_future(open_one()) for _ in range(SOCKETS_MAX)]
    await asyncio.sleep(0)
    assert await open_one() == "websocket.close"
    gate.set()
    assert set(await asyncio.gather(*first)) == {"held"}
    assert await open_one() == "held"


# --- talks -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stranger() -> None:
    """Whatever runs in this test is asked for from far away."""
    VISITOR.set(Visitor(FAR, local=False))


@pytest.mark.usefixtures("stranger")
async def test_talks_at_once_and_begun_are_counted(bench: Workbench, context: Context) -> None:
    entrance = context.entrance
    entrance._quota = TalkQuota(bench.settings.model_copy(update={"limit_talks_at_once": 1, "limit_talks_per_minute": 2}), context.refusals)
    with pytest.raises(TalkRefused, match="no persona"):
        await entrance.open(TalkRequest(engine="echo", persona="nobody"))
    talk = await entrance.open(TalkRequest(engine="echo"))
    with pytest.raises(TalkRefused) as refused:
        await entrance.open(TalkRequest(engine="echo"))
    assert (refused.value.code, "1 talks going on" in refused.value.message) == ("quota", True)
    await talk.hang_up("hung_up")
    await until(lambda: not entrance._quota._live)
    with pytest.raises(TalkRefused) as refused:
        await entrance.open(TalkRequest(engine="echo"))
    assert refused.value.code == "rate_limited"
    assert context.refusals.counts == {"talks at once": 1, "talks": 1}
    # Work of the server's own and of this machine is not counted.
    VISITOR.set(Visitor("127.0.0.1", local=True))
    await (await entrance.open(TalkRequest(engine="echo"))).hang_up("hung_up")


@pytest.mark.usefixtures("stranger")
async def test_a_talk_ends_with_the_talk_time_of_its_address(bench: Workbench, context: Context) -> None:
    entrance = context.entrance
    settings = bench.settings.model_copy(update={"limit_talk_s_per_hour": 0.5})
    entrance._quota = TalkQuota(settings, context.refusals, chunk_s=0.25)
    talk = await entrance.open(TalkRequest(engine="echo"))
    assert await asyncio.wait_for(talk.closed(), 60) == "time_limit"
    with pytest.raises(TalkRefused, match=r"talk time of this hour. Try again in \d+ minutes"):
        await entrance.open(TalkRequest(engine="echo"))
