"""A talk made of events and frames, for the tests of the store."""

from __future__ import annotations

import numpy as np

from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from workbench.events import Event
from workbench.talk import Observer


def opened(session_id: str = "talk-1", *, recording: bool = True, conversation_id: str = "conv-1") -> events.SessionOpened:
    return events.SessionOpened(
        at_samples=0,
        noticed_samples=0,
        session_id=session_id,
        conversation_id=conversation_id,
        persona="myca",
        persona_hash="ab" * 32,
        voice="NATF2",
        transport="scripted",
        recording=recording,
        pace="fast",
        latency_model="wall",
    )


def chosen(engine: str = "classic") -> events.EngineChosen:
    parts = {"asr": {"name": "fake", "why": "a test"}}
    return events.EngineChosen(at_samples=0, noticed_samples=0, engine=engine, requested="auto", reason="a test", parts=parts)


def tick(frame: int) -> events.FrameTiming:
    at = frame * FRAME_SAMPLES
    return events.FrameTiming(at_samples=at, noticed_samples=at, frame=frame, late_ms=0.25, listen_ms=1.0, engine_ms=3.5, total_ms=5.0)


def turn(turn_id: str, speaker: events.Speaker, start_s: float, end_s: float, latency_ms: float | None = None) -> events.TurnEnded:
    start, end = round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
    return events.TurnEnded(
        at_samples=end,
        noticed_samples=end,
        turn_id=turn_id,
        speaker=speaker,
        text=f"words of {turn_id}",
        start_samples=start,
        end_samples=end,
        latency_ms=latency_ms,
    )


def tool_started(at_s: float = 2.0, invocation_id: str = "call-1") -> events.ToolStarted:
    at = round(at_s * SAMPLE_RATE)
    return events.ToolStarted(
        at_samples=at,
        noticed_samples=at,
        invocation_id=invocation_id,
        tool="time_in",
        utterance_id="u-1",
        provider="local",
        arguments={"place": "Tokyo"},
        tier="read",
    )


def closed(at_s: float, reason: str = "user_left") -> events.SessionClosed:
    at = round(at_s * SAMPLE_RATE)
    return events.SessionClosed(at_samples=at, noticed_samples=at, reason=reason)


def stems(frame: int) -> tuple[Pcm, Pcm]:
    """Two different tones that never repeat within a minute, so that a shift by one sample is seen."""
    n = np.arange(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES, dtype=np.float64)
    user = 0.4 * np.sin(n * 0.0371) + 0.1 * np.sin(n * 0.000113)
    agent = 0.3 * np.sin(n * 0.0517) + 0.2 * np.sin(n * 0.000171)
    return user.astype(np.float32), agent.astype(np.float32)


def play(observer: Observer, *talk: Event, frames: int = 0) -> None:
    """All events but a closing one, then `frames` frames, then the close."""
    last = talk[-1] if isinstance(talk[-1], events.SessionClosed) else None
    for event in talk[:-1] if last else talk:
        observer.on_event(event)
    for frame in range(frames):
        user, agent = stems(frame)
        observer.on_frame(frame * FRAME_SAMPLES, user, agent)
    if last:
        observer.on_event(last)
