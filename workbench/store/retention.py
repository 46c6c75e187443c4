"""How long talks are kept: those that are too old go whole; of the others the oldest sound goes where there is too much of it.

Rows are small beside sound, so bytes are counted of recordings alone, and their talks stay with every row. What goes on, or whose sound is
still being joined, is never touched; a rated talk is kept whole unless the rules say otherwise. Everything is done one talk at a time and
may be cut off anywhere: what is half gone is found again by the next `plan`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from workbench.settings import Settings
from workbench.store import queries
from workbench.store.audio_segments import CODEC
from workbench.store.base import Store, StoreError
from workbench.store.recorder import is_id

log = logging.getLogger(__name__)

What = Literal["talk", "sound", "stray"]
"""A talk with its sound and every row; the sound of a talk alone; a recording that no row knows any more."""

STRAY_AFTER_S = 3_600.0
"""A recording is a file before it is a row; after this long it has none because it was being deleted."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept. None = for ever, and as much as there is."""

    keep_days: float | None = None
    keep_bytes: int | None = None
    keep_rated: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        return cls(settings.keep_days, settings.keep_bytes, settings.keep_rated)

    @property
    def any(self) -> bool:
        return self.keep_days is not None or self.keep_bytes is not None


@dataclass(frozen=True, slots=True)
class Doomed:
    """One thing that goes. `bytes`: of its recording on this machine."""

    what: What
    session_id: str
    started_at: datetime | None
    bytes: int


@dataclass(slots=True)
class Removed:
    """What has gone, and what could not."""

    talks: int = 0
    sounds: int = 0
    strays: int = 0
    bytes: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, one: Doomed) -> None:
        self.talks += one.what == "talk"
        self.sounds += one.what == "sound"
        self.strays += one.what == "stray"
        self.bytes += one.bytes

    @property
    def told(self) -> str:
        said = f"{self.talks} talks whole, the sound of {self.sounds}, {self.strays} stray recordings: {self.bytes:,} bytes of sound"
        return f"{said}; {len(self.failed)} could not be removed" if self.failed else said


def plan(store: Store, audio_dir: Path, rules: Rules, *, now: datetime | None = None) -> list[Doomed]:
    """What the rules say must go now, the oldest first. Raises StoreError."""
    if not rules.any:
        return []
    now = now or datetime.now(UTC)
    sizes = _recordings(audio_dir)
    rows = store.query(
        "SELECT s.session_id, s.started_at, coalesce(s.ended_at, s.started_at) AS ended_at, s.is_active, r.path IS NOT NULL AS recorded, "
        "EXISTS (SELECT 1 FROM voice_ratings g WHERE g.session_id = s.session_id) AS rated "
        "FROM voice_sessions s LEFT JOIN voice_recordings r ON r.session_id = s.session_id ORDER BY s.started_at, s.session_id"
    )
    over = [row for row in rows if not row["is_active"] and not (rules.keep_rated and row["rated"])]
    oldest = None if rules.keep_days is None else now - timedelta(days=rules.keep_days)
    aged = [row for row in over if oldest is not None and row["ended_at"] < oldest]
    doomed = [_doomed("talk", row, sizes) for row in aged]
    gone = {one.session_id for one in doomed}
    doomed += _too_much(rules.keep_bytes, [row for row in over if row["session_id"] not in gone], sizes, gone)
    known = {row["session_id"]: row for row in rows}
    return [*doomed, *_strays(audio_dir, sizes, known, oldest, now)]


def carry_out(store: Store, audio_dir: Path, doomed: Iterator[Doomed] | list[Doomed], pause: Callable[[], None] = lambda: None) -> Removed:
    """Removes one after the other, with `pause` between. One that cannot be removed is told, and the rest goes on."""
    done = Removed()
    for one in doomed:
        try:
            remove(store, audio_dir, one)
        except (StoreError, OSError) as error:
            done.failed[one.session_id] = str(error)
        else:
            done.add(one)
        pause()
    if done.talks or done.sounds:
        give_back(store)
    return done


def remove(store: Store, audio_dir: Path, one: Doomed) -> None:
    """Raises StoreError or OSError; it can then be called again."""
    if one.what == "talk":
        queries.delete_session(store, audio_dir, one.session_id)
        return
    if one.what == "sound":
        # The row first: a recording without one is stray, and goes next time; a row without its recording would be another machine's.
        store.write(("DELETE FROM voice_recordings WHERE session_id = $1", [one.session_id]))
    (audio_dir / f"{one.session_id}.{CODEC}").unlink(missing_ok=True)


def give_back(store: Store) -> None:
    """Gives the space of removed rows back to the file. A shared database does that by itself."""
    if not store.shared:
        try:
            store.write(("CHECKPOINT", []))
        except StoreError as error:
            # Somebody reads just now; the next checkpoint does the same.
            log.info("the database keeps the space of removed rows for now: %s", error)


def _doomed(what: What, row: dict[str, Any], sizes: dict[str, int]) -> Doomed:
    return Doomed(what, row["session_id"], row["started_at"], sizes.get(row["session_id"], 0))


def _too_much(most: int | None, over: list[dict[str, Any]], sizes: dict[str, int], gone: set[str]) -> list[Doomed]:
    """The oldest sound, until what stays is no more than `most` bytes."""
    if most is None:
        return []
    doomed: list[Doomed] = []
    stay = sum(size for session_id, size in sizes.items() if session_id not in gone)
    for row in over:
        if stay <= most:
            break
        if row["recorded"] and row["session_id"] in sizes:
            doomed.append(_doomed("sound", row, sizes))
            stay -= sizes[row["session_id"]]
    return doomed


def _recordings(audio_dir: Path) -> dict[str, int]:
    """Bytes by session id of the whole recordings on this machine."""
    found: dict[str, int] = {}
    for path in audio_dir.glob(f"*.{CODEC}"):
        try:
            if is_id(path.stem):
                found[path.stem] = path.stat().st_size
        except FileNotFoundError:
            continue  # deleted since
    return found


def _strays(
    audio_dir: Path, sizes: dict[str, int], known: dict[str, dict[str, Any]], oldest: datetime | None, now: datetime
) -> Iterator[Doomed]:
    """Recordings without a row. Where not even the talk is known they may belong to another database, so only age removes them."""
    for session_id, size in sizes.items():
        row = known.get(session_id)
        if (row is not None and (row["recorded"] or row["is_active"])) or (audio_dir / session_id).is_dir():
            continue
        try:
            written_s = (audio_dir / f"{session_id}.{CODEC}").stat().st_mtime
        except FileNotFoundError:
            continue
        before_s = now.timestamp() - STRAY_AFTER_S if row is not None else oldest.timestamp() if oldest is not None else 0.0
        if written_s < before_s:
            yield Doomed("stray", session_id, None, size)


def pauses(seconds: float) -> Callable[[], None]:
    """A `pause` of `carry_out`: other writers come in between."""
    return lambda: time.sleep(seconds)
