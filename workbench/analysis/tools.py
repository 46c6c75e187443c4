"""Tools: how often, how well, how fast, and how their results reached the user."""

from __future__ import annotations

import pandas as pd

from workbench.analysis.source import Source

STAGES = ("understood", "dispatched", "answered", "spoken")
"""What follows the end of the user's words, in order: the intent was found, the tool was started, it answered, and the first sample of
its result was heard."""

_CALLS = """
WITH said AS (
  SELECT session_id, utterance_id, max(CASE WHEN kind = 'UserText' AND final THEN at_samples END) AS ended,
         min(CASE WHEN kind = 'IntentFound' THEN noticed_samples END) AS understood
  FROM events WHERE utterance_id IN (SELECT utterance_id FROM tool_invocations) GROUP BY 1, 2
),
stamps AS (
  SELECT session_id, invocation_id, min(CASE WHEN kind = 'ToolStarted' THEN at_samples END) AS started,
         min(CASE WHEN kind IN ('ToolFinished', 'ToolFailed') THEN at_samples END) AS answered,
         min(CASE WHEN kind = 'ResultDelivered' THEN at_samples END) AS spoken
  FROM events WHERE invocation_id IS NOT NULL GROUP BY 1, 2
)
SELECT i.session_id, i.invocation_id, i.action, i.status, coalesce(s.engine, 'unknown') AS engine, s.persona, i.tier, i.latency_ms,
       i.delivered_how, i.words_asked, i.words_heard, i.interrupted, i.fidelity_wer,
       w.ended / 24.0 AS said_ms,
       (w.understood - w.ended) / 24.0 AS understood_ms,
       (p.started - w.understood) / 24.0 AS dispatched_ms,
       (p.answered - p.started) / 24.0 AS answered_ms,
       CASE WHEN i.delivered_how <> 'card' THEN (p.spoken - p.answered) / 24.0 END AS spoken_ms
FROM tool_invocations i
JOIN sessions s ON s.session_id = i.session_id
LEFT JOIN said w ON w.session_id = i.session_id AND w.utterance_id = i.utterance_id
LEFT JOIN stamps p ON p.session_id = i.session_id AND p.invocation_id = i.invocation_id
ORDER BY i.session_id, i.start_ms
"""


def calls(source: Source) -> pd.DataFrame:
    """One row for each invocation: `session_id`, `invocation_id`, `action`, `status`, `engine`, `persona`, `tier`, `latency_ms`, how it
    was delivered, and the ms that each stage added, `understood_ms` to `spoken_ms`, NaN where a stage was not reached. The time that a
    confirmation took is within `dispatched_ms`."""
    return source.frame(_CALLS)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """`calls` in one row for each tool: `calls`, `success_share`, `failed` (errors and timeouts), `called_off` (cancelled and refused),
    `median_ms`, `p95_ms` of the tool's own latency, `total_n`, `total_median_ms` (end of the user's words to the first sample of the
    result), `heard_share` of the words of delivered results, `interrupted`."""
    rows = [_row(name, group) for name, group in found.groupby("action", sort=True)]
    columns = ["action", "calls", "success_share", "failed", "called_off", "median_ms", "p95_ms", "total_n", "total_median_ms"]
    return pd.DataFrame(rows, columns=[*columns, "heard_share", "interrupted"])


def _row(name: object, group: pd.DataFrame) -> dict[str, object]:
    status = group["status"]
    ended = status.isin(["success", "error", "timeout"])
    total = group[[f"{stage}_ms" for stage in STAGES]].sum(axis=1, skipna=False).dropna()
    asked = group["words_asked"].sum()
    own = group["latency_ms"].dropna()
    return {
        "action": name,
        "calls": len(group),
        "success_share": (status == "success").sum() / ended.sum() if ended.any() else None,
        "failed": int(status.isin(["error", "timeout"]).sum()),
        "called_off": int(status.isin(["cancelled", "refused"]).sum()),
        "median_ms": own.median(),
        "p95_ms": own.quantile(0.95),
        "total_n": len(total),
        "total_median_ms": total.median(),
        "heard_share": group["words_heard"].sum() / asked if asked else None,
        "interrupted": int(group["interrupted"].eq(True).sum()),
    }
