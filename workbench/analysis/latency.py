"""How long answers take, by the talk's own clock: floor-transfer offsets, who was not answered, and how long the parts of a frame took.

Turns and their offsets are those of `workbench.dynamics` as the store keeps them. Conversations in text have no session time that
anybody heard and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.analysis.intervals import Quantile, interval
from workbench.analysis.source import Source
from workbench.audio.frames import FRAME_MS
from workbench.store.derived import BINS_PER_MS

CENSOR_MS = 4_000
"""A talk that ends sooner than this after the user's last words might still have answered them: such a turn is censored. 4 s is the
longest mutual silence that is no dead air (Wu, CUI 2025, the ceiling for fillers)."""

GROUPS = ("engine", "persona", "persona_hash", "transport", "pace")
"""What answers and frames can be grouped by."""

_ANSWERS = """
WITH spoken AS (
  SELECT session_id, engine, persona, persona_hash, transport, pace,
         EXTRACT(EPOCH FROM ended_at - started_at) * 1000.0 AS length_ms
  FROM sessions WHERE transport <> 'http'
),
ordered AS (
  SELECT session_id, speaker, end_ms,
         lead(speaker) OVER talk AS next_speaker, lead(latency_ms) OVER talk AS next_latency_ms, lead(engine) OVER talk AS next_engine
  FROM turns WINDOW talk AS (PARTITION BY session_id ORDER BY start_ms)
)
SELECT o.session_id, coalesce(o.next_engine, s.engine, 'unknown') AS engine, s.persona, s.persona_hash, s.transport, s.pace,
       CASE WHEN o.next_speaker = 'agent' THEN 'answered'
            WHEN o.next_speaker IS NULL AND s.length_ms - o.end_ms < {censor_ms} THEN 'censored'
            ELSE 'unanswered' END AS outcome,
       CASE WHEN o.next_speaker = 'agent' THEN o.next_latency_ms END AS latency_ms
