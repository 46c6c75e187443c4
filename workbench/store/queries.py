"""What the pages, the API and the tools ask of the store, and how a talk is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench import events
from workbench.events import Event, Speaker
from workbench.store.audio_segments import CODEC
from workbench.store.base import Store, StoreError
from workbench.store.processes import COLUMNS, Process, holder
from workbench.store.recorder import check_id
from workbench.store.tables import CHILDREN


def stats(store: Store) -> dict[str, int]:
    """`active_sessions`, `total_sessions`, `total_turns`, `total_tool_invocations`."""
    return store.query("SELECT * FROM voice_session_stats")[0]


def list_sessions(
    store: Store,
    *,
    active: bool | None = None,
    persona: str | None = None,
    engine: str | None = None,
    conversation_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Rows of `voice_session_overview`, talks going on first, then the newest. A filter that is None does not filter."""
    filters: list[tuple[str, object]] = [
        ("is_active = {}", active),
        ("persona = {}", persona),
        ("engine = {}", engine),
        ("conversation_id = {}", conversation_id),
        ("started_at >= {}", since),
        ("started_at < {}", until),
    ]
    used = [(condition, value) for condition, value in filters if value is not None]
    where = " AND ".join(condition.format(f"${number}") for number, (condition, _value) in enumerate(used, start=1)) or "TRUE"
    return store.query(
        f"SELECT * FROM voice_session_overview WHERE {where} "  # noqa: S608 - the conditions above; values are parameters
        f"ORDER BY is_active DESC, started_at DESC, session_id LIMIT ${len(used) + 1} OFFSET ${len(used) + 2}",
        [*(value for _condition, value in used), limit, offset],
    )


def talk_counts(store: Store) -> dict[str, dict[str, int]]:
    """The `engines` and `personas` of talks that are over, by name, with how many talks had each."""
    select = "SELECT coalesce({0}, 'unknown') AS name, count(*) AS n FROM voice_sessions WHERE NOT is_active GROUP BY 1 ORDER BY 2 DESC, 1"
    return {f"{column}s": {row["name"]: row["n"] for row in store.query(select.format(column))} for column in ("engine", "persona")}


def get_session(store: Store, session_id: str) -> dict[str, Any] | None:
    """One talk with everything that is derived of it: the row of `voice_sessions` and its counts, and lists `turns`, `decisions`,
    `tool_invocations`, `barge_ins` in order of session time, and `audio` (the row of `voice_recordings`, or None). None when unknown.

    `decisions` and `tool_invocations` together are the audit of what the talk did; they meet in `invocation_id`."""
    found = store.query(
        f"SELECT o.*, s.metadata, s.engine_reason, s.ended_detail, {COLUMNS} FROM voice_session_overview o "  # noqa: S608 - our own columns
        "JOIN voice_sessions s ON s.session_id = o.session_id LEFT JOIN voice_processes p ON p.process_id = s.process_id "
        "WHERE o.session_id = $1",
        [session_id],
    )
    if not found:
        return None
    audio = store.query("SELECT * FROM voice_recordings WHERE session_id = $1", [session_id])
    return found[0] | {
        "turns": store.query("SELECT * FROM voice_turns WHERE session_id = $1 ORDER BY start_ms, id", [session_id]),
        "decisions": store.query("SELECT * FROM voice_decisions WHERE session_id = $1 ORDER BY start_ms, utterance_id", [session_id]),
        "tool_invocations": store.query("SELECT * FROM voice_tool_invocations WHERE session_id = $1 ORDER BY start_ms, id", [session_id]),
        "barge_ins": store.query("SELECT * FROM voice_barge_in_events WHERE session_id = $1 ORDER BY start_ms, id", [session_id]),
        "audio": audio[0] if audio else None,
    }


