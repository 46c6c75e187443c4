"""The processes that share a database: who holds a talk, and where its sound lies."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.store.base import Store

COLUMNS = "s.process_id, p.host, p.pid, p.address, p.audio_dir"
"""Of `voice_sessions s` and `voice_processes p`: what `Process.of_row` and `held_elsewhere` read."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the workbench."""

    process_id: str
    host: str
    pid: int
    address: str | None
    """Of its pages, as it was told to listen; None when it serves none."""
    audio_dir: str

    @classmethod
    def this(cls, audio_dir: Path, address: str | None = None) -> Process:
        """The one that runs this code, with an id of its own."""
        return cls(uuid.uuid4().hex, socket.gethostname(), os.getpid(), address, str(audio_dir.resolve()))

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Process | None:
        """From a row with `COLUMNS`; None where no process was written down."""
        if row["host"] is None:
            return None
        return cls(row["process_id"], row["host"], row["pid"], row["address"], row["audio_dir"])

    @property
    def told(self) -> str:
        """How messages call it."""
        return f"the workbench {self.address or ''} on {self.host} (process {self.pid})".replace("  ", " ")

    def shares_sound_with(self, other: Process) -> bool:
        """Whether both keep recordings in the same place, as far as names tell."""
        return (self.host, self.audio_dir) == (other.host, other.audio_dir)

    def cannot_run(self, here: Process) -> bool:
        """True when it was on this host and its process id is nobody's now."""
        return self.host == here.host and not psutil.pid_exists(self.pid)


def lock_key(process_id: str) -> int:
    """The number of its advisory lock: 60 bits of its id."""
    return int(process_id[:15], 16)


def register(store: Store, process: Process) -> None:
    """Writes the process down, before its first talk. Raises StoreError."""
    store.write(
        (
            "INSERT INTO voice_processes (process_id, lock_key, host, pid, address, audio_dir) VALUES ($1, $2, $3, $4, $5, $6)",
            [process.process_id, lock_key(process.process_id), process.host, process.pid, process.address, process.audio_dir],
        )
    )


def holder(store: Store, session_id: str) -> Process | None:
    """The process that holds, or held, a talk; None when it is not known."""
    found = store.query(
        f"SELECT {COLUMNS} FROM voice_sessions s JOIN voice_processes p ON p.process_id = s.process_id "  # noqa: S608 - from above
        "WHERE s.session_id = $1",
        [session_id],
    )
    return Process.of_row(found[0]) if found else None


def held_elsewhere(row: dict[str, Any], here: Process) -> str | None:
    """Who holds the talk of a row with `is_active` and `COLUMNS`, where that is another process; None for one that is over or held here."""
    if not row["is_active"] or row["process_id"] in (None, here.process_id):
        return None
    other = Process.of_row(row)
    return other.told if other is not None else "another process"
