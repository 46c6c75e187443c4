"""What a crash left behind is brought to an end: talks are closed, their sound is joined."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from workbench.audio.frames import SAMPLE_RATE
from workbench.events import SessionClosed
from workbench.store.audio_segments import finish_recording
from workbench.store.base import Store, StoreError
from workbench.store.processes import COLUMNS, Process
from workbench.store.recorder import is_id
from workbench.store.values import to_json

log = logging.getLogger(__name__)

CRASHED = "crashed"
GRACE_S = 10.0
"""Seconds after which a process that has lost its lock is given up; one that lives has it again within a second of the server's return."""
_HELD = f"""
SELECT s.session_id, s.started_at, {COLUMNS} FROM voice_sessions s
LEFT JOIN voice_processes p ON p.process_id = s.process_id
"""  # noqa: S608 - our own columns
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
    """For the one process that has the store open, before its first talk; see `Recovery`. Raises StoreError when it cannot write."""
    return Recovery(store, audio_dir).look()


class Recovery:
    """Brings to an end what processes have left behind that are no more. What a living one holds is not touched.

    A process is gone when nobody else can have the database open, when its number is nobody's on this host, or when it was not there
    for `grace_s`: one whose connection broke is back well before. So a shared database is looked at again and again.
    """

    def __init__(
        self,
        store: Store,
        audio_dir: Path,
        here: Process | None = None,
        *,
        grace_s: float = GRACE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`here`: the process that looks."""
        self._store = store
        self._audio_dir = audio_dir
        self._here = here
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._missed_since: dict[str, float] = {}
        self._first = True

    def look(self) -> Recovered:
        """Raises StoreError when the store cannot be read or written.

        An open talk ends at its last event with `ended_reason` `crashed`; tools that were running or asked for end with it. Segments
        count as they lie on the disk, whether or not their rows were committed.
        """
        done = Recovered()
        living = self._store.living() | ({self._here.process_id} if self._here is not None else set())
        active = self._store.query(f"{_HELD} WHERE s.is_active ORDER BY s.started_at")
        for session in active:
            if self._is_gone(session, living):
                _close(self._store, session["session_id"], session["started_at"])
                done.sessions.append(session["session_id"])
        if self._audio_dir.is_dir():
            self._recover_sound(living, done)
        self._first = False
        if done.sessions or done.recordings or done.removed:
            log.warning(
                "after a crash: %d talks closed, %d recordings joined, %d half-written files removed",
                len(done.sessions),
                len(done.recordings),
                len(done.removed),
            )
        return done

    def _is_gone(self, session: dict[str, Any], living: Set[str]) -> bool:
        """Whether the process of a row of `_HELD` is no more."""
        process_id = session["process_id"]
        if process_id in living:
            self._missed_since.pop(process_id, None)
            return False
        if process_id is None or not self._store.shared:
            return True
        process = Process.of_row(session)
        if process is None or (self._here is not None and process.cannot_run(self._here)):
            return True
        return self._monotonic() - self._missed_since.setdefault(process_id, self._monotonic()) >= self._grace_s

    def _recover_sound(self, living: Set[str], done: Recovered) -> None:
        folders = {path.name: path for path in sorted(self._audio_dir.iterdir()) if path.is_dir() and is_id(path.name)}
        parts = sorted([*self._audio_dir.glob("*.part"), *self._audio_dir.glob("*/*.part")])
        if not folders and not parts:
            return
        # Two processes that share the folder must not join the same talk at once.
        with ExitStack() as held:
            if self._store.shared:
                try:
                    held.enter_context(FileLock(self._audio_dir.with_name(f".{self._audio_dir.name}.recovery"), timeout=0))
                except Timeout:
                    return
            ids = {*folders, *(_session_of(part, self._audio_dir) for part in parts)}
            gone = self._gone_sessions(sorted(ids), living)
            for part in parts:
                if _session_of(part, self._audio_dir) in gone:
                    part.unlink()
                    done.removed.append(part)
            for name, folder in folders.items():
                if name in gone:
                    _join(self._store, self._audio_dir, folder, done)

    def _gone_sessions(self, ids: Sequence[str], living: Set[str]) -> set[str]:
        """Those of the sessions whose sound nobody is at work on."""
        rows = {row["session_id"]: row for row in self._store.query(f"{_HELD} WHERE s.session_id = ANY($1::VARCHAR[])", [list(ids)])}
        others = living - ({self._here.process_id} if self._here is not None else set())
        # Of a talk that has no row yet nobody knows who holds it.
        strays = set() if others or not self._first else set(ids) - rows.keys()
        return strays | {name for name, row in rows.items() if self._is_gone(row, living)}


def _session_of(part: Path, audio_dir: Path) -> str:
    return part.stem if part.parent == audio_dir else part.parent.name


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
            # Another process may have closed it just now.
            "INSERT INTO voice_events (session_id, seq, kind, at_samples, noticed_samples, payload) "
            "SELECT session_id, $2, $3, $4, $4, $5 FROM voice_sessions WHERE session_id = $1 AND is_active "
            "ON CONFLICT (session_id, seq) DO NOTHING",
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