def read_events(store: Store, session_id: str) -> list[Event]:
    """Every event of one talk, in order of publication. Raises StoreError for a kind that this version does not know."""
    found = store.query(
        "SELECT seq, kind, at_samples, noticed_samples, payload FROM voice_events WHERE session_id = $1 ORDER BY seq", [session_id]
    )
    ticks = store.query(
        "SELECT seq, at_samples, noticed_samples, frame, late_ms, listen_ms, engine_ms, total_ms "
        "FROM voice_frame_timings WHERE session_id = $1 ORDER BY seq",
        [session_id],
    )
    numbered: list[tuple[int, Event]] = [(tick.pop("seq"), events.FrameTiming(**tick)) for tick in ticks]
    for row in found:
        try:
            event = events.restore(row["kind"], row["at_samples"], row["noticed_samples"], row["payload"])
        except (KeyError, TypeError) as error:
            raise StoreError(
                f"event {row['seq']} of session {session_id}, {row['kind']}, is not known here: {error}. Update the workbench."
            ) from error
        numbered.append((row["seq"], event))
    return [event for _seq, event in sorted(numbered, key=lambda pair: pair[0])]


def latencies(store: Store, *, since: datetime | None = None) -> dict[str, dict[str, float | int | None]]:
    """Measured latencies by engine, over the talks begun `since` (all when None). Engines that answered nothing have n = 0.

    `n`, `p50_ms`, `p95_ms`: floor-transfer offsets of the agent's turns, overlaps negative; None without any.
    `unanswered`: agent turns that have no offset, because no user turn went before. `step_n`, `step_p50_ms`, `step_p95_ms`: the
    engine's own work on a frame of 80 ms.
    """
    rows = store.query(
        """
        WITH recent AS (SELECT session_id FROM voice_sessions WHERE started_at >= $1),
        offsets AS (
          SELECT engine, count(latency_ms) AS n, count(*) - count(latency_ms) AS unanswered,
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,
                 percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms
          FROM voice_turns WHERE speaker = 'agent' AND engine IS NOT NULL AND session_id IN (SELECT session_id FROM recent) GROUP BY engine
        ),
        steps AS (
          SELECT engine, count(*) AS step_n,
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY engine_ms) AS step_p50_ms,
                 percentile_cont(0.95) WITHIN GROUP (ORDER BY engine_ms) AS step_p95_ms
          FROM voice_frame_timings WHERE engine IS NOT NULL AND session_id IN (SELECT session_id FROM recent) GROUP BY engine
        )
        SELECT coalesce(o.engine, s.engine) AS engine, coalesce(o.n, 0) AS n, coalesce(o.unanswered, 0) AS unanswered, o.p50_ms, o.p95_ms,
               coalesce(s.step_n, 0) AS step_n, s.step_p50_ms, s.step_p95_ms
        FROM offsets o FULL OUTER JOIN steps s ON s.engine = o.engine ORDER BY 1
        """,
        [since or datetime.fromtimestamp(0, UTC)],
    )
    return {row.pop("engine"): row for row in rows}


def tool_turns(store: Store, *, since: datetime | None = None) -> dict[str, dict[str, float | int | None]]:
    """How tool turns went by engine, over the talks begun `since` (all when None).

    `n`: results that were delivered and counted. `content_share`: the share of them before which the agent said content of its own,
    0 to 1. `interrupted_share`: those that the user broke into. `fidelity_n`, `fidelity_p50_wer`: deliveries whose words were measured,
    and their median word error rate; None without any.
    """
    rows = store.query(
        """
        SELECT coalesce(s.engine, 'unknown') AS engine, count(*) AS n,
               avg(CASE WHEN i.words_before_result > 0 THEN 1.0 ELSE 0.0 END)::DOUBLE PRECISION AS content_share,
               avg(CASE WHEN i.interrupted THEN 1.0 ELSE 0.0 END)::DOUBLE PRECISION AS interrupted_share,
               count(i.fidelity_wer) AS fidelity_n,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY i.fidelity_wer) AS fidelity_p50_wer
        FROM voice_tool_invocations i JOIN voice_sessions s ON s.session_id = i.session_id
        WHERE i.words_before_result IS NOT NULL AND s.started_at >= $1 GROUP BY 1 ORDER BY 1
        """,
        [since or datetime.fromtimestamp(0, UTC)],
    )
    return {row.pop("engine"): row for row in rows}


