from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from talk_script import chosen, closed, opened, play, stems, tick, tool_started, turn

from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, to_int16
from workbench.store import queries
from workbench.store.audio_segments import AudioWriter
from workbench.store.base import Store
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.recorder import Recorder
from workbench.store.recovery import recover


def leave_open(store: Store, audio_dir: Path, frames: int, *, rows: bool = True) -> None:
    """What a crash leaves of a talk: an open session and closed segments, with or without their rows."""
    observer = Recorder(store, audio_dir, recording=False).observer()
    play(observer, opened(), chosen(), turn("t-1", "user", 0.2, 0.7), tool_started(0.8), *(tick(frame + 1) for frame in range(frames)))
    writer = AudioWriter(audio_dir, store)
    track = writer.open("talk-1")
    for frame in range(frames):
        track.add(frame * FRAME_SAMPLES, *stems(frame))
    writer.close()
    store.flush()
    if not rows:
        store.write(("DELETE FROM voice_audio_segments", []))


def test_kill_9_in_mid_talk_loses_at_most_two_seconds(tmp_path: Path) -> None:
    child = Path(__file__).with_name("crash_child.py")
    with subprocess.Popen([sys.executable, child, tmp_path, tmp_path / "talks.duckdb"], stdout=subprocess.PIPE, text=True) as talking:
        assert talking.stdout is not None
        frames = 0
        for line in talking.stdout:
            frames = int(line)
            if frames == 60:
                os.kill(talking.pid, 9)
        assert talking.wait() == -9
    lived = frames * FRAME_SAMPLES
    promised = lived - 2 * SAMPLE_RATE
    at_most = lived + FRAME_SAMPLES  # the kill may fall between a frame and its line

    store = DuckDbStore(tmp_path / "talks.duckdb")
    done = recover(store, tmp_path / "audio")
    assert (done.sessions, done.recordings, done.left) == (["talk-1"], ["talk-1"], {})

    session = queries.get_session(store, "talk-1")
    assert session is not None
    assert (session["is_active"], session["ended_reason"], session["mode"]) == (False, "crashed", "classic")
    lasted = session["ended_at"] - session["started_at"]
    assert timedelta(seconds=promised / SAMPLE_RATE) <= lasted <= timedelta(seconds=at_most / SAMPLE_RATE)
    assert [row["turn_id"] for row in session["turns"]] == ["t-1"]
    assert session["tool_invocations"][0]["status"] == "error"

    kept = queries.read_events(store, "talk-1")
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    assert ticks == list(range(1, len(ticks) + 1)), "a prefix of the talk, without a hole"
    assert len(ticks) * FRAME_SAMPLES >= promised
    assert isinstance(kept[-1], events.SessionClosed)

    stereo, _rate = soundfile.read(tmp_path / "audio" / "talk-1.flac", dtype="int16")
    assert promised <= len(stereo) <= at_most
    for frame in range(len(stereo) // FRAME_SAMPLES):
        both = np.stack([to_int16(stem) for stem in stems(frame)], axis=1)
        np.testing.assert_array_equal(stereo[frame * FRAME_SAMPLES :][:FRAME_SAMPLES], both)
    assert session["audio"]["samples"] == len(stereo)
    store.close()


def test_an_open_talk_is_closed_at_its_last_event_with_its_tools(store: Store, tmp_path: Path) -> None:
    leave_open(store, tmp_path, 24)
    proposed = events.ToolProposed(
        at_samples=0,
        noticed_samples=0,
        invocation_id="p",
        tool="erase",
        utterance_id="u",
        arguments={},
        tier="write",
        prompt="?",
        deadline_samples=9,
    )
    other = Recorder(store, tmp_path, recording=False).observer()
    play(other, opened("talk-2"), proposed)
    store.flush()
    assert recover(store, tmp_path).sessions == ["talk-1", "talk-2"]
    session = queries.get_session(store, "talk-1")
    assert session is not None
    assert session["ended_at"] - session["started_at"] == timedelta(seconds=24 * 0.08)
    assert "stopped without closing" in session["ended_detail"]
    (tool,) = session["tool_invocations"]
    assert (tool["status"], tool["end_ms"]) == ("error", 1920.0)
    waiting = queries.get_session(store, "talk-2")
    assert waiting is not None
    assert waiting["tool_invocations"][0]["status"] == "cancelled"
    assert queries.stats(store)["active_sessions"] == 0


def test_segments_without_rows_are_picked_up(store: Store, tmp_path: Path) -> None:
    leave_open(store, tmp_path, 24, rows=False)
    assert recover(store, tmp_path).recordings == ["talk-1"]
    assert soundfile.info(tmp_path / "talk-1.flac").frames == 24 * FRAME_SAMPLES
    assert not (tmp_path / "talk-1").exists()


def test_half_written_files_are_removed_and_said(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave_open(store, tmp_path, 12)
    parts = [tmp_path / "talk-1" / "0000001-000000023040.part", tmp_path / "talk-0.part"]
    for part in parts:
        part.write_bytes(b"fLaC")
    assert sorted(recover(store, tmp_path).removed) == sorted(parts)
    assert not any(part.exists() for part in parts)
    assert "2 half-written files removed" in caplog.text


def test_recovery_is_done_once(store: Store, tmp_path: Path) -> None:
    leave_open(store, tmp_path, 24)
    recover(store, tmp_path)
    first = queries.get_session(store, "talk-1")
    again = recover(store, tmp_path)
    assert (again.sessions, again.recordings, again.removed, again.left) == ([], [], [], {})
    assert queries.get_session(store, "talk-1") == first


def test_a_crash_between_the_one_file_and_the_removal_of_its_segments(store: Store, tmp_path: Path) -> None:
    leave_open(store, tmp_path, 24)
    segments = sorted((tmp_path / "talk-1").iterdir())
    kept = segments[1].read_bytes()
    recover(store, tmp_path)
    whole = (tmp_path / "talk-1.flac").read_bytes()
    (tmp_path / "talk-1").mkdir()
    segments[1].write_bytes(kept)
    assert recover(store, tmp_path).recordings == ["talk-1"]
    assert (tmp_path / "talk-1.flac").read_bytes() == whole, "the whole file must not be made anew from what is left"
    assert not (tmp_path / "talk-1").exists()


def test_sound_without_a_session_is_left_and_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "nobody"
    folder.mkdir()
    soundfile.write(folder / "0000000-000000000000.flac", np.zeros((FRAME_SAMPLES, 2), np.int16), SAMPLE_RATE)
    (tmp_path / "not an id").mkdir()
    done = recover(store, tmp_path)
    assert list(done.left) == ["nobody"]
    assert folder.is_dir()


def test_a_talk_that_ended_well_is_not_touched(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path)
    play(recorder.observer(), opened(), closed(1.0), frames=12)
    recorder.close()
    store.flush()
    assert recover(store, tmp_path).sessions == []
    session = queries.get_session(store, "talk-1")
    assert session is not None
    assert session["ended_reason"] == "user_left"
