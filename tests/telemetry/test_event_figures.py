"""Every kind of event is counted, as often as the store has rows of it, and no name from outside makes time series without end."""

from __future__ import annotations

import asyncio
import dataclasses
import typing
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from servers import CLIPS
from waiting import until

from workbench import events
from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.assembly import Workbench, assemble
from workbench.audio.wav import load_wav
from workbench.clock import FastClock, fixed
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRefused, TalkRequest
from workbench.engines.base import EngineError
from workbench.events import Event
from workbench.settings import Settings
from workbench.store import queries
from workbench.telemetry.labels import OTHER, Bounded
from workbench.telemetry.metrics import TalkMeter
from workbench.telemetry.talk_figures import ONLY_COUNTED, TalkFigures
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine
from workbench.testing.talks import CHARGES, pause
from workbench.testing.tts import ToneTts

VOCABULARY = events.vocabulary()
SAID = ("what is twelve times seven", "tell me a story", "how many sessions did we have today")


def figures(registry: CollectorRegistry, known: set[str] | None = None) -> TalkFigures:
    names = {"classic"} if known is None else known
    return TalkFigures(registry, engines=Bounded(lambda: names), tools=Bounded(lambda: names))


def some(kind: type[Event], text: str = "classic") -> Event:
    """An event of a kind with a value in every field."""
    values: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        if choices:
            values[name] = choices[0]
        elif hint in (int, float, bool) or hint == (int | None) or hint == (float | None):
            values[name] = True if hint is bool else 1
        else:
            values[name] = {} if "Mapping" in str(hint) else text
    return kind(**values)


def read(registry: CollectorRegistry) -> dict[str, float]:
    """`name{label=value,...}` to its figure, without what changes by itself."""
    found = {}
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                found[f"{sample.name}{sorted(sample.labels.items())}"] = sample.value
    return found


@pytest.mark.parametrize("kind", sorted(VOCABULARY))
def test_every_kind_is_counted_and_measured_or_said_to_be_only_counted(kind: str) -> None:
    registry = CollectorRegistry()
    meter = TalkMeter(figures(registry))
    before = read(registry)
    meter.on_event(some(VOCABULARY[kind]))
    after = read(registry)
    changed = {name for name, value in after.items() if before.get(name) != value}
    counted = f"workbench_events_total[('kind', '{kind}')]"
    assert after[counted] == 1.0
    assert counted in before, "a kind that has not happened yet is 0, not absent"
    measured = changed - {counted}
    assert bool(measured) == (VOCABULARY[kind] not in ONLY_COUNTED), measured


def test_what_is_only_counted_is_a_kind() -> None:
    assert set(VOCABULARY.values()) >= ONLY_COUNTED


def test_names_from_outside_make_no_new_series_but_one() -> None:
    registry = CollectorRegistry()
    meter = TalkMeter(figures(registry))
    for text in ("classic", "two words"):
        for kind in VOCABULARY.values():
            meter.on_event(some(kind, text))
    bounded = len(read(registry))
    assert any("'other'" in name for name in read(registry))
    for number in range(20):
        for kind in VOCABULARY.values():
            for hostile in (f"drop table {number}", f'a"\n{number}', f"{number}" * 100):
                meter.on_event(some(kind, hostile))
    assert len(read(registry)) == bounded


def test_names_that_are_known_one_after_the_other_are_bounded_too() -> None:
    """An MCP server that renames its tools every minute."""
    known: set[str] = set()
    label = Bounded(lambda: known, limit=10)
    for number in range(50):
        known.clear()
        known.add(f"tool_{number}")
        label(f"tool_{number}")
    assert label("tool_9") == "tool_9", "what was let in stays"
    known.add("tool_50")
    assert label("tool_50") == OTHER
    assert Bounded(lambda: {"a"})("b") == OTHER
    assert Bounded()("two words") == OTHER


def test_an_overlap_is_a_negative_offset() -> None:
    registry = CollectorRegistry()
    meter = TalkMeter(figures(registry))
    meter.on_event(dataclasses.replace(some(events.TurnEnded), speaker="agent", latency_ms=-300.0))  # type: ignore[call-arg]
    told = read(registry)
    assert told["workbench_turn_latency_seconds_bucket[('le', '-0.5'), ('speaker', 'agent')]"] == 0
    assert told["workbench_turn_latency_seconds_bucket[('le', '-0.2'), ('speaker', 'agent')]"] == 1


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workbench]:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", test_engines=True, turn_fixed_hold_ms=500.0, recording=False)
    made = await assemble(settings, recogniser=ScriptedAsr(SAID), synthesisers=[ToneTts()])
    yield made
    await made.close()


def scraped(context: Context) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What `/metrics` says, by name and labels."""
    families = text_string_to_metric_families(context.telemetry.render().decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


async def test_the_counts_of_talks_at_once_are_the_rows_of_the_store(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(bench)
    context: Context = app.state.context
    said = load_wav(CLIPS / "goforward.wav")
    clip = np.concatenate([pause(0.5), *[said, pause(4.0)] * len(SAID)])
    opening = bench.sessions.open

    async def in_virtual_time(request: TalkRequest, **given: Any) -> Any:
        return await opening(request, clip=ClipInput(clip), clock=FastClock(fixed(CHARGES), latency_model="test"), **given)

    monkeypatch.setattr(bench.sessions, "open", in_virtual_time)
    talks = [await context.entrance.open(TalkRequest(engine=engine)) for engine in ("scripted", "echo", "scripted")]
    for talk in talks:
        talk.type("what is two plus two")
    await until(lambda: all(talk.conversation.now_samples > clip.size for talk in talks))
    await asyncio.gather(*(talk.hang_up("hung_up") for talk in talks))
    text = await context.text_talks.get("c-1", bench.personas.get("myca"))
    await text.answer("what is three plus three")
    await context.text_talks.close()

    async def cannot_open(_engine: object, _spec: object) -> Any:
        raise EngineError("The engine broke while it was opened.")

    monkeypatch.setattr(EchoEngine, "open", cannot_open)
    with pytest.raises(TalkRefused):
        await context.entrance.open(TalkRequest(engine="echo"))

    bench.store.flush()
    sessions = [row["session_id"] for row in bench.store.query("SELECT session_id FROM voice_sessions", [])]
    assert len(sessions) == 5
    kept = Counter(event.kind for session_id in sessions for event in queries.read_events(bench.store, session_id))
    assert kept["ToolFinished"] >= 7, "the tools were used"
    assert kept["UserSpeech"], "somebody spoke"
    told = scraped(context)
    counted = {dict(labels)["kind"]: value for (name, labels), value in told.items() if name == "workbench_events_total"}
    assert {kind: count for kind, count in counted.items() if count} == dict(kept)
    tools = sum(value for (name, _labels), value in told.items() if name == "workbench_tool_calls_total")
    assert tools == len(bench.store.query("SELECT invocation_id FROM voice_tool_invocations", []))
    ended = {dict(labels)["reason"]: value for (name, labels), value in told.items() if name == "workbench_sessions_ended_total"}
    assert ended == {"hung_up": 3, "server_stopped": 1, "engine_failed": 1}
    opened = {tuple(sorted(dict(labels).values())): value for (name, labels), value in told.items() if name == "workbench_sessions_total"}
    assert opened == {("scripted", "websocket"): 2, ("echo", "websocket"): 1, ("http", "text"): 1}
