from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from talk_script import closed, opened, play, stems

from workbench.audio.frames import FRAME_SAMPLES, to_int16
from workbench.store import audio_segments
from workbench.store.audio_merge import merge_segments
from workbench.store.audio_segments import SEGMENT_FRAMES, AudioWriter, segment_path
from workbench.store.base import Store, StoreError
from workbench.store.recorder import Recorder, TalkRecorder


def expected(frames: int) -> NDArray[np.int16]:
    both = [np.stack([to_int16(stem) for stem in stems(frame)], axis=1) for frame in range(frames)]
    return np.concatenate(both)


def read(path: Path) -> NDArray[np.int16]:
    stereo: NDArray[np.int16]
    stereo, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == 24_000
    return stereo


@pytest.fixture
def recorded(store: Store, tmp_path: Path) -> TalkRecorder:
    """A talk of 30 frames: two full segments and half of one."""
    recorder = Recorder(store, tmp_path / "audio")
    observer = recorder.observer()
    play(observer, opened(), closed(2.4), frames=30)
    recorder.close()
    return observer


def test_a_talk_becomes_one_stereo_file_user_left_agent_right(recorded: TalkRecorder, store: Store, tmp_path: Path) -> None:
    recorded.wait_for_sound()
    assert [path.name for path in (tmp_path / "audio").iterdir()] == ["talk-1.flac"]
    assert soundfile.info(tmp_path / "audio" / "talk-1.flac").subtype == "PCM_16"
    np.testing.assert_array_equal(read(tmp_path / "audio" / "talk-1.flac"), expected(30))
    (row,) = store.query("SELECT * FROM voice_recordings")
    assert (row["path"], row["samples"], row["lost_samples"], row["channels"]) == ("talk-1.flac", 57_600, 0, 2)
    assert store.query("SELECT * FROM voice_audio_segments") == []


def test_segments_are_closed_files_with_rows_while_the_talk_goes_on(store: Store, tmp_path: Path) -> None:
    writer = AudioWriter(tmp_path, store)
    recorder = Recorder(store, tmp_path / "unused", recording=False)
    recorder.observer().on_event(opened())
    track = writer.open("talk-1")
    for frame in range(30):
        track.add(frame * FRAME_SAMPLES, *stems(frame))
    writer.close()
    store.flush()
    rows = store.query("SELECT * FROM voice_audio_segments ORDER BY seq")
    assert [(row["seq"], row["start_samples"], row["samples"], row["codec"]) for row in rows] == [
        (0, 0, SEGMENT_FRAMES * FRAME_SAMPLES, "flac"),
        (1, SEGMENT_FRAMES * FRAME_SAMPLES, SEGMENT_FRAMES * FRAME_SAMPLES, "flac"),
    ]
    np.testing.assert_array_equal(np.concatenate([read(tmp_path / row["path"]) for row in rows]), expected(24))


def test_a_gap_in_the_frames_is_silence_of_its_length(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path)
    observer = recorder.observer()
    observer.on_event(opened())
    for frame in (0, 1, 5, 6):
        observer.on_frame(frame * FRAME_SAMPLES, *stems(frame))
    observer.on_event(closed(0.56))
    recorder.close()
    sound = expected(7)
    sound[2 * FRAME_SAMPLES : 5 * FRAME_SAMPLES] = 0
    np.testing.assert_array_equal(read(tmp_path / "talk-1.flac"), sound)
    assert store.query("SELECT samples, lost_samples FROM voice_recordings") == [
        {"samples": 7 * FRAME_SAMPLES, "lost_samples": 3 * FRAME_SAMPLES}
    ]


def test_frames_that_go_back_in_time_are_refused(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path)
    observer = recorder.observer()
    observer.on_event(opened())
    observer.on_frame(0, *stems(0))
    with pytest.raises(ValueError, match="frames come in order"):
        observer.on_frame(0, *stems(0))
    recorder.close()


def test_a_buffer_that_is_used_again_does_not_change_what_was_recorded(store: Store, tmp_path: Path) -> None:
    recorder = Recorder(store, tmp_path)
    observer = recorder.observer()
    observer.on_event(opened())
    user, agent = np.empty(FRAME_SAMPLES, np.float32), np.empty(FRAME_SAMPLES, np.float32)
    for frame in range(3):
        user[:], agent[:] = stems(frame)
        observer.on_frame(frame * FRAME_SAMPLES, user, agent)
    user[:] = agent[:] = 1.0
    observer.on_event(closed(0.24))
    recorder.close()
    np.testing.assert_array_equal(read(tmp_path / "talk-1.flac"), expected(3))


