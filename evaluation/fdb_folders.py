"""Full-Duplex-Bench v1 and v1.5 as they are published on disk: `{task}/{ID}/input.wav`, with what each task knows of its inputs.

    v1    candor_pause_handling, synthetic_pause_handling   pause.json         [{"text", "timestamp": [start_s, end_s]}, ...]
          icc_backchannel                                   (nothing)
          candor_turn_taking                                turn_taking.json   [{"text", "timestamp"}, ...]
          synthetic_user_interruption                       interrupt.json     [{"context", "interrupt", "timestamp"}]
    v1.5  user_interruption, user_backchannel,              clean_input.wav (the same without the overlap) and
          talking_to_other, background_speech               metadata.json      {"context_text", "current_turn_text", "timestamps"}

The tasks lie in the folder itself or in the archive's `v1_0`/`v1.0` and `v1_5`/`v1.5` below it. A task that is not there is left out;
a sample of which anything is missing or wrong is an error, since a mean over the rest would be another figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import soundfile

from evaluation.words import Span, Word, words_of

Benchmark = Literal["fdb-v1", "fdb-v1.5"]
Kind = Literal["pause", "backchannel", "turn_taking", "interruption", "overlap"]

V1_TASKS: Mapping[str, Kind] = {
    "synthetic_pause_handling": "pause",
    "candor_pause_handling": "pause",
    "icc_backchannel": "backchannel",
    "candor_turn_taking": "turn_taking",
    "synthetic_user_interruption": "interruption",
}
V15_TASKS: Mapping[str, Kind] = {
    "user_interruption": "overlap",
    "user_backchannel": "overlap",
    "talking_to_other": "overlap",
    "background_speech": "overlap",
}
TASKS: Mapping[Benchmark, Mapping[str, Kind]] = {"fdb-v1": V1_TASKS, "fdb-v1.5": V15_TASKS}
ARCHIVES: Mapping[Benchmark, tuple[str, ...]] = {"fdb-v1": ("v1_0", "v1.0"), "fdb-v1.5": ("v1_5", "v1.5")}
"""Folders that the published archives unpack to."""
HUMAN_FILE = "icc_gt_distribution.json"
"""Where human listeners of the ICC corpus acknowledged: sample ID to a histogram in bins of 0.2 s. Lies beside the benchmark's scripts."""
FAULTS_SHOWN = 3


