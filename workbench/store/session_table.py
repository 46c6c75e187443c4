"""The table of sessions: searched, filtered, sorted and paged by the database, so that ten thousand of them are as quick as ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from workbench.store.base import Store
from workbench.store.processes import COLUMNS

_TURNS = "(SELECT session_id, count(*) AS n FROM voice_turns GROUP BY 1)"
_TOOLS = "(SELECT session_id, count(*) AS n FROM voice_tool_invocations GROUP BY 1)"
_BARGE_INS = "(SELECT session_id, count(*) AS n FROM voice_barge_in_events GROUP BY 1)"
_REPLIES = """(SELECT session_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS n FROM voice_turns
               WHERE speaker = 'agent' AND latency_ms IS NOT NULL GROUP BY 1)"""
_RATINGS = "(SELECT session_id, rating AS n FROM voice_session_ratings)"

SORTS: dict[str, tuple[str, str | None]] = {
    "started": ("s.started_at", None),
    "length": ("s.ended_at - s.started_at", None),
    "persona": ("s.persona", None),
    "engine": ("s.engine", None),
    "turns": ("coalesce(k.n, 0)", _TURNS),
    "tools": ("coalesce(k.n, 0)", _TOOLS),
    "barge_ins": ("coalesce(k.n, 0)", _BARGE_INS),
    "latency": ("k.n", _REPLIES),
    "rating": ("k.n", _RATINGS),
}
"""What the table can be sorted by: the key, and the counts that it is read from. Only the counts that are asked for are made over all."""

_SEARCHED = """(
  strpos(lower(s.session_id), {0}) > 0 OR strpos(lower(s.persona), {0}) > 0
  OR s.session_id IN (SELECT session_id FROM voice_turns WHERE strpos(lower(text), {0}) > 0)
  OR s.session_id IN (SELECT session_id FROM voice_tool_invocations WHERE strpos(lower(action), {0}) > 0)
  OR s.session_id IN (SELECT session_id FROM voice_ratings WHERE strpos(lower(note), {0}) > 0)
)"""

_ROWS = """
WITH page AS (SELECT * FROM voice_sessions WHERE session_id IN ({marks})),
said AS (SELECT * FROM voice_turns WHERE session_id IN ({marks})),
opening AS (
  SELECT session_id, text FROM (
    SELECT session_id, text, row_number() OVER (PARTITION BY session_id ORDER BY start_ms, id) AS place
    FROM said WHERE speaker = 'user' AND text <> ''
  ) AS first WHERE place = 1
)
SELECT s.session_id, s.persona, s.engine, s.transport, s.pace, s.started_at, s.is_active, s.ended_reason,
       CAST(EXTRACT(EPOCH FROM s.ended_at - s.started_at) AS DOUBLE PRECISION) AS length_s, a.session_id IS NOT NULL AS has_audio,
       coalesce(t.turn_count, 0) AS turn_count, t.latency_p50_ms, coalesce(t.latency_n, 0) AS latency_n,
       coalesce(i.n, 0) AS tool_count, coalesce(b.n, 0) AS barge_in_count, r.rating, coalesce(r.raters, 0) AS raters, o.text AS opening,
       {columns}
FROM page s
LEFT JOIN voice_processes p ON p.process_id = s.process_id
LEFT JOIN (
  SELECT session_id, count(*) AS turn_count, count(CASE WHEN speaker = 'agent' THEN latency_ms END) AS latency_n,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN speaker = 'agent' THEN latency_ms END) AS latency_p50_ms
  FROM said GROUP BY 1
) AS t ON t.session_id = s.session_id
LEFT JOIN (SELECT session_id, count(*) AS n FROM voice_tool_invocations WHERE session_id IN ({marks}) GROUP BY 1) AS i
       ON i.session_id = s.session_id
LEFT JOIN (SELECT session_id, count(*) AS n FROM voice_barge_in_events WHERE session_id IN ({marks}) GROUP BY 1) AS b
       ON b.session_id = s.session_id
