"""What a crash left behind is brought to an end at the next start: talks are closed, their sound is joined."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from workbench.audio.frames import SAMPLE_RATE
from workbench.events import SessionClosed
from workbench.store.audio_segments import finish_recording
from workbench.store.base import Store, StoreError
from workbench.store.recorder import is_id
from workbench.store.values import to_json

log = logging.getLogger(__name__)

CRASHED = "crashed"
_DETAIL = "The workbench stopped without closing this talk."


@dataclass(slots=True)
class Recovered:
    """What `recover` found and did."""

    sessions: list[str] = field(default_factory=list)
    """Talks that were open and are now closed as `crashed`."""
    recordings: list[str] = field(default_factory=list)
    """Talks whose sound was joined."""
    removed: list[Path] = field(default_factory=list)
    """Half-written files, which nothing can read."""
    left: dict[str, str] = field(default_factory=dict)
    """Folders of segments that could not be joined, with the reason; they are tried again at the next start."""


def recover(store: Store, audio_dir: Path) -> Recovered:
    """Call once, before the first talk, by the one process that has the store open. Raises StoreError when it cannot write.

    An open talk ends at its last event with `ended_reason` `crashed`; tools that were running or asked for end with it. Segments
    count as they lie on the disk, whether or not their rows were committed.
    """
    done = Recovered()
    for session in store.query("SELECT session_id, started_at FROM voice_sessions WHERE is_active ORDER BY started_at"):
        _close(store, session["session_id"], session["started_at"])
        done.sessions.append(session["session_id"])
    if audio_dir.is_dir():
        for part in sorted([*audio_dir.glob("*.part"), *audio_dir.glob("*/*.part")]):
            part.unlink()
            done.removed.append(part)
        for folder in sorted(path for path in audio_dir.iterdir() if path.is_dir() and is_id(path.name)):
            _join(store, audio_dir, folder, done)
    if done.sessions or done.recordings or done.removed:
        log.warning(
            "after a crash: %d talks closed, %d recordings joined, %d half-written files removed",
            len(done.sessions),
            len(done.recordings),
            len(done.removed),
        )
    return done


def _close(store: Store, session_id: str, started_at: datetime) -> None:
    (last,) = store.query(
        "SELECT max(seq) AS seq, max(noticed_samples) AS samples FROM ("
        "SELECT seq, noticed_samples FROM voice_events WHERE session_id = $1 UNION ALL "
        "SELECT seq, noticed_samples FROM voice_frame_timings WHERE session_id = $1) AS stamps",
        [session_id],
    )
    samples = last["samples"] or 0
    ended_at = started_at + timedelta(seconds=samples / SAMPLE_RATE)
    closed = SessionClosed(at_samples=samples, noticed_samples=samples, reason=CRASHED, detail=_DETAIL)
    store.write(
        (
            "INSERT INTO voice_events (session_id, seq, kind, at_samples, noticed_samples, payload) VALUES ($1, $2, $3, $4, $4, $5)",
            [session_id, 0 if last["seq"] is None else last["seq"] + 1, closed.kind, samples, to_json(closed.payload())],
        ),
        (
            "UPDATE voice_tool_invocations SET status = 'error', error = $2, completed_at = $3, end_ms = $4 "
            "WHERE session_id = $1 AND status IN ('pending', 'running')",
            [session_id, f"No answer: {_DETAIL}", ended_at, samples * 1_000 / SAMPLE_RATE],
        ),
        (
            "UPDATE voice_tool_invocations SET status = 'cancelled', error = $2, completed_at = $3, end_ms = $4 "
            "WHERE session_id = $1 AND status = 'proposed'",
            [session_id, _DETAIL, ended_at, samples * 1_000 / SAMPLE_RATE],
        ),
        (
            # Its last turns were never derived: `rescore` makes up for that.
            "UPDATE voice_sessions SET is_active = FALSE, ended_at = $2, ended_reason = $3, ended_detail = $4, scored_by = NULL "
            "WHERE session_id = $1",
            [session_id, ended_at, CRASHED, _DETAIL],
        ),
    )


def _join(store: Store, audio_dir: Path, folder: Path, done: Recovered) -> None:
    session_id = folder.name
    try:
        if finish_recording(store, audio_dir, session_id, None) is not None:
            done.recordings.append(session_id)
    except (OSError, StoreError) as error:
        log.error("the segments in %s are left as they are: %s", folder, error)
        done.left[session_id] = str(error)