FROM ordered o JOIN spoken s ON s.session_id = o.session_id
WHERE o.speaker = 'user'
"""


def answers(source: Source) -> pd.DataFrame:
    """One row for each turn of the user: `session_id`, the groups, `outcome`, and `latency_ms`.

    `answered`: the next turn is the agent's, and `latency_ms` is its floor-transfer offset, negative where it began before the user
    had ended. `unanswered`: the user spoke again first, or waited `CENSOR_MS` in vain. `censored`: the talk ended before that.
    """
    return source.frame(_ANSWERS.format(censor_ms=CENSOR_MS))


def main_engine(found: pd.DataFrame) -> str:
    """The engine of most rows. What is compared by persona is compared on one engine: a persona on another one is another persona."""
    counts = found["engine"].value_counts()
    return str(counts.index[0]) if len(counts) else "unknown"


def summary(found: pd.DataFrame, by: str) -> pd.DataFrame:
    """`answers` in one row for each value of `by`.

    `n` answered, `unanswered`, `censored`, `sessions`; `median_ms` with its interval `low_ms` to `high_ms` over sessions (NaN when
    unknown), `p95_ms`; `overlap_share`: answers that began before the user's end; `unanswered_share` of all that is not censored.
    """
    rows = [_summary_row(name, group, by) for name, group in found.groupby(by, sort=True)]
    columns = [
        by,
        "n",
        "sessions",
        "median_ms",
        "low_ms",
        "high_ms",
        "p95_ms",
        "overlap_share",
        "unanswered",
        "censored",
        "unanswered_share",
    ]
    return pd.DataFrame(rows, columns=columns)


def _summary_row(name: object, group: pd.DataFrame, by: str) -> dict[str, object]:
    answered = group[(group["outcome"] == "answered") & group["latency_ms"].notna()]
    latency = answered["latency_ms"]
    spread = interval(Quantile(latency, answered["session_id"]))
    counts = group["outcome"].value_counts()
    decided = counts.get("answered", 0) + counts.get("unanswered", 0)
    return {
        by: name,
        "n": len(answered),
        "sessions": group["session_id"].nunique(),
        "median_ms": latency.median(),
        "low_ms": spread.low if spread else None,
        "high_ms": spread.high if spread else None,
        "p95_ms": latency.quantile(0.95),
        "overlap_share": (latency < 0).mean() if len(latency) else None,
        "unanswered": int(counts.get("unanswered", 0)),
        "censored": int(counts.get("censored", 0)),
        "unanswered_share": counts.get("unanswered", 0) / decided if decided else None,
    }


def offsets(source: Source) -> pd.DataFrame:
    """Every floor transfer of the spoken talks: `session_id`, `speaker` who takes the floor, `latency_ms` (negative = overlap)."""
    return source.frame(
        "SELECT t.session_id, t.speaker, t.latency_ms FROM turns t JOIN sessions s ON s.session_id = t.session_id "
        "WHERE t.latency_ms IS NOT NULL AND s.transport <> 'http'"
    )


STAGES = ("end_of_turn", "asr", "intent", "dispatch", "tool", "responder", "tts", "delivery")
"""In the order in which they come; `asr` runs within `end_of_turn`."""


def stages(source: Source) -> pd.DataFrame:
    """What each stage of answering took: `stage`, `engine`, `n`, `median_ms`, `p95_ms`, stages in their order."""
    found = source.frame(
        """
        SELECT e.stage, coalesce(s.engine, 'unknown') AS engine, count(*) AS n,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY e.ms) AS median_ms, percentile_cont(0.95) WITHIN GROUP (ORDER BY e.ms) AS p95_ms
        FROM events e JOIN sessions s ON s.session_id = e.session_id
        WHERE e.kind = 'StageTiming' GROUP BY 1, 2
        """
    )
    order = {stage: number for number, stage in enumerate(STAGES)}
    place = found["stage"].map(lambda stage: order.get(stage, len(order)))
    return found.assign(place=place).sort_values(["place", "engine"]).drop(columns="place").reset_index(drop=True)


def frames(source: Source) -> pd.DataFrame:
    """The work on a frame in talks held in real time, by engine: `n`, `median_ms`, `p95_ms`, `p99_ms` of the whole step, `missed` frames
    that took longer than the 80 ms they last and `missed_per_minute`, `late_p95_ms` (how late frames left). In virtual time a frame waits
    for all work that goes on beside it, so that its length says nothing about a deadline. Quantiles are to 0.1 ms."""
    counted = source.frame("SELECT engine, measure, bin, n FROM frame_bins WHERE pace = 'realtime' ORDER BY measure, engine, bin")
    counted = counted.assign(engine=counted["engine"].fillna("unknown"), upper_ms=counted["bin"] / BINS_PER_MS)
    totals, late = (counted[counted["measure"] == measure] for measure in ("total", "late"))
    rows = [_frames_row(str(engine), group, late[late["engine"] == engine]) for engine, group in totals.groupby("engine", sort=True)]
    columns = ["engine", "n", "median_ms", "p95_ms", "p99_ms", "missed", "missed_per_minute", "late_p95_ms"]
    return pd.DataFrame(rows, columns=columns)


def _frames_row(engine: str, totals: pd.DataFrame, late: pd.DataFrame) -> dict[str, object]:
    count = int(totals["n"].sum())
    missed = int(totals.loc[totals["bin"] > FRAME_MS * BINS_PER_MS, "n"].sum())
    return {
        "engine": engine,
        "n": count,
        "median_ms": _binned_quantile(totals, 0.5),
        "p95_ms": _binned_quantile(totals, 0.95),
        "p99_ms": _binned_quantile(totals, 0.99),
        "missed": missed,
        "missed_per_minute": missed * 60_000 / (count * FRAME_MS),
        "late_p95_ms": _binned_quantile(late, 0.95),
    }


def _binned_quantile(bins: pd.DataFrame, q: float) -> float:
    reached = bins["n"].cumsum().to_numpy()
    return float(bins["upper_ms"].to_numpy()[reached.searchsorted(q * reached[-1])])


def frame_strip(source: Source, sessions: Sequence[str] | None = None, *, most: int = 24) -> pd.DataFrame:
    """The slowest frame in each second of the real-time talks with the slowest frames: `session_id`, `second`, `worst_ms`,
    `missed`. At most `most` talks; `sessions` names them instead."""
    chosen = list(sessions) if sessions is not None else _slowest(source, most)
    marks = ", ".join(f"${number}" for number in range(1, len(chosen) + 1)) or "NULL"
    return source.frame(
        f"""
        SELECT session_id, CAST(floor(at_samples / 24000.0) AS INTEGER) AS second, max(total_ms) AS worst_ms,
               sum(CASE WHEN total_ms > {FRAME_MS} THEN 1 ELSE 0 END) AS missed
        FROM frame_timings WHERE session_id IN ({marks}) GROUP BY 1, 2 ORDER BY 1, 2
        """,  # noqa: S608 - numbered marks
        chosen,
    )


def _slowest(source: Source, most: int) -> list[str]:
    rows = source.frame(
        """
        WITH worst AS (SELECT session_id, max(total_ms) AS worst_ms FROM frame_timings GROUP BY 1)
        SELECT w.session_id FROM worst w JOIN sessions s ON s.session_id = w.session_id WHERE s.pace = 'realtime'
        ORDER BY w.worst_ms DESC, 1 LIMIT $1
        """,
        [most],
    )
    return [str(name) for name in rows["session_id"]]
