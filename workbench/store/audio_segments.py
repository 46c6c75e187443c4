"""The sound of talks on disk: stereo FLAC (left user, right agent, 24 kHz, 16 bit) in closed segments while a talk lasts.

A FLAC file that was cut off cannot be decoded, so a talk is a row of short, closed files, and becomes one file when it is over.
The file name carries the place in session time, so that a segment is of use without its row:
`<audio_dir>/<session_id>/<seq>-<start_samples>.flac`, then `<audio_dir>/<session_id>.flac`.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, to_int16
from workbench.store.audio_merge import Recording, merge_segments
from workbench.store.base import Row, Store, StoreError

log = logging.getLogger(__name__)

SEGMENT_FRAMES = 12
"""0.96 s. A crash loses the open segment; what is promised is at most 2 s, and this leaves a second for a slow disk."""
WAITING_SEGMENTS_MAX = 128
"""Segments that may wait for a slow disk, over all talks: 24 MB, a quarter of a minute of eight talks."""
CODEC = "flac"
TRY_AGAIN_S = 2.0
"""A talk that ends while the store is away gets its file when the store is back; looked after so often, until the recorder is closed."""
REFUSED_MAX = 5
"""Tries while the store says that it is well: it may not have noticed yet that its server is gone."""


@dataclass(frozen=True, slots=True)
class _Segment:
    track: StereoTrack
    seq: int
    start_samples: int
    stereo: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Finish:
    track: StereoTrack


class StereoTrack:
    """One talk's sound. Made by `AudioWriter.open`; used from one thread, never waits."""

    def __init__(self, session_id: str, writer: AudioWriter) -> None:
        self.session_id = session_id
        self.closed: Future[Recording | None] = Future()
        """Done when the one file is there; None when there was no sound."""
        self._writer = writer
        self._seq = 0
        self._next_samples = 0
        self._fresh(0)

    @property
    def next_samples(self) -> int:
        """Session time up to which sound was taken."""
        return self._next_samples

    def add(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        """Both stems of one tick, [1920] each. A gap before it becomes silence; going back in time is a ValueError."""
        if start_samples != self._next_samples:
            if start_samples < self._next_samples:
                raise ValueError(f"frame at {start_samples} samples, but the track is at {self._next_samples}: frames come in order")
            self._hand_over()
            self._fresh(start_samples)
        self._stereo[self._filled : self._filled + FRAME_SAMPLES, 0] = user
        self._stereo[self._filled : self._filled + FRAME_SAMPLES, 1] = agent
        self._filled += FRAME_SAMPLES
        self._next_samples = start_samples + FRAME_SAMPLES
        if self._filled == len(self._stereo):
            self._hand_over()
            self._fresh(self._next_samples)

    def close(self) -> None:
        """Hands over what is open and has the talk's one file made; `closed` tells when it is there."""
        self._hand_over()
        self._writer.put(_Finish(self))

    def _fresh(self, start_samples: int) -> None:
        self._start_samples = start_samples
        self._filled = 0
        self._stereo = np.empty((SEGMENT_FRAMES * FRAME_SAMPLES, 2), dtype=np.float32)

    def _hand_over(self) -> None:
        if self._filled:
            self._writer.put(_Segment(self, self._seq, self._start_samples, self._stereo[: self._filled]))
            self._seq += 1
            self._filled = 0


class AudioWriter:
    """One thread that writes the segments of all talks, and one that makes the files of those that are over."""

    def __init__(self, audio_dir: Path, store: Store, *, waiting_max: int = WAITING_SEGMENTS_MAX) -> None:
        self._audio_dir = audio_dir
        self._store = store
        self._waiting_max = waiting_max
        self._waiting: queue.SimpleQueue[_Segment | _Finish | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Event()
        self._merges = ThreadPoolExecutor(1, "audio-merge")
        self._thread = threading.Thread(target=self._run, name="audio-writer", daemon=True)
        self._thread.start()
        self.lost_samples = 0
        """Sound given up since the start, because the disk was full or too slow; silence stands in its place."""

    def open(self, session_id: str) -> StereoTrack:
        """The track of one talk. `session_id` must have passed `recorder.check_id`."""
        return StereoTrack(session_id, self)

    def put(self, item: _Segment | _Finish) -> None:
        """Never waits: a segment beyond the bound is lost, counted and logged. Raises StoreError after `close`."""
        if self._closed:
            raise StoreError("the recorder is closed. End the talks before it, or open another recorder.")
        if isinstance(item, _Segment) and self._waiting.qsize() >= self._waiting_max:
            self._lose(item, "the disk is too slow")
            return
        self._waiting.put(item)

    def close(self) -> None:
        """Writes what waits, and waits for the files of the talks that are over."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()
        self._merges.shutdown()

    def _lose(self, segment: _Segment, why: str) -> None:
        self.lost_samples += len(segment.stereo)
        seconds = len(segment.stereo) / SAMPLE_RATE
        log.error("%.2f s of the sound of session %s are lost: %s", seconds, segment.track.session_id, why)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if isinstance(item, _Segment):
                try:
                    self._write(item)
                except Exception as error:  # noqa: BLE001 - one segment lost, and said; the thread serves all talks
                    self._lose(item, str(error))
            else:
                self._merges.submit(self._finish, item.track)

    def _write(self, segment: _Segment) -> None:
        folder = self._audio_dir / segment.track.session_id
        folder.mkdir(parents=True, exist_ok=True)
        path = segment_path(folder, segment.seq, segment.start_samples)
        part = path.with_suffix(".part")
        try:
            # Encoded in memory first: libsndfile does not report every failed write, the file system does.
            encoded = io.BytesIO()
            soundfile.write(encoded, to_int16(segment.stereo), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
            part.write_bytes(encoded.getbuffer())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._store.append("voice_audio_segments", segment_row(segment.track.session_id, path, len(segment.stereo)))

    def _finish(self, track: StereoTrack) -> None:
        try:
            track.closed.set_result(self._finished(track))
        except Exception as error:
            log.exception("the sound of session %s stays in its segments and is joined at the next start", track.session_id)
            track.closed.set_exception(error)

    def _finished(self, track: StereoTrack) -> Recording | None:
        refused = 0
        while True:
            last = self._closing.is_set()
            try:
                return finish_recording(self._store, self._audio_dir, track.session_id, track.next_samples)
            except StoreError as error:
                # A store that is away is waited for; one that is there and refuses would refuse for ever.
                refused += self._store.failure is None
                if last or refused == REFUSED_MAX:
                    raise
                log.warning("the sound of session %s waits for the store: %s", track.session_id, error)
            self._closing.wait(TRY_AGAIN_S)


def segment_path(folder: Path, seq: int, start_samples: int) -> Path:
    """Names sort in the order of the talk."""
    return folder / f"{seq:07d}-{start_samples:012d}.{CODEC}"


def segment_row(session_id: str, path: Path, samples: int) -> Row:
    """The row of `voice_audio_segments` for a file named by `segment_path`."""
    seq, start_samples = map(int, path.stem.split("-"))
    return {
        "session_id": session_id,
        "seq": seq,
        "path": f"{session_id}/{path.name}",
        "start_samples": start_samples,
        "samples": samples,
        "codec": CODEC,
    }


def finish_recording(store: Store, audio_dir: Path, session_id: str, end_samples: int | None) -> Recording | None:
    """Makes the one file of a talk that is over, keeps its row, and only then removes its segments. None when there was no sound.

    `end_samples`: session time that the file must reach, None when only the segments know. Raises OSError or StoreError; the
    segments are then still there, and it can be called again.
    """
    folder = audio_dir / session_id
    target = audio_dir / f"{session_id}.{CODEC}"
    if not folder.is_dir():
        return None
    # A row means that the file was whole, and that a crash left only the removal undone.
    kept = store.query("SELECT samples, lost_samples FROM voice_recordings WHERE session_id = $1", [session_id])
    recording = Recording(target, **kept[0]) if kept else merge_segments(folder, target, end_samples)
    if recording is not None and not kept:
        row = {
            "session_id": session_id,
            "path": target.name,
            "samples": recording.samples,
            "lost_samples": recording.lost_samples,
            "sample_rate": SAMPLE_RATE,
            "channels": 2,
            "codec": CODEC,
        }
        names, values = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
        store.write((f"INSERT INTO voice_recordings ({names}) VALUES ({values})", list(row.values())))  # noqa: S608 - names from above
    store.write(("DELETE FROM voice_audio_segments WHERE session_id = $1", [session_id]))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return recording
