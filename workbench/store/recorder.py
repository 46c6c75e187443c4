"""The recorder: an observer of a talk that turns its events into rows and its frames into sound. Nothing here waits for a disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench import events
from workbench.audio.frames import SAMPLE_RATE, Pcm, samples_to_ms
from workbench.dynamics import definitions
from workbench.events import Event
from workbench.personas import Persona
from workbench.store.audio_segments import AudioWriter, StereoTrack
from workbench.store.base import RowSink, Store
from workbench.store.tool_rows import ToolRows
from workbench.store.values import clean_text, to_json

MODES = ("personaplex", "elevenlabs", "whisper", "degraded", "classic", "scripted", "echo")
"""Engines that are a `mode` of their own; any other is `other`, and none chosen yet is `unknown`. The true name is in `engine`."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(value: str) -> bool:
    """True for 1 to 64 letters, digits, hyphens and underscores: what may become a file name."""
    return _ID.fullmatch(value) is not None


def check_id(value: str, what: str) -> str:
    """`value` when it is an id that may become a file name, else ValueError."""
    if not is_id(value):
        raise ValueError(f"the {what} {value[:80]!r} is not an id. Use 1 to 64 letters, digits, hyphens and underscores.")
    return value


class Recorder:
    """Makes one observer for each talk. With `recording` off, or off for a talk, its rows are kept and its sound is not."""

    def __init__(
        self,
        store: Store,
        audio_dir: Path,
        *,
        recording: bool = True,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        process_id: str | None = None,
    ) -> None:
        """`process_id`: of the process that holds the talks, where others must know it."""
        self._store = store
        self._wall_clock = wall_clock
        self._process_id = process_id
        self._audio = AudioWriter(audio_dir, store) if recording else None

    def observer(self) -> TalkRecorder:
        """The observer of one talk."""
        return TalkRecorder(self._store, self._audio, self._wall_clock, self._process_id)

    def remember_persona(self, persona: Persona) -> None:
        """Keeps this version of a persona, once for each content."""
        self._store.append(
            "voice_personas",
            {
                "content_hash": persona.content_hash,
                "persona_id": clean_text(persona.persona_id),
                "name": clean_text(persona.name),
                "voice": clean_text(persona.voice),
                "role": clean_text(persona.role),
                "prompt": clean_text(persona.prompt),
                "tools": to_json(persona.tools),
                "sampling": to_json(persona.sampling),
                "first_seen": self._wall_clock(),
            },
        )

    def close(self) -> None:
        """Waits until the sound of every closed talk is in its one file. Does not close the store."""
        if self._audio is not None:
            self._audio.close()