@pytest.mark.parametrize("where", ["event", "recorder"])
def test_a_talk_that_is_not_recorded_leaves_rows_and_no_sound(store: Store, tmp_path: Path, where: str) -> None:
    recorder = Recorder(store, tmp_path / "audio", recording=where != "recorder")
    observer = recorder.observer()
    play(observer, opened(recording=where != "event"), closed(2.4), frames=30)
    observer.wait_for_sound()
    recorder.close()
    store.flush()
    assert not (tmp_path / "audio").exists()
    assert store.query("SELECT recording, is_active FROM voice_sessions") == [{"recording": False, "is_active": False}]


def test_a_disk_that_takes_no_sound_costs_the_sound_and_not_the_talk(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audio").write_text("a file where the folder should be")
    recorder = Recorder(store, tmp_path / "audio")
    observer = recorder.observer()
    play(observer, opened(), closed(2.4), frames=30)
    recorder.close()
    assert "s of the sound of session talk-1 are lost" in caplog.text
    store.flush()
    assert store.query("SELECT is_active FROM voice_sessions") == [{"is_active": False}]


def test_segments_beyond_the_bound_are_lost_and_counted(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = AudioWriter(tmp_path, store, waiting_max=0)
    track = writer.open("talk-1")
    for frame in range(24):
        track.add(frame * FRAME_SAMPLES, *stems(frame))
    assert writer.lost_samples == 24 * FRAME_SAMPLES
    writer.close()
    with pytest.raises(StoreError, match="the recorder is closed"):
        track.close()


def test_segments_stay_when_the_one_file_does_not_hold_what_was_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flipped(*args: Any, **kwargs: Any) -> Any:
        for block in soundfile_blocks(*args, **kwargs):
            block[0, 0] ^= 1
            yield block

    soundfile_blocks = soundfile.blocks
    monkeypatch.setattr(soundfile, "blocks", flipped)
    recorder = Recorder(store, tmp_path)
    observer = recorder.observer()
    play(observer, opened(), closed(2.4), frames=30)
    with pytest.raises(OSError, match="does not hold the sound that was written to it"):
        observer.wait_for_sound()
    recorder.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".flac", ".part")] == []
    assert len(list((tmp_path / "talk-1").glob("*.flac"))) == 3
    assert "joined at the next start" in caplog.text
    monkeypatch.undo()
    store.flush()
    finished = audio_segments.finish_recording(store, tmp_path, "talk-1", None)
    assert finished is not None
    np.testing.assert_array_equal(read(finished.path), expected(30))


def test_an_unreadable_segment_becomes_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "talk-1"
    folder.mkdir()
    sound = expected(3)
    for frame in range(3):
        soundfile.write(segment_path(folder, frame, frame * FRAME_SAMPLES), sound[frame * FRAME_SAMPLES :][:FRAME_SAMPLES], 24_000)
    segment_path(folder, 1, FRAME_SAMPLES).write_bytes(b"fLaC and then nothing")
    recording = merge_segments(folder, tmp_path / "talk-1.flac", 5 * FRAME_SAMPLES)
    assert recording is not None
    assert (recording.samples, recording.lost_samples) == (5 * FRAME_SAMPLES, 3 * FRAME_SAMPLES)
    sound[FRAME_SAMPLES : 2 * FRAME_SAMPLES] = 0
    np.testing.assert_array_equal(read(recording.path)[: 3 * FRAME_SAMPLES], sound)
    assert "cannot be read and becomes silence" in caplog.text


class AwayStore:
    """A store whose reads fail until it is `back`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.back = threading.Event()
        self.asked = threading.Event()
        self.failure: str | None = "its server is gone"

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        self.asked.set()
        if not self.back.is_set():
            raise StoreError("its server is gone")
        return self._store.query(sql, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_talk_that_ends_while_the_store_is_away_gets_its_file_when_it_is_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_segments, "TRY_AGAIN_S", 0.01)
    away = AwayStore(store)
    recorder = Recorder(cast("Store", away), tmp_path / "audio")
    observer = recorder.observer()
    play(observer, opened(), closed(2.4), frames=30)
    assert away.asked.wait(30)
    assert not (tmp_path / "audio" / "talk-1.flac").exists()
    away.back.set()
    observer.wait_for_sound()
    np.testing.assert_array_equal(read(tmp_path / "audio" / "talk-1.flac"), expected(30))
    recorder.close()


@pytest.mark.parametrize("failure", [None, "its server is gone"], ids=["that refuses", "that stays away until the recorder is closed"])
def test_segments_stay_with_a_store(failure: str | None, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_segments, "TRY_AGAIN_S", 0.01)
    away = AwayStore(store)
    away.failure = failure
    recorder = Recorder(cast("Store", away), tmp_path / "audio")
    observer = recorder.observer()
    play(observer, opened(), closed(2.4), frames=30)
    if failure is not None:
        recorder.close()
    with pytest.raises(StoreError, match="its server is gone"):
        observer.wait_for_sound()
    assert len(list((tmp_path / "audio" / "talk-1").glob("*.flac"))) == 3, "the segments are still there"
    recorder.close()