class FolderError(ValueError):
    """A benchmark's folder, or one of outputs, is not what it should be. The message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One input of a benchmark. Times are seconds from its start."""

    task: str
    kind: Kind
    sample_id: str
    folder: Path
    inputs: tuple[str, ...]
    """Sounds to be played, without their ending: `input`, and for v1.5 `clean_input`."""
    event: Span | None = None
    """What the task asks about: the first turn-taking point, the interruption, or the overlap. None for pauses and backchannels."""
    pauses: tuple[Span, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """What a judge is told: `context` and `interrupt` (v1), `context_text` and `current_turn_text` (v1.5)."""

    @property
    def name(self) -> str:
        return f"{self.task}/{self.sample_id}"

    def sound(self, given: str) -> Path:
        """The file of one of `inputs`."""
        return self.folder / f"{given}.wav"


def output_of(given: str) -> str:
    """The name under which the answer to an input is kept: `output` for `input`, `clean_output` for `clean_input`."""
    return given.replace("input", "output")


def read_benchmark(benchmark: Benchmark, data: Path, tasks: Sequence[str] = ()) -> list[Sample]:
    """All samples of a benchmark's folder, by task and ID. `tasks`: only these (none = all that are there).

    Raises FolderError when there are none, for a task that was asked for and is not there, and for any fault in a sample.
    """
    known = TASKS[benchmark]
    for task in tasks:
        if task not in known:
            raise FolderError(f"{benchmark} has no task {task[:80]!r}; its tasks are: {', '.join(known)}")
    root = _root(benchmark, data)
    found: list[Sample] = []
    faults: list[str] = []
    for task, kind in known.items():
        if tasks and task not in tasks:
            continue
        if not (root / task).is_dir():
            if tasks:
                raise FolderError(f"{root / task} is not there; the task {task} was asked for")
            continue
        folders = sorted((f for f in (root / task).iterdir() if f.is_dir() and not f.name.startswith(".")), key=_by_number)
        if not folders:
            faults.append(f"{root / task} holds no samples; it should hold one folder for each, such as {task}/1/input.wav")
        for folder in folders:
            try:
                found.append(_READERS[kind](task, folder))
            except FolderError as fault:
                faults.append(str(fault))
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more faults" if len(faults) > FAULTS_SHOWN else ""
        raise FolderError("; ".join(faults[:FAULTS_SHOWN]) + more)
    return found


def read_words(path: Path) -> list[Word]:
    """The words of an `output.json`. Raises FolderError; a word without a start counts as one, since no metric can place it."""
    document = _json(path)
    if not isinstance(document, dict) or not isinstance(document.get("chunks"), list):
        raise FolderError(f'{path} should be {{"text": ..., "chunks": [{{"text", "timestamp": [start_s, end_s]}}, ...]}}')
    try:
        words = words_of(document["chunks"])
        for word in words:
            if not (math.isfinite(word.onset_s) and math.isfinite(word.offset_s)):
                raise ValueError(f"the word {word.text!r} has the times {word.start_s} and {word.end_s}")
    except (KeyError, TypeError, ValueError) as fault:
        raise FolderError(f"{path} holds a chunk that is no word with its times: {fault}") from fault
    return words


def read_human(path: Path) -> dict[str, list[float]]:
    """The human listeners' histograms by sample ID. Raises FolderError."""
    document = _json(path)
    if not isinstance(document, dict):
        raise FolderError(f"{path} should be an object of sample ID to a list of numbers, one for each 0.2 s")
    for sample_id, bins in document.items():
        if not isinstance(bins, list) or not bins or not all(_is_number(v) and v >= 0 for v in bins) or not sum(bins) > 0:
            raise FolderError(f"{path}: the histogram of {sample_id!r} should be a list of numbers from 0 up that are not all 0")
    return document


def read_rating(path: Path) -> float:
    """A judge's rating, 0 to 5, as the benchmark keeps it in `rating.json`. Raises FolderError."""
    document = _json(path)
    rating = document.get("rating") if isinstance(document, dict) else None
    if not isinstance(rating, int | float) or not 0 <= rating <= 5:
        raise FolderError(f'{path} should hold {{"rating": 0 to 5}}; it holds {str(document)[:80]}')
    return float(rating)


def read_behaviour(path: Path) -> list[str]:
    """A judge's labels, as the benchmark keeps them in `content_tag.json` (one, or a list). Raises FolderError."""
    document = _json(path)
    given = document.get("behaviour") if isinstance(document, dict) else None
    labels = [given] if isinstance(given, str) else given
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise FolderError(f'{path} should hold {{"behaviour": ["C_RESPOND"]}} or the like; it holds {str(document)[:80]}')
    return labels


def sound_length_s(path: Path) -> float:
    """Seconds of a sound file. Raises FolderError when it is missing, no sound, or empty."""
    if not path.is_file():
        raise FolderError(f"{path} is missing")
    try:
        found = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as fault:
        raise FolderError(f"{path} is no sound file ({getattr(fault, 'error_string', fault)})") from fault
    if not found.frames:
        raise FolderError(f"{path} holds no sound")
    return float(found.frames / found.samplerate)


def _root(benchmark: Benchmark, data: Path) -> Path:
    if not data.is_dir():
        raise FolderError(f"{data} is not a folder; unpack the benchmark's archives and give the folder they are in")
    for root in (data, *(data / name for name in ARCHIVES[benchmark])):
        if any((root / task).is_dir() for task in TASKS[benchmark]):
            return root
    raise FolderError(f"{data} holds no task of {benchmark}; it should hold at least one of: {', '.join(TASKS[benchmark])}")


def _pause(task: str, folder: Path) -> Sample:
    length_s = sound_length_s(folder / "input.wav")
    entries = _entries(folder / "pause.json")
    return Sample(task, "pause", folder.name, folder, ("input",), pauses=tuple(_span(e, folder / "pause.json", length_s) for e in entries))


def _backchannel(task: str, folder: Path) -> Sample:
    sound_length_s(folder / "input.wav")
    return Sample(task, "backchannel", folder.name, folder, ("input",))


def _turn_taking(task: str, folder: Path) -> Sample:
    length_s = sound_length_s(folder / "input.wav")
    place = folder / "turn_taking.json"
    # Only the first one is asked about, as in the published script.
    return Sample(task, "turn_taking", folder.name, folder, ("input",), event=_span(_entries(place)[0], place, length_s))


def _interruption(task: str, folder: Path) -> Sample:
    length_s = sound_length_s(folder / "input.wav")
    place = folder / "interrupt.json"
    entry = _entries(place)[0]
    texts = {key: _text(entry, key, place) for key in ("context", "interrupt")}
    return Sample(task, "interruption", folder.name, folder, ("input",), event=_span(entry, place, length_s), texts=texts)


def _overlap(task: str, folder: Path) -> Sample:
    length_s = sound_length_s(folder / "input.wav")
    sound_length_s(folder / "clean_input.wav")
    place = folder / "metadata.json"
    document = _json(place)
    if not isinstance(document, dict):
        raise FolderError(f'{place} should be an object with "context_text", "current_turn_text" and "timestamps"')
    texts = {key: _text(document, key, place) for key in ("context_text", "current_turn_text")}
    event = _span({"timestamp": document.get("timestamps")}, place, length_s)
    return Sample(task, "overlap", folder.name, folder, ("input", "clean_input"), event=event, texts=texts)


_READERS: Mapping[Kind, Callable[[str, Path], Sample]] = {
    "pause": _pause,
    "backchannel": _backchannel,
    "turn_taking": _turn_taking,
    "interruption": _interruption,
    "overlap": _overlap,
}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as fault:
        raise FolderError(f"{path} is missing") from fault
    except OSError as fault:
        raise FolderError(f"{path} cannot be read ({fault.strerror})") from fault
    except (ValueError, RecursionError) as fault:
        raise FolderError(f"{path} is not JSON: {fault}") from fault


def _entries(path: Path) -> list[Any]:
    document = _json(path)
    if not isinstance(document, list) or not document:
        raise FolderError(f'{path} should be a list of at least one {{"timestamp": [start_s, end_s], ...}}')
    return document


def _span(entry: Any, path: Path, length_s: float) -> Span:
    """The times of an entry, inside the sound. Times may lie up to a second past its end: the published ones are rounded."""
    times = entry.get("timestamp") if isinstance(entry, dict) else None
    if not isinstance(times, list) or len(times) != 2 or not all(_is_number(t) for t in times):
        raise FolderError(f"{path}: {str(entry)[:80]} has no pair of times in seconds")
    start, end = float(times[0]), float(times[1])
    if not 0 <= start <= end <= length_s + 1:
        raise FolderError(f"{path}: {start} to {end} s is no stretch of a sound of {length_s:.2f} s")
    return start, end


def _text(entry: Any, key: str, path: Path) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str):
        raise FolderError(f"{path}: {key!r} should be a text; it is {str(value)[:80]}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _by_number(folder: Path) -> tuple[int, str]:
    """Numbers by value, names after them."""
    return (int(folder.name), "") if folder.name.isascii() and folder.name.isdigit() else (10**9, folder.name)
