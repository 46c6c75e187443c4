"""What is too old goes whole, of too much sound the oldest goes, nothing else goes, and a kill in the middle leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.talks_in_store import keep
from workbench.store import queries, ratings, retention
from workbench.store.base import Statement, Store, StoreError
from workbench.store.opening import open_store
from workbench.store.retention import Doomed, Rules, carry_out, plan
from workbench.store.tables import CHILDREN

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def talks(store: Store, audio_dir: Path, **ages: float) -> None:
    for session_id, days in ages.items():
        keep(store, audio_dir, session_id, when=days_ago(days), frames=20)  # type: ignore[arg-type]  # any store will do


def going(doomed: Sequence[Doomed]) -> list[tuple[str, str]]:
    return [(one.what, one.session_id) for one in doomed]


def sessions(store: Store) -> set[str]:
    return {row["session_id"] for row in queries.list_sessions(store)}


def check_nothing_is_orphaned(store: Store, audio_dir: Path) -> None:
    there = sessions(store)
    for table in CHILDREN:
        assert {row["session_id"] for row in store.query(f"SELECT DISTINCT session_id FROM {table}")} <= there, table
    recorded = {row["session_id"] for row in store.query("SELECT session_id FROM voice_recordings")}
    assert {path.stem for path in audio_dir.glob("*.flac")} == recorded


def test_talks_that_are_too_old_go_whole(store: Store, tmp_path: Path) -> None:
    talks(store, tmp_path, old=40, rated=50, young=2)
    keep(store, tmp_path, "going-on", when=days_ago(60), over=False)  # type: ignore[arg-type]
    ratings.rate(store, "rated", rater="ann", stars=5, note="")
    rules = Rules(keep_days=30)
    assert going(plan(store, tmp_path, rules, now=NOW)) == [("talk", "old")]
    assert going(plan(store, tmp_path, Rules(keep_days=30, keep_rated=False), now=NOW)) == [("talk", "rated"), ("talk", "old")]
    size = (tmp_path / "old.flac").stat().st_size
    done = carry_out(store, tmp_path, plan(store, tmp_path, rules, now=NOW))
    assert (done.talks, done.sounds, done.bytes, done.failed) == (1, 0, size, {})
    assert sessions(store) == {"rated", "young", "going-on"}
    check_nothing_is_orphaned(store, tmp_path)
    assert plan(store, tmp_path, rules, now=NOW) == []
    assert plan(store, tmp_path, Rules(), now=NOW) == []


def test_of_too_much_sound_the_oldest_goes_and_its_rows_stay(store: Store, tmp_path: Path) -> None:
    talks(store, tmp_path, first=3, second=2, third=1)
    ratings.rate(store, "first", rater="ann", stars=5, note="")
    size = (tmp_path / "first.flac").stat().st_size
    assert plan(store, tmp_path, Rules(keep_bytes=3 * size), now=NOW) == []
    doomed = plan(store, tmp_path, Rules(keep_bytes=3 * size - 1), now=NOW)
    assert going(doomed) == [("sound", "second")]
    done = carry_out(store, tmp_path, doomed)
    assert (done.talks, done.sounds) == (0, 1)
    assert sessions(store) == {"first", "second", "third"}
    assert queries.get_session(store, "second")["turns"]  # type: ignore[index]
    check_nothing_is_orphaned(store, tmp_path)
    # The rated one stays, though there is still too much.
    assert going(plan(store, tmp_path, Rules(keep_bytes=0), now=NOW)) == [("sound", "third")]


def test_sound_that_is_being_joined_is_left_for_the_next_time(store: Store, tmp_path: Path) -> None:
    talks(store, tmp_path, old=40, older=41)
    (tmp_path / "older").mkdir()
    done = carry_out(store, tmp_path, plan(store, tmp_path, Rules(keep_days=30), now=NOW))
    assert (done.talks, list(done.failed)) == (1, ["older"])
    assert sessions(store) == {"older"}


class CutOff:
    """A store whose process dies before its n-th write."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store, self._left = store, writes

    def write(self, *statements: Statement) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self._store.write(*statements)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_what_is_half_gone_is_found_again(store: Store, tmp_path: Path, writes: int) -> None:
    talks(store, tmp_path, old=40, loud=2, young=1)
    rules = Rules(keep_days=30, keep_bytes=(tmp_path / "young.flac").stat().st_size)
    with pytest.raises(KeyboardInterrupt):
        carry_out(CutOff(store, writes), tmp_path, plan(store, tmp_path, rules, now=NOW))  # type: ignore[arg-type]
    carry_out(store, tmp_path, plan(store, tmp_path, rules, now=NOW))
    assert sessions(store) == {"loud", "young"}
    check_nothing_is_orphaned(store, tmp_path)


