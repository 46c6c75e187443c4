"""Talks of which every figure can be worked out by hand, as a store and as its export."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.store.talk_script import chosen, closed, opened, play, turn
from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.events import Event
from workbench.personas import Persona
from workbench.store.base import Store
from workbench.store.recorder import Recorder

BEGAN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PERSONAS = {
    name: Persona(persona_id=name, name=name.title(), voice="NATF2", role="assistant", prompt=f"You are {name}.", tools=("*",))
    for name in ("quick", "slow")
}


def at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def edge(speaker: str, which: events.Edge, seconds: float) -> Event:
    kind = events.UserSpeech if speaker == "user" else events.AgentSpeech
    return kind(at_samples=at(seconds), noticed_samples=at(seconds), edge=which, detector="test")


def spoke(speaker: events.Speaker, start_s: float, end_s: float, latency_ms: float | None = None) -> list[Event]:
    name = f"{speaker}-{start_s}"
    return [edge(speaker, "start", start_s), edge(speaker, "stop", end_s), turn(name, speaker, start_s, end_s, latency_ms)]


def broke_in(seconds: float, outcome: str, stop_ms: float | None = None) -> events.BargeIn:
    stop = None if stop_ms is None else at(seconds + stop_ms / 1_000)
    return events.BargeIn(
        at_samples=at(seconds),
        noticed_samples=at(seconds + 2),
        barge_in_id=f"b-{seconds}",
        outcome=outcome,
        stop_samples=stop,
        stop_latency_ms=stop_ms,
    )


def frame(number: int, total_ms: float) -> events.FrameTiming:
    stamp = number * FRAME_SAMPLES
    return events.FrameTiming(
        at_samples=stamp, noticed_samples=stamp, frame=number, late_ms=1.0, listen_ms=1.0, engine_ms=total_ms - 1, total_ms=total_ms
    )


def tool_call(said_s: float, intent_ms: float, dispatch_ms: float, work_ms: float, delivery_ms: float) -> list[Event]:
    """One call whose stages take what is given."""
    said = at(said_s)
    intent = said + at(intent_ms / 1_000)
    started = intent + at(dispatch_ms / 1_000)
    finished = started + at(work_ms / 1_000)
    heard = finished + at(delivery_ms / 1_000)
    call = {"invocation_id": f"call-{said_s}", "tool": "time_in_place"}
    return [
        events.UserText(
            at_samples=said, noticed_samples=intent, utterance_id=f"u-{said_s}", text="what time", final=True, start_samples=0, source="asr"
        ),
        events.IntentFound(
            at_samples=intent,
            noticed_samples=intent,
            utterance_id=f"u-{said_s}",
            intent="query",
            tool="time_in_place",
            arguments={},
            confidence=1.0,
            source="rules",
            duration_ms=1.0,
        ),
        events.ToolStarted(
            at_samples=started,
            noticed_samples=started,
            utterance_id=f"u-{said_s}",
            provider="local",
            arguments={},
            tier="read",
            **call,
        ),
        events.ToolFinished(at_samples=finished, noticed_samples=finished, result={}, spoken="noon", latency_ms=work_ms, **call),
        events.ResultDelivered(
            at_samples=heard, noticed_samples=heard, how="engine", words_asked=4, words_heard=3, interrupted=True, **call
        ),
    ]


def keep(
    store: Store,
    session_id: str,
    happened: Sequence[Event],
    *,
    persona: str = "quick",
    engine: str = "classic",
    end_s: float = 30.0,
    pace: str = "realtime",
    transport: str = "clip",
    day: int = 0,
) -> None:
    """One talk through the recorder."""
    recorder = Recorder(store, Path("unused"), recording=False, wall_clock=lambda: BEGAN + timedelta(days=day))
    recorder.remember_persona(PERSONAS[persona])
    first = dataclasses.replace(
        opened(session_id, recording=False),
        persona=persona,
        persona_hash=PERSONAS[persona].content_hash,
        pace=pace,
        transport=transport,
    )
    play(recorder.observer(), first, chosen(engine), *happened, closed(end_s))
    recorder.close()


def fill(store: Store) -> None:
    """Six talks with quick answers, six with slow ones, one in text, one on another engine."""
    for number in range(6):
        shift = 10.0 * number
        keep(
            store,
            f"quick-{number}",
            [
                *spoke("user", 1, 2),
                *spoke("agent", 2.2 + shift / 1_000, 5, 200 + shift),
                broke_in(4, "yielded", 300 + shift),
                *spoke("user", 4, 6),
                *spoke("agent", 5.9, 8, -100),
                *tool_call(6, 100, 20, 500, 80),
                *[frame(n, 90.0 if n == 3 else 10.0) for n in range(1, 26)],
            ],
            day=number,
        )
        keep(
            store,
            f"slow-{number}",
            [
                *spoke("user", 1, 2),
                *spoke("agent", 2.9 + shift / 1_000, 5, 900 + shift),
                broke_in(4.5, "ignored" if number % 2 else "censored"),
                *spoke("user", 7, 8),
                *spoke("user", 11, 12),
                *spoke("agent", 12.8, 14, 800),
                *spoke("user", 28, 29),
            ],
            persona="slow",
            pace="fast",
            day=number,
        )
    keep(store, "text", [turn("t-1", "user", 1, 1), turn("t-2", "agent", 1, 2)], engine="text", transport="http")
    keep(store, "other", [*spoke("user", 1, 2), *spoke("agent", 1.5, 3, -500)], engine="echo")
    store.flush()