class TalkRecorder:
    """An `Observer` of one talk. `SessionOpened` must be the first event; raises ValueError when its ids are not ids."""

    def __init__(
        self, store: RowSink, audio: AudioWriter | None, wall_clock: Callable[[], datetime], process_id: str | None = None
    ) -> None:
        self._process_id = process_id
        self._store = store
        self._audio = audio
        self._wall_clock = wall_clock
        self._seq = 0
        self._engine: str | None = None
        self._track: StereoTrack | None = None
        self._rows: dict[type[Event], Callable[[Any], None]] = {
            events.EngineChosen: self._engine_chosen,
            events.TurnEnded: self._turn_ended,
            events.DecisionMade: self._decision,
            events.BargeIn: self._barge_in,
            events.SessionClosed: self._session_closed,
        }

    def on_event(self, event: Event) -> None:
        """Takes one event. A tool's start and the ends of the talk are committed at once, all else within a second."""
        if self._seq == 0:
            self._session_opened(event)
        if isinstance(event, events.FrameTiming):
            self._frame_timing(event)
        else:
            self._store.append(
                "voice_events",
                {
                    "session_id": self._session_id,
                    "seq": self._seq,
                    "kind": event.kind,
                    "at_samples": event.at_samples,
                    "noticed_samples": event.noticed_samples,
                    "payload": to_json(event.payload()),
                },
            )
            if isinstance(event, events.ToolEvent):
                self._tools.take(event)
            elif derive := self._rows.get(type(event)):
                derive(event)
        self._seq += 1

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Takes both stems of one tick, unless this talk is not recorded. The arrays may be used again afterwards."""
        if self._track is not None:
            self._track.add(start_samples, user, agent)

    def wait_for_sound(self) -> None:
        """After `SessionClosed`: waits until the talk's sound is in its one file. Never call it on the event loop."""
        if self._track is not None:
            self._track.closed.result()

    # --- the session -------------------------------------------------------------------------------------------------

    def _session_opened(self, event: Event) -> None:
        if not isinstance(event, events.SessionOpened):
            raise ValueError(f"the first event of a talk must be SessionOpened, not {event.kind}")
        self._session_id = check_id(event.session_id, "session id")
        self._trace = {"trace_id": event.trace_id} if event.trace_id else {}
        self._started_at = self._wall_clock()
        self._tools = ToolRows(self._store, self._session_id, self._when)
        recording = event.recording and self._audio is not None
        self._session: dict[str, Any] = {
            "session_id": self._session_id,
            "conversation_id": check_id(event.conversation_id, "conversation id"),
            "mode": "unknown",
            "persona": clean_text(event.persona),
            "voice_prompt": clean_text(event.voice),
            "started_at": self._started_at,
            "ended_at": None,
            "is_active": True,
            "metadata": to_json(self._trace),
            "persona_hash": clean_text(event.persona_hash),
            "engine": None,
            "engine_reason": None,
            "transport": clean_text(event.transport),
            "recording": recording,
            "pace": event.pace,
            "latency_model": clean_text(event.latency_model),
            "ended_reason": None,
            "ended_detail": None,
            "scored_by": definitions.version(),
            "process_id": self._process_id,
        }
        self._put_session()
        if recording and self._audio is not None:
            self._track = self._audio.open(self._session_id)

    def _put_session(self) -> None:
        self._store.append("voice_sessions", dict(self._session), urgent=True)

    def _engine_chosen(self, event: events.EngineChosen) -> None:
        self._engine = clean_text(event.engine)
        self._session |= {
            "mode": event.engine if event.engine in MODES else "other",
            "engine": self._engine,
            "engine_reason": clean_text(event.reason),
            "metadata": to_json({"parts": event.parts, "requested": event.requested, **self._trace}),
        }
        self._put_session()

    def _session_closed(self, event: events.SessionClosed) -> None:
        self._session |= {
            "ended_at": self._when(event.at_samples),
            "is_active": False,
            "ended_reason": clean_text(event.reason),
            "ended_detail": clean_text(event.detail),
        }
        self._put_session()
        if self._track is not None:
            self._track.close()

    def _when(self, samples: int) -> datetime:
        """Session time on the calendar."""
        return self._started_at + timedelta(seconds=samples / SAMPLE_RATE)

    # --- turns, barge-ins, ticks -------------------------------------------------------------------------------------

    def _turn_ended(self, turn: events.TurnEnded) -> None:
        self._store.append(
            "voice_turns",
            {
                "turn_id": clean_text(turn.turn_id),
                "session_id": self._session_id,
                "speaker": turn.speaker,
                "text": clean_text(turn.text),
                "duration_ms": round(samples_to_ms(turn.end_samples - turn.start_samples)),
                "timestamp": self._when(turn.start_samples),
                "start_ms": samples_to_ms(turn.start_samples),
                "end_ms": samples_to_ms(turn.end_samples),
                "latency_ms": turn.latency_ms,
                "interrupted": turn.interrupted,
                "engine": self._engine,
            },
        )

    def _decision(self, event: events.DecisionMade) -> None:
        self._store.append(
            "voice_decisions",
            {
                "session_id": self._session_id,
                "utterance_id": clean_text(event.utterance_id),
                "decided_at": self._when(event.at_samples),
                "start_ms": samples_to_ms(event.at_samples),
                "text": clean_text(event.text),
                "act": clean_text(event.act),
                "reason": clean_text(event.reason),
                "tool": None if event.tool is None else clean_text(event.tool),
                "tier": event.tier,
                "invocation_id": event.invocation_id,
                "pending_id": event.pending_id,
            },
        )

    def _barge_in(self, event: events.BargeIn) -> None:
        self._store.append(
            "voice_barge_in_events",
            {
                "event_id": clean_text(event.barge_in_id),
                "session_id": self._session_id,
                "cancelled_text": clean_text(event.cancelled_text),
                "timestamp": self._when(event.at_samples),
                "outcome": event.outcome,
                "heard_text": clean_text(event.heard_text),
                "start_ms": samples_to_ms(event.at_samples),
                "stop_ms": None if event.stop_samples is None else samples_to_ms(event.stop_samples),
                "stop_latency_ms": event.stop_latency_ms,
            },
        )

    def _frame_timing(self, event: events.FrameTiming) -> None:
        self._store.append(
            "voice_frame_timings",
            {
                "session_id": self._session_id,
                "seq": self._seq,
                "at_samples": event.at_samples,
                "noticed_samples": event.noticed_samples,
                "frame": event.frame,
                "late_ms": event.late_ms,
                "listen_ms": event.listen_ms,
                "engine_ms": event.engine_ms,
                "total_ms": event.total_ms,
                "engine": self._engine,
            },
        )