LEFT JOIN voice_session_ratings r ON r.session_id = s.session_id
LEFT JOIN voice_recordings a ON a.session_id = s.session_id
LEFT JOIN opening o ON o.session_id = s.session_id
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions. What is None does not filter."""

    search: str = ""
    """Anywhere in the id, the persona, what was said, a tool's name or a note; case does not count."""
    persona: str | None = None
    engine: str | None = None
    day: date | None = None
    """On which the session began, in UTC."""
    tool: bool | None = None
    """Whether a tool was asked for."""
    barge_in: bool | None = None
    rated: bool | None = None
    rating_min: float | None = None
    """The mean over those who rated it, 1 to 5."""
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the sessions that were wanted."""

    rows: list[dict[str, Any]]
    """`session_id`, `persona`, `engine`, `transport`, `pace`, `started_at`, `is_active`, `ended_reason`, `length_s`, `has_audio`,
    `turn_count`, `latency_p50_ms` over `latency_n` replies, `tool_count`, `barge_in_count`, `rating` by `raters`, and `opening`, the
    user's first words; with `workbench.store.processes.COLUMNS`."""
    total: int
    """How many are wanted, on this page and on others."""


def find(store: Store, wanted: Wanted, *, sort: str = "started", descending: bool = True, limit: int = 50, offset: int = 0) -> Page:
    """One page of sessions; what has no value to be sorted by comes last. Raises KeyError for what is not in `SORTS`, StoreError."""
    where, values = _where(wanted)
    (counted,) = store.query(f"SELECT count(*) AS n FROM voice_sessions s WHERE {where}", values)  # noqa: S608 - conditions from below
    key, counts = SORTS[sort]
    join = f"LEFT JOIN {counts} AS k ON k.session_id = s.session_id" if counts else ""
    order = f"{key} {'DESC' if descending else 'ASC'} NULLS LAST, s.started_at DESC, s.session_id"
    found = store.query(
        f"SELECT s.session_id FROM voice_sessions s {join} WHERE {where} "  # noqa: S608 - as above; the order is one of SORTS
        f"ORDER BY {order} LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}",
        [*values, limit, offset],
    )
    return Page(rows(store, [row["session_id"] for row in found]), counted["n"])


def rows(store: Store, sessions: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these sessions, in the order in which they are named."""
    if not sessions:
        return []
    marks = ", ".join(f"${number}" for number in range(1, len(sessions) + 1))
    by_id = {row["session_id"]: row for row in store.query(_ROWS.format(marks=marks, columns=COLUMNS), list(sessions))}
    return [by_id[name] for name in sessions if name in by_id]


def choices(store: Store) -> dict[str, list[str]]:
    """What the filters offer: every `personas` and `engines` of the stored sessions, the most frequent first."""

    def of(column: str) -> list[str]:
        found = store.query(
            f"SELECT {column} AS name FROM voice_sessions WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608
        )
        return [row["name"] for row in found]

    return {"personas": of("persona"), "engines": of("engine")}


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    day = None if wanted.day is None else datetime.combine(wanted.day, time(), UTC)
    search = wanted.search.strip().lower()
    filters: list[tuple[str, Any]] = [
        (_SEARCHED, search or None),
        ("s.persona = {}", wanted.persona),
        ("s.engine = {}", wanted.engine),
        ("s.started_at >= {}", day),
        ("s.started_at < {}", None if day is None else day + timedelta(days=1)),
        ("s.session_id IN (SELECT session_id FROM voice_session_ratings WHERE rating >= {})", wanted.rating_min),
    ]
    used = [(condition, value) for condition, value in filters if value is not None]
    told = [condition.format(f"${number}") for number, (condition, _value) in enumerate(used, start=1)]
    told += [
        f"s.session_id {'IN' if there else 'NOT IN'} (SELECT session_id FROM {table})"  # noqa: S608 - our own tables
        for table, there in (
            ("voice_tool_invocations", wanted.tool),
            ("voice_barge_in_events", wanted.barge_in),
            ("voice_session_ratings", wanted.rated),
        )
        if there is not None
    ]
    if wanted.active is not None:
        told.append("s.is_active" if wanted.active else "NOT s.is_active")
    return " AND ".join(told) or "TRUE", [value for _condition, value in used]
