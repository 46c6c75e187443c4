"""What a file of reference values is made of: cases with a way to compute each anew from its input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from evaluation.check.compare import TO_THE_DIGIT, Tolerance
from workbench.audio.frames import Pcm

Document = Mapping[str, Any]


class NoInput(Exception):
    """The file gives an expected value but not what it was computed from; the case cannot be checked."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `compute` gives a plain JSON value from the inputs alone. It raises `NoInput` when they are not in the folder, and one of
    `folder.MALFORMED` when they are not what the metric takes. `tolerance` may look at what was computed."""

    name: str
    expected: Any
    compute: Callable[[], Any]
    tolerance: Tolerance | Callable[[Any], Tolerance] = TO_THE_DIGIT


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one kind of file. `keys` are the top-level keys that it turns into cases or needs for them, as shell patterns."""

    keys: frozenset[str]
    cases: Callable[[Document, Path], Iterable[Case]]


NOTES = frozenset(
    {
        "reference",
        "origin",
        "note",
        "vad",
        "channel0",
        "channel1",
        "definitions",
        "tick_columns",
        "description",
        "audio_not_included",
        "reduced_equals_published",
    }
)
"""Top-level keys that describe a file and hold nothing to check."""


def load_channels(path: Path, sha256: str | None = None) -> tuple[Pcm, int]:
    """A sound file as `[channels, n]` float32 at its own rate.

    Raises NoInput when it is not in the folder, ValueError when it is another file than the one named.
    """
    if not path.is_file():
        raise NoInput(f"{path.name} is not in the folder {path.parent.name}")
    if sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that the values were made from (its SHA-256 differs)")
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound.T), int(rate)


def spans(pairs: Iterable[tuple[float, float]], digits: int | None = None) -> list[list[float]]:
    """Spans as JSON lists, rounded where the file rounds."""
    return [[round(value, digits) if digits is not None else value for value in pair] for pair in pairs]
