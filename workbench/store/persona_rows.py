"""Personas as the store knows them: versions that were kept, and how often each was talked to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workbench.personas import Persona
from workbench.store.base import Store

SPOKEN_OR_TYPED = "transport <> 'http'"
"""A conversation over the text API is no talk."""


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One version, with the talks that were held with it."""

    persona: Persona
    first_seen: datetime
    talks: int
    trials: int
    """Blind trials that it was a part of."""
    won: int
    """Of these, votes for it."""


def uses(store: Store) -> dict[str, dict[str, Any]]:
    """By persona id: `talks`, `versions` kept, `last_talk` (None before the first)."""
    rows = store.query(
        f"""
        SELECT coalesce(p.persona_id, s.persona) AS persona_id, coalesce(s.talks, 0) AS talks, coalesce(p.versions, 0) AS versions,
               s.last_talk
        FROM (SELECT persona_id, count(*) AS versions FROM voice_personas GROUP BY 1) AS p
        FULL JOIN (
          SELECT persona, count(*) AS talks, max(started_at) AS last_talk FROM voice_sessions WHERE {SPOKEN_OR_TYPED} GROUP BY 1
        ) AS s ON s.persona = p.persona_id
        """  # noqa: S608 - our own text
    )
    return {row["persona_id"]: {name: row[name] for name in ("talks", "versions", "last_talk")} for row in rows}


def versions(store: Store, persona_id: str) -> list[KeptVersion]:
    """Every kept version of a persona, the newest first."""
    rows = store.query(
        f"""
        SELECT p.*, (SELECT count(*) FROM voice_sessions s WHERE s.persona_hash = p.content_hash AND {SPOKEN_OR_TYPED}) AS talks,
               coalesce(v.trials, 0) AS trials, coalesce(v.won, 0) AS won
        FROM voice_personas p
        LEFT JOIN (
          SELECT s.persona_hash, count(*) AS trials, sum(CASE WHEN r.preferred THEN 1 ELSE 0 END) AS won
          FROM voice_ratings r JOIN voice_sessions s ON s.session_id = r.session_id WHERE r.trial_id IS NOT NULL GROUP BY 1
        ) AS v ON v.persona_hash = p.content_hash
        WHERE p.persona_id = $1 ORDER BY p.first_seen DESC, p.content_hash
        """,  # noqa: S608 - our own text
        [persona_id],
    )
    return [
        KeptVersion(
            Persona(
                persona_id=row["persona_id"],
                name=row["name"],
                voice=row["voice"],
                role=row["role"],
                prompt=row["prompt"],
                tools=tuple(row["tools"]),
                sampling=dict(row["sampling"]),
            ),
            row["first_seen"],
            row["talks"],
            row["trials"],
            int(row["won"]),
        )
        for row in rows
    ]


def talks_since(store: Store, persona_id: str, since: datetime) -> dict[str, str]:
    """By version of a persona (its hash): the newest talk that began at `since` or later."""
    rows = store.query(
        f"""
        SELECT persona_hash, session_id FROM voice_sessions
        WHERE persona = $1 AND started_at >= $2 AND {SPOKEN_OR_TYPED} ORDER BY started_at, session_id
        """,  # noqa: S608 - our own text
        [persona_id, since],
    )
    return {row["persona_hash"]: row["session_id"] for row in rows}
