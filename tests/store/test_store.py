"""What every store promises, whichever engine is behind it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta, timezone

import pytest

from tests.store.rows import STARTED, event, session, wait_for
from workbench.store.base import Store, StoreError
from workbench.store.opening import open_store


def test_rows_come_back_with_json_and_utc(store: Store) -> None:
    tokyo = timezone(timedelta(hours=9))
    store.append("voice_sessions", session(started_at=STARTED.astimezone(tokyo), metadata='{"a": [1, null]}'))
    store.append("voice_events", event(0, payload='"words"'))
    store.flush()
    found = store.query("SELECT started_at, metadata, ended_at FROM voice_sessions WHERE session_id = $1", ["s"])
    assert found == [{"started_at": STARTED, "metadata": {"a": [1, None]}, "ended_at": None}]
    assert found[0]["started_at"].tzinfo is UTC
    assert store.query("SELECT payload FROM voice_events") == [{"payload": "words"}]


def test_a_row_is_committed_without_anyone_asking(store: Store) -> None:
    store.append("voice_sessions", session())
    assert wait_for(store, "SELECT * FROM voice_sessions")


def test_an_urgent_row_does_not_wait_for_the_flush(database: str) -> None:
    store = open_store(database, flush_s=3_600)
    store.append("voice_sessions", session(), urgent=True)
    assert wait_for(store, "SELECT * FROM voice_sessions")
    store.close()


def test_the_last_row_of_a_key_counts_in_one_batch_and_over_batches(store: Store) -> None:
    store.append("voice_sessions", session())
    store.append("voice_sessions", session(engine="echo", ended_at=None))
    store.append("voice_events", event(0))
    store.flush()
    store.append("voice_sessions", session(is_active=False, ended_reason="user_left"))
    store.flush()
    found = store.query("SELECT engine, is_active, ended_reason FROM voice_sessions")
    assert found == [{"engine": "echo", "is_active": False, "ended_reason": "user_left"}]


def test_a_refused_row_is_counted_and_takes_no_other_with_it(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append("voice_sessions", session())
    store.append("voice_sessions", session("t", mode="telepathy"))
    for row in (event(0), event(0, session_id="nobody"), event(1, payload="{no json"), event(2), event(2)):
        store.append("voice_events", row)
    store.flush()
    assert store.lost_rows == 4
    assert store.failure is None
    assert store.query("SELECT seq FROM voice_events ORDER BY seq") == [{"seq": 0}, {"seq": 2}]
    assert "1 rows of voice_sessions were refused" in caplog.text
    assert "3 rows of voice_events were refused" in caplog.text


def test_readers_in_many_threads_see_what_is_committed(store: Store) -> None:
    store.append("voice_sessions", session())
    for seq in range(500):
        store.append("voice_events", event(seq))
    store.flush()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(store.query("SELECT * FROM voice_events")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [500] * 8


def test_close_writes_what_waits_and_the_database_is_free_again(database: str) -> None:
    store = open_store(database, flush_s=3_600)
    reader = ThreadPoolExecutor(1)
    reader.submit(store.query, "SELECT 1").result()
    store.append("voice_sessions", session())
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append("voice_sessions", session())
    again = open_store(database)
    assert len(again.query("SELECT * FROM voice_sessions")) == 1
    again.close()
    reader.shutdown()


def test_a_failed_write_is_told_to_the_caller_and_changes_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="the write failed"):
        store.write(
            ("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ($1, $1, 'echo')", ["a"]),
            ("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ($1, $1, 'telepathy')", ["b"]),
        )
    assert store.query("SELECT * FROM voice_sessions") == []
    assert store.failure is None


def test_a_failed_query_and_an_unknown_table_are_errors(store: Store) -> None:
    with pytest.raises(StoreError, match="the query failed"):
        store.query("SELECT * FROM nothing")
    with pytest.raises(KeyError):
        store.append("voice_secrets", {})
