"""Segments of a talk to one FLAC file: streamed, so that three hours take no more memory than a second, and read back before it counts."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from workbench.audio.frames import SAMPLE_RATE

log = logging.getLogger(__name__)

_BLOCK = 10 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Recording:
    """One talk's file. `samples` counts per channel; `lost_samples` of them are silence in place of sound that was lost."""

    path: Path
    samples: int
    lost_samples: int


def merge_segments(folder: Path, target: Path, end_samples: int | None = None) -> Recording | None:
    """Joins the segments in `folder` into `target`, each at its place in session time, and leaves the segments where they are.

    Gaps, unreadable segments (logged), and what is missing before `end_samples` become silence. `target` appears only once its
    samples were read back and compared; an older `target` is replaced.
    Returns None when there is nothing to join. Raises OSError when the disk refuses or the file does not hold what was written.
    """
    segments = sorted(folder.glob("*.flac"))
    if not segments:
        return None
    part = target.with_suffix(".part")
    try:
        recording, checksum = _write(segments, part, end_samples)
        read_back = 0
        for block in soundfile.blocks(part, _BLOCK, dtype="int16", always_2d=True):
            read_back = zlib.crc32(block.tobytes(), read_back)
        if soundfile.info(part).frames != recording.samples or read_back != checksum:
            raise OSError(f"{part} does not hold the sound that was written to it. Check the disk.")
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(part, target)
    except soundfile.SoundFileError as error:
        raise OSError(f"{part} cannot be written: {error}. Check that there is space on the disk.") from error
    finally:
        part.unlink(missing_ok=True)
    return Recording(target, recording.samples, recording.lost_samples)


def _write(segments: list[Path], part: Path, end_samples: int | None) -> tuple[Recording, int]:
    position, lost, checksum = 0, 0, 0
    with soundfile.SoundFile(part, "w", SAMPLE_RATE, 2, subtype="PCM_16", format="FLAC") as whole:

        def put(stereo: NDArray[np.int16]) -> None:
            nonlocal position, checksum
            whole.write(stereo)
            checksum = zlib.crc32(stereo.tobytes(), checksum)
            position += len(stereo)

        for path in segments:
            try:
                stereo, _rate = soundfile.read(path, dtype="int16", always_2d=True)
            except soundfile.SoundFileError as error:
                log.error("segment %s cannot be read and becomes silence: %s", path, error)
                continue
            start = int(path.stem.split("-")[1])
            lost += max(0, start - position)
            for silence in _silence(start - position):
                put(silence)
            put(stereo[max(0, position - start) :])
        if end_samples is not None:
            lost += max(0, end_samples - position)
            for silence in _silence(end_samples - position):
                put(silence)
    return Recording(part, position, lost), checksum


def _silence(samples: int) -> Iterator[NDArray[np.int16]]:
    while samples > 0:
        block = min(samples, _BLOCK)
        yield np.zeros((block, 2), dtype=np.int16)
        samples -= block
