"""Derives the turns and barge-ins of recorded talks anew when their definition has changed, from the events of each talk.

The events themselves are never changed: what was published live stays written down. A row keeps its id where the turn (its speaker and
start) or the barge-in (its onset) is still found, so that what refers to it goes on referring to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workbench.conversation.replay import replay
from workbench.dynamics import definitions
from workbench.events import AgentSpeech, Event, UserSpeech
from workbench.store.base import Row, Statement, Store, StoreError
from workbench.store.queries import read_events
from workbench.store.recorder import TalkRecorder


@dataclass(frozen=True, slots=True)
class _Derived:
    """A derived table: its id, and the columns that tell which row is still the same one."""

    table: str
    id_column: str
    same: tuple[str, ...]


_TABLES = (
    _Derived("voice_turns", "turn_id", ("speaker", "start_ms")),
    _Derived("voice_barge_in_events", "event_id", ("start_ms",)),
)


@dataclass(slots=True)
class Rescored:
    """What `rescore` did."""

    version: str
    """The definitions that hold now."""
    changed: list[str] = field(default_factory=list)
    """Sessions of which a row changed, came or went."""
    unchanged: int = 0
    without_speech: int = 0
    """Conversations in text: their turns are messages, and nothing is derived."""
    failed: dict[str, str] = field(default_factory=dict)
    """Sessions left as they were, with the reason."""


class _Rows:
    """Takes what a recorder writes, and keeps what is derived."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {derived.table: [] for derived in _TABLES}

    def append(self, table: str, row: Row, *, urgent: bool = False) -> None:
        if table in self.rows:
            self.rows[table].append(dict(row))


def rescore(
    store: Store,
    *,
    since: datetime | None = None,
    every: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Rescored:
    """Scores the talks that are over and were begun `since`: those that were scored by other definitions, or `every` one.

    Each talk is one transaction, so it can be stopped and called again. `progress` is told how many of how many are done.
    Raises StoreError when the store cannot be read or written.
    """
    done = Rescored(definitions.version())
    sessions = store.query(
        "SELECT session_id, started_at FROM voice_sessions WHERE NOT is_active AND started_at >= $1 "
        "AND ($2 OR scored_by IS NULL OR scored_by <> $3) ORDER BY started_at, session_id",
        [since or datetime.fromtimestamp(0, UTC), every, done.version],
    )
    for number, session in enumerate(sessions):
        progress(number, len(sessions))
        session_id = session["session_id"]
        try:
            recorded = read_events(store, session_id)
            found = _derive(recorded, session["started_at"]) if _has_speech(recorded) else None
        except (StoreError, ValueError) as error:
            done.failed[session_id] = str(error)
            continue
        statements = [] if found is None else [change for derived in _TABLES for change in _changes(store, session_id, derived, found)]
        scored: Statement = ("UPDATE voice_sessions SET scored_by = $2 WHERE session_id = $1", [session_id, done.version])
        store.write(*statements, scored)
        if found is None:
            done.without_speech += 1
        elif statements:
            done.changed.append(session_id)
        else:
            done.unchanged += 1
    progress(len(sessions), len(sessions))
    return done


def _has_speech(recorded: Sequence[Event]) -> bool:
    return any(isinstance(event, UserSpeech | AgentSpeech) for event in recorded)


def _derive(recorded: Sequence[Event], started_at: datetime) -> Mapping[str, list[dict[str, Any]]]:
    """The derived rows as the recorder itself would have written them. Raises ValueError for a talk without its first event."""
    if not recorded:
        raise ValueError("the talk has no events to derive anything from")
    rows = _Rows()
    recorder = TalkRecorder(rows, None, lambda: started_at)
    for event in replay(recorded):
        recorder.on_event(event)
    return rows.rows


def _changes(store: Store, session_id: str, derived: _Derived, found: Mapping[str, list[dict[str, Any]]]) -> list[Statement]:
    """What turns the rows that are kept into those that were found."""
    kept = store.query(f"SELECT * FROM {derived.table} WHERE session_id = $1", [session_id])  # noqa: S608 - a table named above
    left = {tuple(row[column] for column in derived.same): row for row in kept}
    statements: list[Statement] = []
    for row in found[derived.table]:
        same = tuple(row[column] for column in derived.same)
        before = left.pop(same, None)
        if before is None:
            row[derived.id_column] = uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id} {derived.table} {same}").hex
            statements.append(_insert(derived.table, row))
            continue
        row[derived.id_column] = before[derived.id_column]
        if changed := {name: value for name, value in row.items() if before[name] != value}:
            statements.append(_update(derived, row, changed))
    gone = [row[derived.id_column] for row in left.values()]
    # Deleted first, though a new row never has the id of one that goes.
    deleted = f"DELETE FROM {derived.table} WHERE session_id = $1 AND {derived.id_column} = $2"  # noqa: S608 - as above
    return [*((deleted, [session_id, name]) for name in gone), *statements]


def _insert(table: str, row: Mapping[str, Any]) -> Statement:
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", list(row.values())  # noqa: S608 - the recorder's own columns


def _update(derived: _Derived, row: Mapping[str, Any], changed: Mapping[str, Any]) -> Statement:
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(changed, start=3))
    sql = f"UPDATE {derived.table} SET {sets} WHERE session_id = $1 AND {derived.id_column} = $2"  # noqa: S608 - as above
    return sql, [row["session_id"], row[derived.id_column], *changed.values()]
