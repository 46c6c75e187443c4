"""One trace from whoever asks for a talk to the backend of a tool: W3C headers are taken in and sent on, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from opentelemetry.trace import format_span_id
from spans_kept import KeptSpans, told

from workbench.api.app import create_app
from workbench.assembly import Workbench, assemble
from workbench.bridge.config import NO_TOOLS
from workbench.bridge.config_tables import Mas
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.settings import Settings
from workbench.telemetry.following import Following
from workbench.testing.asr import ScriptedAsr
from workbench.testing.mas_stub import MasStub
from workbench.testing.serving import serving
from workbench.testing.tts import ToneTts
from workbench.trace_headers import send_trace, under_trace

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLER}-00f067aa0ba902b7-01"
MESSAGE = "/api/mas/voice/orchestrator"


@pytest.fixture
def stub() -> MasStub:
    """An orchestrator that remembers which headers it got."""
    return MasStub()


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: MasStub) -> AsyncIterator[Workbench]:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", test_engines=True, turn_fixed_hold_ms=500.0)
    async with serving(stub.app) as url:
        tools = replace(NO_TOOLS, mas=Mas(url=url, token_env=None))
        made = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()], tools=tools)
        await made.fleet.settled(60.0)
        yield made
        await made.close()


@pytest.fixture
def kept() -> KeptSpans:
    return KeptSpans()


@pytest.fixture
async def client(bench: Workbench, kept: KeptSpans) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(bench, kept.tracing)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as made:
        yield made
    await app.state.context.text_talks.close()


async def test_a_callers_trace_goes_through_the_talk_to_the_tools_backend(
    client: httpx.AsyncClient, kept: KeptSpans, stub: MasStub, bench: Workbench
) -> None:
    sent = {"traceparent": TRACEPARENT, "tracestate": "vendor=1", "baggage": "user=anna"}
    first = (await client.post(MESSAGE, json={"message": "ask the team to order more coffee", "conversation_id": "c"}, headers=sent)).json()
    await client.post(MESSAGE, json={"message": "confirm and proceed", "conversation_id": "c"})
    (got,) = [asked["headers"] for asked in stub.asked]
    assert CALLER in got["traceparent"]
    assert got["tracestate"] == "vendor=1"
    assert "baggage" not in got, "it is not ours to hand on"
    bench.store.flush()
    told_of = (await client.get(f"/voice/sessions/{first['session_id']}")).json()
    assert told_of["metadata"]["trace_id"] == CALLER

    await client.delete(f"/voice/sessions/{first['session_id']}")
    talk, tool = kept.one("talk"), kept.one("tool")
    assert talk.parent is not None
    assert format_span_id(talk.parent.span_id) == "00f067aa0ba902b7"
    assert told(talk)["session_id"] == first["session_id"]
    (work,) = [span for span in kept.children(tool) if span.name == "ToolFinished"]
    assert work.context is not None
    assert format_span_id(work.context.span_id) in got["traceparent"], "the backend's spans hang on the stage in which it works"


async def test_two_talks_are_two_traces_and_none_is_told_without_an_exporter(client: httpx.AsyncClient, bench: Workbench) -> None:
    traced = [(await client.post(MESSAGE, json={"message": "hello"})).json()["session_id"] for _number in range(2)]
    bench.store.flush()
    ids = {(await client.get(f"/voice/sessions/{session_id}")).json()["metadata"]["trace_id"] for session_id in traced}
    assert len(ids) == 2
    plain = create_app(bench)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(plain), base_url="http://localhost") as other:
        session_id = (await other.post(MESSAGE, json={"message": "hello"}, headers={"traceparent": TRACEPARENT})).json()["session_id"]
        bench.store.flush()
        assert "trace_id" not in (await other.get(f"/voice/sessions/{session_id}")).json()["metadata"]
    await plain.state.context.text_talks.close()


async def test_a_talk_that_is_refused_says_so_in_its_trace(kept: KeptSpans, bench: Workbench) -> None:
    context = create_app(bench, kept.tracing).state.context
    with pytest.raises(TalkRefused):
        await context.entrance.open(TalkRequest(engine="nobody"))
    refused = kept.one("talk")
    assert (told(refused)["refused"], refused.status.is_ok) == ("unknown_engine", False)


@pytest.mark.parametrize(
    "header", ["", "00-xyz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "a" * 10_000], ids=["none", "odd", "zero", "long"]
)
def test_what_is_no_trace_is_ignored(header: str, kept: KeptSpans) -> None:
    with under_trace([(b"traceparent", header.encode()), (b"host", b"x")]):
        span = kept.tracer.start_span("talk")
    assert span.get_span_context().is_valid
    assert span.parent is None  # type: ignore[attr-defined]  # the SDK's span has one


def test_nothing_is_sent_where_nothing_is_traced() -> None:
    headers: dict[str, str] = {}
    send_trace(headers)
    assert headers == {}


async def test_an_observer_that_fails_harms_no_talk(
    bench: Workbench, kept: KeptSpans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The spans of this talk break; its words still come, and people are told."""
    context = create_app(bench, kept.tracing).state.context
    monkeypatch.setattr("workbench.telemetry.talk_spans.TalkSpans._user_text", lambda *_args: 1 / 0)
    follow = context.text_talks._follow
    assert isinstance(follow, Following)
    talk = await context.text_talks.get("c", bench.personas.get("myca"))
    with caplog.at_level(logging.ERROR):
        reply = await talk.answer("what is two plus two")
    assert "four" in reply.text
    assert "TalkSpans failed and was cut off" in caplog.text
    await context.text_talks.close()
    bench.store.flush()
    (notice,) = bench.store.query("SELECT payload FROM voice_events WHERE kind = 'Notice'", [])
    assert "TalkSpans failed" in str(notice["payload"])
    assert not kept.named("UserText")
