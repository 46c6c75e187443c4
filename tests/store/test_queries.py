from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from talk_script import chosen, closed, opened, play, tick, tool_started, turn

from workbench.store import queries
from workbench.store.base import Store, StoreError
from workbench.store.recorder import Recorder

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Three talks, an hour apart: `a` and `b` over, `c` between them going on."""
    now = STARTED
    recorder = Recorder(store, tmp_path, wall_clock=lambda: now)
    turns = [turn(f"t-{n}", "agent", n, n + 0.5, latency_ms) for n, latency_ms in enumerate((None, 100.0, 200.0, 300.0))]
    play(recorder.observer(), opened("a", conversation_id="first"), chosen("classic"), *turns, *map(tick, range(5)), closed(5), frames=3)
    now += timedelta(hours=1)
    play(recorder.observer(), opened("c"), chosen("classic"), turn("t-1", "user", 0, 1), tool_started(1.5))
    now += timedelta(hours=1)
    play(recorder.observer(), opened("b"), chosen("echo"), tick(1), closed(1))
    recorder.close()
    store.flush()
    return store


def test_an_empty_store_has_zeros_and_no_latencies(store: Store) -> None:
    assert queries.stats(store) == {"active_sessions": 0, "total_sessions": 0, "total_turns": 0, "total_tool_invocations": 0}
    assert queries.list_sessions(store) == []
    assert queries.latencies(store) == {}
    assert queries.get_session(store, "nobody") is None
    assert queries.read_events(store, "nobody") == []


def test_the_four_totals(filled: Store) -> None:
    assert queries.stats(filled) == {"active_sessions": 1, "total_sessions": 3, "total_turns": 5, "total_tool_invocations": 1}


def test_talks_going_on_come_first_then_the_newest(filled: Store) -> None:
    rows = queries.list_sessions(filled)
    assert [row["session_id"] for row in rows] == ["c", "b", "a"]
    first = rows[0]
    assert (first["turn_count"], first["tool_count"], first["is_active"]) == (1, 1, True)
    assert first["last_activity"] == STARTED + timedelta(hours=1, seconds=1.5)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"active": False}, "ba"),
        ({"engine": "classic"}, "ca"),
        ({"conversation_id": "first"}, "a"),
        ({"since": STARTED + timedelta(minutes=30), "until": STARTED + timedelta(minutes=90)}, "c"),
        ({"engine": "classic", "active": True}, "c"),
        ({"persona": "myca", "limit": 1, "offset": 1}, "b"),
        ({"persona": "myca' OR TRUE --"}, ""),
    ],
)
def test_filters(filled: Store, filters: dict[str, object], found: str) -> None:
    assert "".join(row["session_id"] for row in queries.list_sessions(filled, **filters)) == found  # type: ignore[arg-type]  # mixed values


def test_latencies_are_measured_or_none(filled: Store) -> None:
    found = queries.latencies(filled)
    assert found["classic"] == {
        "n": 3,
        "unanswered": 1,
        "p50_ms": 200.0,
        "p95_ms": pytest.approx(290.0),
        "step_n": 5,
        "step_p50_ms": 3.5,
        "step_p95_ms": 3.5,
    }
    assert found["echo"] == {"n": 0, "unanswered": 0, "p50_ms": None, "p95_ms": None, "step_n": 1, "step_p50_ms": 3.5, "step_p95_ms": 3.5}
    assert queries.latencies(filled, since=STARTED + timedelta(hours=5)) == {}


def test_deleting_a_talk_takes_its_rows_and_its_sound_and_nothing_else(filled: Store, tmp_path: Path) -> None:
    assert (tmp_path / "a.flac").exists()
    assert queries.delete_session(filled, tmp_path, "a")
    assert not (tmp_path / "a.flac").exists()
    for table in ("voice_sessions", "voice_turns", "voice_events", "voice_frame_timings", "voice_recordings"):
        assert filled.query(f"SELECT * FROM {table} WHERE session_id = 'a'") == []
    assert [row["session_id"] for row in queries.list_sessions(filled)] == ["c", "b"]
    assert not queries.delete_session(filled, tmp_path, "a")


def test_a_talk_going_on_or_being_joined_is_not_deleted(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="End it first"):
        queries.delete_session(filled, tmp_path, "c")
    (tmp_path / "b").mkdir()
    with pytest.raises(StoreError, match="still being joined"):
        queries.delete_session(filled, tmp_path, "b")
    assert len(queries.list_sessions(filled)) == 3


@pytest.mark.parametrize("hostile", ["../a", "", "a/../../b", "x" * 65])
def test_only_ids_reach_the_disk(filled: Store, tmp_path: Path, hostile: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        queries.delete_session(filled, tmp_path, hostile)
