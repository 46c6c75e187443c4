"""What happens when the user begins to speak while the agent speaks: who yields, how fast, and how soon the agent speaks again.

Outcomes and stop latencies are those of `workbench.dynamics.barge_ins`: `yielded` with its stop latency (onset to the agent's last
audible sample), `ignored`, `censored` where nobody can know. A stop that was about to come anyway cannot be told from one that yields.
"""

from __future__ import annotations

import pandas as pd

from workbench.analysis.intervals import Quantile, Ratio, interval, share
from workbench.analysis.source import Source
from workbench.analysis.timeline import speech

OUTCOMES = ("yielded", "ignored", "censored")

_BARGE_INS = """
WITH near AS (
  SELECT b.session_id, b.event_id,
         min(CASE WHEN t.speaker = 'agent' AND t.start_ms > b.start_ms THEN t.start_ms END) AS next_agent_ms,
         min(CASE WHEN t.speaker = 'user' AND t.end_ms > b.start_ms THEN t.end_ms END) AS user_end_ms
  FROM barge_ins b JOIN turns t ON t.session_id = b.session_id GROUP BY 1, 2
)
SELECT b.session_id, b.event_id, b.outcome, b.start_ms, b.stop_ms, b.stop_latency_ms, b.heard_text, b.cancelled_text,
       coalesce(s.engine, 'unknown') AS engine, s.persona, s.persona_hash, n.next_agent_ms - n.user_end_ms AS response_ms
FROM barge_ins b JOIN sessions s ON s.session_id = b.session_id
LEFT JOIN near n ON n.session_id = b.session_id AND n.event_id = b.event_id
ORDER BY b.session_id, b.start_ms
"""


def barge_ins(source: Source) -> pd.DataFrame:
    """One row for each barge-in: its talk, `engine`, `persona`, `persona_hash`, `outcome`, `start_ms`, `stop_ms`, `stop_latency_ms`, and
    `response_ms`: the agent's next turn less the end of the user's words, NaN when there was none. Typed ones have no stop latency."""
    return source.frame(_BARGE_INS)


def summary(found: pd.DataFrame, by: str) -> pd.DataFrame:
    """`barge_ins` in one row for each value of `by`: `n`, the outcomes, `yield_share` of those that were decided (with its interval
    `yield_low`, `yield_high` over sessions), stop latency `stop_n`, `stop_median_ms`, `low_ms`, `high_ms`, `stop_p95_ms`, and
    `response_n`, `response_median_ms`."""
    rows = [_row(name, group, by) for name, group in found.groupby(by, sort=True)]
    columns = [by, "n", "sessions", *OUTCOMES, "yield_share", "yield_low", "yield_high"]
    columns += ["stop_n", "stop_median_ms", "low_ms", "high_ms", "stop_p95_ms", "response_n", "response_median_ms"]
    return pd.DataFrame(rows, columns=columns)


def yield_share(found: pd.DataFrame) -> Ratio:
    """Yielded over yielded and ignored, as a statistic over sessions."""
    return share(found["outcome"] == "yielded", found["outcome"] != "censored", found["session_id"])


def _row(name: object, group: pd.DataFrame, by: str) -> dict[str, object]:
    stops = group[group["stop_latency_ms"].notna()]
    spread = interval(Quantile(stops["stop_latency_ms"], stops["session_id"]))
    yielded = yield_share(group)
    yielded_spread = interval(yielded)
    responses = group["response_ms"].dropna()
    return {
        by: name,
        "n": len(group),
        "sessions": group["session_id"].nunique(),
        **{outcome: int((group["outcome"] == outcome).sum()) for outcome in OUTCOMES},
        "yield_share": yielded.value,
        "yield_low": yielded_spread.low if yielded_spread else None,
        "yield_high": yielded_spread.high if yielded_spread else None,
        "stop_n": len(stops),
        "stop_median_ms": stops["stop_latency_ms"].median(),
        "low_ms": spread.low if spread else None,
        "high_ms": spread.high if spread else None,
        "stop_p95_ms": stops["stop_latency_ms"].quantile(0.95),
        "response_n": len(responses),
        "response_median_ms": responses.median(),
    }


def raster(source: Source, found: pd.DataFrame, *, before_ms: float = 2_000, after_ms: float = 4_000, most: int = 60) -> pd.DataFrame:
    """Both voices around each onset: `row` (the number of the barge-in, quickest stop first, then ignored, then censored), `speaker`,
    `start_ms` and `end_ms` from the onset, and the barge-in's `session_id`, `outcome`, `stop_latency_ms`. At most `most` barge-ins, drawn
    evenly over that order."""
    place = {outcome: number for number, outcome in enumerate(OUTCOMES)}
    ordered = found.assign(place=found["outcome"].map(place)).sort_values(["place", "stop_latency_ms", "start_ms"], kind="stable")
    if len(ordered) > most:
        ordered = ordered.iloc[[round(number * (len(ordered) - 1) / (most - 1)) for number in range(most)]]
    voices = speech(source, sorted(set(ordered["session_id"])))
    rows = []
    for number, barge_in in enumerate(ordered.itertuples(index=False)):
        near = voices[
            (voices["session_id"] == barge_in.session_id)
            & (voices["end_ms"] > barge_in.start_ms - before_ms)
            & (voices["start_ms"] < barge_in.start_ms + after_ms)
        ]
        for voice in near.itertuples(index=False):
            rows.append(
                {
                    "row": number,
                    "session_id": barge_in.session_id,
                    "outcome": barge_in.outcome,
                    "stop_latency_ms": barge_in.stop_latency_ms,
                    "speaker": voice.speaker,
                    "start_ms": max(voice.start_ms - barge_in.start_ms, -before_ms),
                    "end_ms": min(voice.end_ms - barge_in.start_ms, after_ms),
                }
            )
    columns = ["row", "session_id", "outcome", "stop_latency_ms", "speaker", "start_ms", "end_ms"]
    return pd.DataFrame(rows, columns=columns)
