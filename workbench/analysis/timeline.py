"""One talk as it went: who spoke when, what was said, what the tools did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.analysis.source import AnalysisError, Source

_EDGES = """
WITH edges AS (
  SELECT session_id, kind, at_samples, edge, lead(at_samples) OVER voice AS next_samples, lead(edge) OVER voice AS next_edge
  FROM events WHERE kind IN ('UserSpeech', 'AgentSpeech') AND session_id IN ({marks})
  WINDOW voice AS (PARTITION BY session_id, kind ORDER BY seq)
),
ends AS (SELECT session_id, max(noticed_samples) AS last_samples FROM events WHERE session_id IN ({marks}) GROUP BY 1)
SELECT e.session_id, CASE WHEN e.kind = 'UserSpeech' THEN 'user' ELSE 'agent' END AS speaker, e.at_samples / 24.0 AS start_ms,
       CASE WHEN e.next_edge = 'stop' THEN e.next_samples ELSE n.last_samples END / 24.0 AS end_ms
FROM edges e JOIN ends n ON n.session_id = e.session_id
WHERE e.edge = 'start' ORDER BY 1, 3
"""


def speech(source: Source, sessions: Sequence[str]) -> pd.DataFrame:
    """Speech of the talks as the detectors heard it live: `session_id`, `speaker`, `start_ms`, `end_ms` of session time. What had not
    stopped ends with the talk."""
    marks = ", ".join(f"${number}" for number in range(1, len(sessions) + 1)) or "NULL"
    return source.frame(_EDGES.format(marks=marks), list(sessions))


@dataclass(frozen=True, slots=True)
class TalkTimeline:
    """One talk. Times are ms of session time; every frame is in order."""

    session_id: str
    engine: str
    persona: str
    length_ms: float
    speech: pd.DataFrame
    """`speaker`, `start_ms`, `end_ms`"""
    turns: pd.DataFrame
    """`turn_id`, `speaker`, `start_ms`, `end_ms`, `latency_ms`, `interrupted`, `text`"""
    tools: pd.DataFrame
    """`action`, `status`, `start_ms`, `end_ms`, `spoken`, `error`, `delivered_how`"""
    barge_ins: pd.DataFrame
    """`outcome`, `start_ms`, `stop_ms`, `stop_latency_ms`"""


def timeline(source: Source, session_id: str) -> TalkTimeline:
    """Everything about one talk. Raises AnalysisError for a talk that is not there."""
    talk = source.frame(
        "SELECT coalesce(engine, 'unknown') AS engine, persona, EXTRACT(EPOCH FROM ended_at - started_at) * 1000.0 AS length_ms "
        "FROM sessions WHERE session_id = $1",
        [session_id],
    )
    if talk.empty:
        raise AnalysisError(f"there is no talk {session_id!r} in {source.name}. `sessions` lists those that are.")
    told = talk.iloc[0]
    return TalkTimeline(
        session_id=session_id,
        engine=str(told["engine"]),
        persona=str(told["persona"]),
        length_ms=float(told["length_ms"]),
        speech=speech(source, [session_id]).drop(columns="session_id"),
        turns=_rows(source, "turns", "turn_id, speaker, start_ms, end_ms, latency_ms, interrupted, text", session_id),
        tools=_rows(source, "tool_invocations", "action, status, start_ms, end_ms, spoken, error, delivered_how", session_id),
        barge_ins=_rows(source, "barge_ins", "outcome, start_ms, stop_ms, stop_latency_ms", session_id),
    )


def _rows(source: Source, table: str, columns: str, session_id: str) -> pd.DataFrame:
    return source.frame(f"SELECT {columns} FROM {table} WHERE session_id = $1 ORDER BY start_ms", [session_id])  # noqa: S608 - our own names


def sessions(source: Source) -> pd.DataFrame:
    """The talks, oldest first: `session_id`, `started_at`, `persona`, `persona_hash`, `engine`, `transport`, `pace`, `length_s`, `turns`,
    `tools`, `barge_ins`, `ended_reason`, `scored_by`."""
    return source.frame(
        """
        SELECT s.session_id, s.started_at, s.persona, s.persona_hash, coalesce(s.engine, 'unknown') AS engine, s.transport, s.pace,
               EXTRACT(EPOCH FROM s.ended_at - s.started_at) AS length_s, coalesce(t.n, 0) AS turns, coalesce(i.n, 0) AS tools,
               coalesce(b.n, 0) AS barge_ins, s.ended_reason, s.scored_by
        FROM sessions s
        LEFT JOIN (SELECT session_id, count(*) AS n FROM turns GROUP BY 1) t ON t.session_id = s.session_id
        LEFT JOIN (SELECT session_id, count(*) AS n FROM tool_invocations GROUP BY 1) i ON i.session_id = s.session_id
        LEFT JOIN (SELECT session_id, count(*) AS n FROM barge_ins GROUP BY 1) b ON b.session_id = s.session_id
        ORDER BY s.started_at, s.session_id
        """
    )
