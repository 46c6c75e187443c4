"""Talks of known content in a store, put there by the recorder itself."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from tests.store.talk_script import chosen, closed, opened, play, tick, tool_started, turn
from workbench import events
from workbench.events import Event
from workbench.personas import Persona
from workbench.store.base import Store
from workbench.store.recorder import Recorder

PROMPT = "You are Tess. Call 555 123 4567."
PERSONA = Persona(persona_id="myca", name="Tess", voice="NATF2", role="assistant", prompt=PROMPT, tools=("*",))
SECRET = "write to ann.lee@example.org or 0032 475 12 34 56"


def said(text: str, *, final: bool = True) -> events.UserText:
    return events.UserText(
        at_samples=24_000, noticed_samples=24_000, utterance_id="u-1", text=text, final=final, start_samples=12_345_678, source="asr"
    )


def finished(result: object) -> events.ToolFinished:
    return events.ToolFinished(
        at_samples=60_000, noticed_samples=60_000, invocation_id="call-1", tool="time_in", result=result, spoken=SECRET, latency_ms=12.5
    )


def talk(text: str) -> list[Event]:
    return [
        said("five five five one", final=False),
        said(text),
        tick(1),
        turn("t-1", "user", 0.5, 1.0),
        tool_started(),
        finished({"mail": "ann.lee@example.org", "id": 12345678, "list": [11112222, 33334444, "x"], "n": 5}),
        turn("t-2", "agent", 1.4, 2.5, latency_ms=400.0),
        closed(3.0),
    ]


def keep(
    store: Store,
    audio_dir: Path,
    session_id: str,
    *,
    when: datetime = datetime(2026, 3, 1, 23, 59, tzinfo=UTC),
    text: str = SECRET,
    engine: str = "classic",
    frames: int = 0,
    over: bool = True,
) -> None:
    """One talk; with `over` False it is left going on."""
    recorder = Recorder(store, audio_dir, wall_clock=lambda: when)
    recorder.remember_persona(PERSONA)
    first = dataclasses.replace(opened(session_id, recording=frames > 0), persona_hash=PERSONA.content_hash)
    script = [first, chosen(engine), *talk(text)]
    play(recorder.observer(), *(script if over else script[:-1]), frames=frames)
    recorder.close()
    store.flush()
