"""Rows as small as the tables allow, and a wait for those that come by themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from workbench.store.base import Store

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def session(session_id: str = "s", **changes: Any) -> dict[str, Any]:
    row = {"session_id": session_id, "conversation_id": "c", "mode": "echo", "started_at": STARTED, "is_active": True, "metadata": "{}"}
    return row | changes


def event(seq: int, session_id: str = "s", payload: str = "{}") -> dict[str, Any]:
    return {"session_id": session_id, "seq": seq, "kind": "X", "at_samples": 0, "noticed_samples": seq, "payload": payload}


def wait_for(store: Store, sql: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    while not (found := store.query(sql)):
        assert time.monotonic() < deadline, "the row never came"
        time.sleep(0.01)
    return found