def test_a_stray_recording_goes_and_one_of_another_database_stays(store: Store, tmp_path: Path) -> None:
    talks(store, tmp_path, known=5)
    store.write(("DELETE FROM voice_recordings", []))
    (tmp_path / "foreign.flac").write_bytes(b"x" * 100)
    (tmp_path / "not an id!.flac").write_bytes(b"x")
    hours_ago = (NOW - timedelta(hours=2)).timestamp()
    for name in ("known", "foreign"):
        os.utime(tmp_path / f"{name}.flac", (hours_ago, hours_ago))
    assert going(plan(store, tmp_path, Rules(keep_bytes=10**9), now=NOW)) == [("stray", "known")]
    long_ago = days_ago(31).timestamp()
    os.utime(tmp_path / "foreign.flac", (long_ago, long_ago))
    doomed = plan(store, tmp_path, Rules(keep_days=30), now=NOW)
    assert sorted(going(doomed)) == [("stray", "foreign"), ("stray", "known")]
    assert carry_out(store, tmp_path, doomed).strays == 2
    assert [path.name for path in tmp_path.glob("*.flac")] == ["not an id!.flac"]


def test_a_fault_is_told_and_the_rest_goes(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talks(store, tmp_path, one=40, two=41)
    real = queries.delete_session

    def delete(to: Store, audio_dir: Path, session_id: str) -> bool:
        if session_id == "two":
            raise StoreError("the disk is full")
        return real(to, audio_dir, session_id)

    monkeypatch.setattr(retention.queries, "delete_session", delete)
    done = carry_out(store, tmp_path, plan(store, tmp_path, Rules(keep_days=30), now=NOW))
    assert (done.talks, done.failed) == (1, {"two": "the disk is full"})
    assert "1 could not be removed" in done.told


def test_kill_9_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    database, audio = str(tmp_path / "talks.duckdb"), tmp_path / "audio"
    store = open_store(database)
    now = datetime.now(UTC)
    for number in range(12):
        keep(store, audio, f"old-{number}", when=now - timedelta(days=40, minutes=number), frames=5)  # type: ignore[arg-type]
    keep(store, audio, "young", when=now - timedelta(days=1), frames=5)  # type: ignore[arg-type]
    store.close()
    child = Path(__file__).with_name("retention_child.py")
    with subprocess.Popen([sys.executable, child, audio, database, "30"], stdout=subprocess.PIPE, text=True) as removing:
        assert removing.stdout is not None
        for _ in range(4):
            assert removing.stdout.readline() == "removed\n"
        removing.kill()
    store = open_store(database)
    try:
        left = sessions(store)
        assert 1 <= len(left - {"young"}) <= 8
        files = {path.stem for path in audio.glob("*.flac")}
        assert files <= left, "a recording without its talk"
        assert len(left - files) <= 1, "more than one talk was half gone"
        carry_out(store, audio, plan(store, audio, Rules(keep_days=30)))
        assert sessions(store) == {"young"}
        check_nothing_is_orphaned(store, audio)
    finally:
        store.close()


def test_removed_rows_make_room_in_the_file(tmp_path: Path) -> None:
    """DuckDB gives space back at a checkpoint: what is written next does not make the file grow."""
    store = open_store(str(tmp_path / "talks.duckdb"))
    try:
        sizes = []
        for _round in range(3):
            filler = "x" * 1_000
            keep(store, tmp_path, "big", when=days_ago(40), text="hello")  # type: ignore[arg-type]
            store.write(
                (
                    "INSERT INTO voice_events (session_id, seq, kind, at_samples, noticed_samples, payload) "
                    "SELECT 'big', 1000 + i, 'notice', 0, 0, json_object('text', $1 || md5(CAST(i AS VARCHAR))) FROM range(20000) AS t(i)",
                    [filler],
                )
            )
            assert carry_out(store, tmp_path, plan(store, tmp_path, Rules(keep_days=30), now=NOW)).talks == 1
            sizes.append((tmp_path / "talks.duckdb").stat().st_size)
    finally:
        store.close()
    assert sizes[2] <= sizes[0] * 1.5
