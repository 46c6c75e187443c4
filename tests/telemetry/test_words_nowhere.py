"""A whole talk in which much goes wrong, at debug level: whatever the store has of words is in no line of the log, no span, no figure."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from own_log import log_as_it_was
from spans_kept import KeptSpans, everything
from waiting import until

from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.assembly import Workbench, assemble
from workbench.audio.frames import Pcm
from workbench.bridge.provider import CallContext, OnProgress, ProviderState, ProviderUnavailable
from workbench.bridge.tool import Tool, ToolError, ToolResult
from workbench.conversation.port import TalkRequest
from workbench.engines.base import AgentFrame, EngineError
from workbench.events import Event
from workbench.log_setup import start_log
from workbench.sessions import LiveTalk
from workbench.settings import Settings
from workbench.store import queries
from workbench.store.words import EVENT_FIELDS
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedSession
from workbench.testing.tts import ToneTts

PROMPT = "You are Quillhopper, keeper of the lighthouse at Zanzibar."
REQUESTS = ("how high is the purple tide", "what is twelve times seven", "how is the brass bell", "how is the velvet door")


class Harbour:
    """Tools that answer with words, and that fail with words."""

    name = "harbour"

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, context: CallContext, on_progress: OnProgress) -> ToolResult:
        on_progress(0.5, "asking the harbour master")
        match tool.name:
            case "tide":
                return ToolResult("The tide is uncommonly purple.", {"note": "bring galoshes"})
            case "bell":
                raise ToolError("the clapper fell into the sea")
            case _:
                # Not what a provider may raise: nobody foresaw it.
                raise ValueError(f"hinges squeak for {context.utterance}")

    async def probe(self) -> ProviderState:
        return ProviderState(ready=True, reason="it is there")


class Clumsy:
    """An observer that fails with the words it saw."""

    def on_event(self, event: Event) -> None:
        if event.kind == "UserText":
            raise ProviderUnavailable(f"cannot digest {event.payload()}")

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None: ...


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the process's log writes, as JSON at debug level; afterwards it is as it was."""
    with log_as_it_was():
        start_log("debug", "json")
        written = io.StringIO()
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
        yield written


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> AsyncIterator[Workbench]:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", test_engines=True, turn_fixed_hold_ms=500.0, recording=False)
    made = await assemble(settings, recogniser=ScriptedAsr(), synthesisers=[ToneTts()])
    made.registry.add(
        Harbour(),
        Tool("tide", "Tell the tide", phrases=("how high is the purple tide",), provider="harbour"),
        Tool("bell", "Hear the bell", phrases=("how is the brass bell",), provider="harbour"),
        Tool("door", "See the door", phrases=("how is the velvet door",), provider="harbour"),
    )
    yield made
    await made.close()


def words_of(bench: Workbench, session_id: str) -> set[str]:
    """Every text that the events of a talk hold and that counts as words, each part of a structure by itself. The agent's words come in
    pieces of one word, which may stand anywhere; its turns hold them together."""
    found: set[str] = set()

    def take(value: Any) -> None:
        if isinstance(value, str):
            found.add(" ".join(value.split()).lower())
        elif isinstance(value, Mapping):
            for part in value.values():
                take(part)

    for event in queries.read_events(bench.store, session_id):
        for name in EVENT_FIELDS.get(event.kind, {}) if event.kind != "AgentText" else ():
            take(event.payload()[name])
    return {text for text in found if len(text) >= 4}


async def ask_all(talk: LiveTalk, bench: Workbench) -> None:
    """Types every request, and waits for the end of each."""
    for number, text in enumerate(REQUESTS, start=1):
        talk.type(text)
        ended = "kind IN ('ResultDelivered', 'ToolFailed')"
        await until(lambda: len(_rows(bench, ended)) >= number)  # noqa: B023 - awaited before the next


def _rows(bench: Workbench, where: str) -> list[dict[str, Any]]:
    bench.store.flush()
    return bench.store.query(f"SELECT kind FROM voice_events WHERE {where}", [])


async def test_what_was_said_and_done_is_in_the_store_alone(bench: Workbench, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptSpans()
    context: Context = create_app(bench, kept.tracing).state.context
    talk = await context.entrance.open(TalkRequest(engine="scripted", text_prompt=PROMPT))
    talk.conversation.observe(Clumsy())
    await ask_all(talk, bench)

    async def dies(_session: object, _user: Pcm) -> AgentFrame:
        raise EngineError("the engine choked on marmalade harbour")

    monkeypatch.setattr(ScriptedSession, "step", dies)
    await until(lambda: _rows(bench, "kind = 'EngineLost'"))
    await talk.hang_up("hung_up")

    text = await context.text_talks.get("c", bench.personas.get("myca"))
    await text.answer("tell me what you know of pomegranate fortress")
    await context.text_talks.close()
    bench.store.flush()

    said = log.getvalue()
    lines = [json.loads(line) for line in said.splitlines()]
    assert {line["session_id"] for line in lines if line["logger"] == "workbench.conversation.watchers"} == {talk.session_id}
    assert [line["message"] for line in lines if "Clumsy" in line["message"]] == ["Clumsy failed and was cut off"]
    words = (
        words_of(bench, talk.session_id)
        | words_of(bench, text.session_id)
        | {PROMPT.lower(), "quillhopper", "marmalade", "squeak", "galoshes"}
    )
    assert len(words) > 20, words
    for place, found in (("log", said), ("spans", everything(kept.all)), ("figures", context.telemetry.render().decode())):
        # Longest first: the whole of what leaked is told.
        leaked = [text for text in sorted(words, key=len, reverse=True) if text in " ".join(found.split()).lower()]
        assert not leaked, f"in the {place}: {leaked}"
