"""What people thought of a talk."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workbench.store.base import Store
from workbench.store.values import clean_text

STARS_MAX = 5


def rate(store: Store, session_id: str, *, rater: str, stars: int | None, note: str, when: datetime | None = None) -> None:
    """Keeps one judgement: 1 to 5 `stars` (None for a note alone), by whom, and `when` (now).

    Raises ValueError when there are neither stars nor a note, nobody's name, or stars that there are not; StoreError when it cannot be
    written, also because there is no such session.
    """
    if stars is None and not note.strip():
        raise ValueError("a rating needs stars or a note; give one of them.")
    if not rater.strip():
        raise ValueError("a rating needs the name of who gives it; type yours.")
    if stars is not None and not 1 <= stars <= STARS_MAX:
        raise ValueError(f"{stars} stars cannot be given; give 1 to {STARS_MAX}.")
    store.write(
        (
            "INSERT INTO voice_ratings (session_id, rating_id, rated_at, rater, stars, note) VALUES ($1, $2, $3, $4, $5, $6)",
            [session_id, uuid.uuid4().hex, when or datetime.now(UTC), clean_text(rater.strip()), stars, clean_text(note.strip())],
        )
    )


def vote(store: Store, trial_id: str, talks: Mapping[str, bool | None], *, rater: str, note: str = "") -> None:
    """Keeps one vote of a blind trial: by session id, whether that talk was the better one (None: neither was).

    Raises ValueError for a vote without a name, StoreError when it cannot be written.
    """
    if not rater.strip():
        raise ValueError("a vote needs the name of who gives it; type yours.")
    now = datetime.now(UTC)
    store.write(
        *(
            (
                "INSERT INTO voice_ratings (session_id, rating_id, rated_at, rater, stars, note, trial_id, preferred) "
                "VALUES ($1, $2, $3, $4, NULL, $5, $6, $7)",
                [session_id, uuid.uuid4().hex, now, clean_text(rater.strip()), clean_text(note.strip()), trial_id, preferred],
            )
            for session_id, preferred in talks.items()
        )
    )


def ratings(store: Store, session_id: str) -> list[dict[str, Any]]:
    """Every judgement, the newest first: `rating_id`, `rated_at`, `rater`, `stars`, `note`; of a vote also `trial_id` and `preferred`."""
    return store.query(
        "SELECT rating_id, rated_at, rater, stars, note, trial_id, preferred FROM voice_ratings WHERE session_id = $1 "
        "ORDER BY rated_at DESC, rating_id",
        [session_id],
    )
