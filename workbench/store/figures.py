"""The figures about earlier talks that the statistics tool and the metrics tell."""

from __future__ import annotations

from datetime import datetime

from workbench.store.base import Store


def figures(store: Store, today: datetime) -> dict[str, float | int | None]:
    """Counts of all talks and of those since `today` (an aware time, the last midnight), and of all replies the median latency in ms
    with its `n`; the median is None without any reply."""
    (counts,) = store.query(
        """
        SELECT (SELECT count(*) FROM voice_sessions WHERE is_active)                  AS active_sessions,
               (SELECT count(*) FROM voice_sessions)                                  AS total_sessions,
               (SELECT count(*) FROM voice_sessions WHERE started_at >= $1)           AS sessions_today,
               (SELECT count(*) FROM voice_turns)                                     AS total_turns,
               (SELECT count(*) FROM voice_turns WHERE timestamp >= $1)               AS turns_today,
               (SELECT count(*) FROM voice_tool_invocations)                          AS total_tool_invocations,
               (SELECT count(*) FROM voice_tool_invocations WHERE started_at >= $1)   AS tool_invocations_today,
               (SELECT count(*) FROM voice_barge_in_events)                           AS total_barge_ins,
               (SELECT count(*) FROM voice_barge_in_events WHERE timestamp >= $1)     AS barge_ins_today,
               (SELECT count(latency_ms) FROM voice_turns WHERE speaker = 'agent')    AS latency_n,
               (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms)
                FROM voice_turns WHERE speaker = 'agent')                             AS median_latency_ms
        """,
        [today],
    )
    return counts
