from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def session(session_id: str = "s", **changes: Any) -> dict[str, Any]:
    row = {"session_id": session_id, "conversation_id": "c", "mode": "echo", "started_at": STARTED, "is_active": True, "metadata": "{}"}
    return row | changes


def event(seq: int, session_id: str = "s", payload: str = "{}") -> dict[str, Any]:
    return {"session_id": session_id, "seq": seq, "kind": "X", "at_samples": 0, "noticed_samples": seq, "payload": payload}


def wait_for(store: DuckDbStore, sql: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    while not (found := store.query(sql)):
        assert time.monotonic() < deadline, "the row never came"
        time.sleep(0.01)
    return found


def test_rows_come_back_with_json_and_utc(store: DuckDbStore) -> None:
    tokyo = timezone(timedelta(hours=9))
    store.append("voice_sessions", session(started_at=STARTED.astimezone(tokyo), metadata='{"a": [1, null]}'))
    store.append("voice_events", event(0, payload='"words"'))
    store.flush()
    found = store.query("SELECT started_at, metadata, ended_at FROM voice_sessions WHERE session_id = $1", ["s"])
    assert found == [{"started_at": STARTED, "metadata": {"a": [1, None]}, "ended_at": None}]
    assert found[0]["started_at"].tzinfo is UTC
    assert store.query("SELECT payload FROM voice_events") == [{"payload": "words"}]


def test_a_row_is_committed_without_anyone_asking(store: DuckDbStore) -> None:
    store.append("voice_sessions", session())
    assert wait_for(store, "SELECT * FROM voice_sessions")


def test_an_urgent_row_does_not_wait_for_the_flush(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "a.duckdb", flush_s=3_600)
    store.append("voice_sessions", session(), urgent=True)
    assert wait_for(store, "SELECT * FROM voice_sessions")
    store.close()


def test_the_last_row_of_a_key_counts_in_one_batch_and_over_batches(store: DuckDbStore) -> None:
    store.append("voice_sessions", session())
    store.append("voice_sessions", session(engine="echo", ended_at=None))
    store.append("voice_events", event(0))
    store.flush()
    store.append("voice_sessions", session(is_active=False, ended_reason="user_left"))
    store.flush()
    found = store.query("SELECT engine, is_active, ended_reason FROM voice_sessions")
    assert found == [{"engine": "echo", "is_active": False, "ended_reason": "user_left"}]


def test_a_refused_row_is_counted_and_takes_no_other_with_it(store: DuckDbStore, caplog: pytest.LogCaptureFixture) -> None:
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


def test_readers_in_many_threads_see_what_is_committed(store: DuckDbStore) -> None:
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


def test_close_writes_what_waits_and_the_file_is_free_again(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "a.duckdb", flush_s=3_600)
    reader = ThreadPoolExecutor(1)
    reader.submit(store.query, "SELECT 1").result()
    store.append("voice_sessions", session())
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append("voice_sessions", session())
    again = DuckDbStore(tmp_path / "a.duckdb")
    assert len(again.query("SELECT * FROM voice_sessions")) == 1
    again.close()
    reader.shutdown()


def test_a_failed_write_is_told_to_the_caller_and_changes_nothing(store: DuckDbStore) -> None:
    with pytest.raises(StoreError, match="the write failed"):
        store.write(
            ("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ($1, $1, 'echo')", ["a"]),
            ("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ($1, $1, 'telepathy')", ["b"]),
        )
    assert store.query("SELECT * FROM voice_sessions") == []
    assert store.failure is None


def test_a_failed_query_and_an_unknown_table_are_errors(store: DuckDbStore) -> None:
    with pytest.raises(StoreError, match="the query failed"):
        store.query("SELECT * FROM nothing")
    with pytest.raises(KeyError):
        store.append("voice_secrets", {})


def test_no_extension_is_fetched_from_the_network(store: DuckDbStore) -> None:
    found = store.query(
        "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions' OR name = 'threads' ORDER BY name"
    )
    assert [row["value"] for row in found] == ["false", "false", "1"]


def test_a_file_held_by_another_process_is_refused_with_its_pid(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    hold = (
        "import sys; from workbench.store.duckdb_store import DuckDbStore; "
        "DuckDbStore(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"held by process {holder.pid} .*--db"):
            DuckDbStore(path)
        holder.communicate()
    DuckDbStore(path).close()


def test_a_second_store_in_this_process_is_refused(store: DuckDbStore) -> None:
    with pytest.raises(StoreError, match="already open in this process"):
        DuckDbStore(store.path)


@pytest.mark.parametrize("name", ["text.duckdb", "folder.duckdb", "text.duckdb/below.duckdb"])
def test_what_cannot_be_a_database_is_refused_with_a_mend(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.duckdb").write_text("these are no tables" * 1_000)
    (tmp_path / "folder.duckdb").mkdir()
    with pytest.raises(StoreError, match="--db"):
        DuckDbStore(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_refused_with_a_mend(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Check that the file and its folder can be written"):
        DuckDbStore(tmp_path / "a.duckdb")


def test_a_full_disk_is_said_once_and_rows_wait_for_space(tmp_path: Path) -> None:
    child = Path(__file__).with_name("full_disk_child.py")
    ran = subprocess.run([sys.executable, child, tmp_path / "full.duckdb"], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert len(said["told"]) == 1
    assert "The disk is full: free some space; writing goes on by itself." in said["told"][0]
    assert "rows wait in memory" in said["failure"]
    assert said["readable"] > 0
    assert 0 < said["waiting"] <= 2 * 5_000 + 1, "what waits is bounded, and what is being tried"
    assert said["lost_after"] > 0
    assert said["failure_after"] is None
    store = DuckDbStore(tmp_path / "full.duckdb")
    (kept,) = store.query("SELECT count(*) AS n FROM voice_events")
    assert kept["n"] + said["lost_after"] == said["sent"]
    store.close()