def earlier_turns(store: Store, conversation_id: str, limit: int) -> list[tuple[Speaker, str]]:
    """The last `limit` turns of a conversation over all its sessions, in whichever process: (`user` or `agent`, words), oldest first."""
    rows = store.query(
        "SELECT t.speaker, t.text FROM voice_turns t JOIN voice_sessions s ON s.session_id = t.session_id "
        "WHERE s.conversation_id = $1 AND t.text <> '' AND t.speaker IN ('user', 'agent') ORDER BY t.timestamp DESC, t.id DESC LIMIT $2",
        [conversation_id, limit],
    )
    return [(row["speaker"], row["text"]) for row in reversed(rows)]


def last_persona(store: Store, conversation_id: str) -> str | None:
    """The persona of a conversation's last session; None when there was none."""
    rows = store.query(
        "SELECT persona FROM voice_sessions WHERE conversation_id = $1 ORDER BY started_at DESC, id DESC LIMIT 1", [conversation_id]
    )
    return rows[0]["persona"] if rows else None


def going_on_elsewhere(store: Store, here: Process) -> list[dict[str, Any]]:
    """Talks that other processes hold: `session_id`, `persona`, `engine`, `transport`, `started_at`, `turn_count`, `tool_count`,
    `is_active`, with `processes.COLUMNS`; the longest first."""
    return store.query(
        f"SELECT o.session_id, o.persona, o.engine, o.transport, o.started_at, o.turn_count, o.tool_count, o.is_active, {COLUMNS} "  # noqa: S608 - our own columns
        "FROM voice_session_overview o JOIN voice_sessions s ON s.session_id = o.session_id "
        "LEFT JOIN voice_processes p ON p.process_id = s.process_id WHERE o.is_active AND s.process_id <> $1 ORDER BY o.started_at",
        [here.process_id],
    )


class SoundElsewhereError(StoreError):
    """The recording of a talk lies with another process, and only there it can be read or deleted."""


def check_sound_is_here(store: Store, audio_dir: Path, session_id: str, here: Process) -> None:
    """Raises SoundElsewhereError when a talk has a recording, its file is not here, and another place is known where it must lie."""
    if (audio_dir / f"{session_id}.{CODEC}").is_file() or not store.query(
        "SELECT 1 FROM voice_recordings WHERE session_id = $1 UNION ALL SELECT 1 FROM voice_audio_segments WHERE session_id = $1 LIMIT 1",
        [session_id],
    ):
        return
    keeper = holder(store, session_id)
    if keeper is not None and not keeper.shares_sound_with(here):
        raise SoundElsewhereError(
            f"The sound of session {session_id} lies in {keeper.audio_dir} on {keeper.host}, with {keeper.told}. "
            "Ask there, or give all processes one --data-dir."
        )


def delete_session(store: Store, audio_dir: Path, session_id: str) -> bool:
    """Deletes a talk that is over: first its sound, then its rows. False when there is no such talk.

    Raises ValueError for what is no session id, StoreError while the talk goes on or its sound is being joined. When it fails half
    way it can be called again.
    """
    check_id(session_id, "session id")
    found = store.query("SELECT is_active FROM voice_sessions WHERE session_id = $1", [session_id])
    if not found:
        return False
    if found[0]["is_active"]:
        raise StoreError(f"session {session_id} is going on. End it first.")
    if (audio_dir / session_id).is_dir():
        raise StoreError(f"the sound of session {session_id} is still being joined. Try again in a moment.")
    (audio_dir / f"{session_id}.{CODEC}").unlink(missing_ok=True)
    # DuckDB refuses to delete children and their parent in one transaction.
    store.write(*((f"DELETE FROM {table} WHERE session_id = $1", [session_id]) for table in CHILDREN))  # noqa: S608 - our own tables
    store.write(("DELETE FROM voice_sessions WHERE session_id = $1", [session_id]))
    return True
