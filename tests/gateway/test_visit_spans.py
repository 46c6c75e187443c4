"""A visit of the gateway in the trace of the talk that it is part of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.trace import use_span
from serving import Served, running
from waiting import until

from tests.telemetry.spans_kept import KeptSpans, everything, notes, told
from workbench.audio.frames import Pcm
from workbench.gateway.model import Model
from workbench.gateway.server import ServerOptions
from workbench.wire_client import ChatClient

KEPT = KeptSpans()


@pytest.fixture(scope="module")
def served(model: Model) -> Iterator[Served]:
    yield from running(model, ServerOptions(port=0), tracer=KEPT.tracer)


async def test_a_visit_is_a_span_of_the_talk_with_its_prompt_taken_in(served: Served, user: Pcm) -> None:
    talk = KEPT.tracer.start_span("talk")
    with use_span(talk):
        client = await ChatClient.connect(
            f"ws://127.0.0.1:{served.port}", voice_prompt="TINYW1.wav", text_prompt="You keep the lighthouse.", events=True
        )
    await client.send_pcm(user[0])
    await client.hang_up()
    async for _message in client.receive():
        pass
    await client.close()
    await until(lambda: KEPT.named("visit"))
    visit, prefill = KEPT.one("visit"), KEPT.one("prefill")
    assert visit.parent is not None
    assert visit.parent.span_id == talk.get_span_context().span_id
    assert prefill in KEPT.children(visit)
    assert told(visit)["reason"] == "closed"
    assert told(prefill)["prompt_frames"]
    assert prefill.start_time is not None
    assert visit.start_time is not None
    assert prefill.end_time is not None
    assert visit.end_time is not None
    assert visit.start_time <= prefill.start_time <= prefill.end_time <= visit.end_time
    assert notes(visit) == []
    assert "lighthouse" not in everything(KEPT.all)
