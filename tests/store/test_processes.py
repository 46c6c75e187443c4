"""Several processes on one PostgreSQL: what a living one holds is left alone, what a dead one held is brought to its end."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

from tests.private_postgres import PrivatePostgres
from tests.store.rows import wait_for
from tests.store.talk_script import closed, opened, play
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from workbench.store.base import Store
from workbench.store.opening import open_store
from workbench.store.processes import Process, holder, register
from workbench.store.recorder import Recorder
from workbench.store.recovery import Recovery, _close


@pytest.fixture
def address(postgres: PrivatePostgres) -> Iterator[str]:
    with postgres.lent_store_database() as address:
        yield address


@contextmanager
def process(address: str, audio_dir: Path, host: str | None = None) -> Iterator[tuple[Store, Process]]:
    """A store as a process of the workbench opens it."""
    here = Process.this(audio_dir, "http://127.0.0.1:7860")
    if host is not None:
        here = dataclasses.replace(here, host=host)
    store = open_store(address, flush_s=0.05, process_id=here.process_id)
    register(store, here)
    yield store, here
    store.close()


def begin(store: Store, here: Process, audio_dir: Path, session_id: str = "talk-1") -> Recorder:
    recorder = Recorder(store, audio_dir, process_id=here.process_id)
    play(recorder.observer(), opened(session_id), frames=13)
    store.flush()
    return recorder


def is_active(store: Store, session_id: str = "talk-1") -> bool:
    return bool(store.query("SELECT is_active FROM voice_sessions WHERE session_id = $1", [session_id])[0]["is_active"])


def test_the_talk_of_a_living_process_is_left_alone(address: str, tmp_path: Path) -> None:
    audio_dir = tmp_path / "audio"
    with process(address, audio_dir) as (one, first), process(address, audio_dir) as (other, second):
        assert other.living() == {first.process_id, second.process_id}
        recorder = begin(one, first, audio_dir)
        recorder.close()
        half = audio_dir / "talk-1" / "0000009-000000000000.part"
        half.write_bytes(b"fLaC")
        done = Recovery(other, audio_dir, second, grace_s=0.0).look()
        assert (done.sessions, done.recordings, done.removed) == ([], [], [])
        assert half.exists()
        assert is_active(one)
        found = holder(other, "talk-1")
        assert found == first
        assert "http://127.0.0.1:7860" in found.told


@pytest.mark.parametrize("looks_from", ["the same host", "another host"])
def test_the_talk_of_a_killed_process_is_brought_to_its_end(address: str, tmp_path: Path, looks_from: str) -> None:
    child = [sys.executable, Path(__file__).with_name("crash_child.py"), tmp_path, address]
    now_s = 0.0
    with process(address, tmp_path / "audio", None if looks_from == "the same host" else "elsewhere") as (store, here):
        recovery = Recovery(store, tmp_path / "audio", here, monotonic=lambda: now_s)
        with subprocess.Popen(child, stdout=subprocess.PIPE, text=True) as talking:
            assert talking.stdout is not None
            for line in talking.stdout:
                if int(line) == 40:
                    break
            assert recovery.look().sessions == []
            talking.kill()
        # The server takes the lock back when it has noticed.
        wait_for(store, "SELECT 1 WHERE (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') = 1")
        if looks_from == "another host":
            assert recovery.look().sessions == [], "its connection might only be broken"
            now_s = 30.0
        done = recovery.look()
        assert (done.sessions, done.recordings, done.left) == (["talk-1"], ["talk-1"], {})
        (row,) = store.query("SELECT is_active, ended_reason FROM voice_sessions")
        assert row == {"is_active": False, "ended_reason": "crashed"}
        assert soundfile.info(tmp_path / "audio" / "talk-1.flac").frames >= 40 * FRAME_SAMPLES - 2 * SAMPLE_RATE
        assert Recovery(store, tmp_path / "audio", here).look().sessions == []


def test_a_server_that_was_restarted_makes_no_process_a_dead_one(tmp_path: Path) -> None:
    server = PrivatePostgres()
    address = server.new_database()
    now_s = 0.0
    with process(address, tmp_path / "a", "host-a") as (one, first), process(address, tmp_path / "b", "host-b") as (other, second):
        begin(one, first, tmp_path / "a")
        server.stop("immediate")
        server.start()
        recovery = Recovery(other, tmp_path / "b", second, monotonic=lambda: now_s)
        wait_for(other, "SELECT 1 WHERE (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') = 2")
        assert recovery.look().sessions == []
        now_s = 60.0
        assert recovery.look().sessions == []
        assert is_active(other)
    server.close()


def test_two_that_find_the_same_dead_process_close_its_talk_once(address: str, tmp_path: Path) -> None:
    with process(address, tmp_path / "gone", "host-gone") as (one, first):
        begin(one, first, tmp_path / "gone").close()
    with process(address, tmp_path / "b") as (other, _), process(address, tmp_path / "c") as (third, _):
        (talk,) = other.query("SELECT session_id, started_at FROM voice_sessions WHERE is_active")
        for store in (other, third):
            _close(store, talk["session_id"], talk["started_at"])
        found = other.query("SELECT count(*) AS n FROM voice_events WHERE kind = 'SessionClosed'")
        assert found == [{"n": 1}]


def test_a_talk_that_ended_well_keeps_its_holder(address: str, tmp_path: Path) -> None:
    with process(address, tmp_path) as (store, here):
        recorder = Recorder(store, tmp_path, process_id=here.process_id)
        play(recorder.observer(), opened(), closed(1.0))
        recorder.close()
        store.flush()
        assert holder(store, "talk-1") == here
        assert holder(store, "nobody") is None
