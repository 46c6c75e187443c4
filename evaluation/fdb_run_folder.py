"""A run of Full-Duplex-Bench on disk: what was run, and every answer whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from evaluation.fdb_folders import Benchmark, FolderError, Sample, output_of
from evaluation.made_with import versions
from evaluation.whole_files import write_json
from evaluation.word_times import WordSource, named
from evaluation.words import Word
from workbench.audio.errors import AudioError
from workbench.audio.frames import Pcm
from workbench.audio.wav import write_wav

RUN_FILE, TALK_FILE = "run.json", "talk.json"
LAYOUT = 1
"""Of `run.json` and `talk.json`; a run of another number is not gone on with."""

TEACHER = "You are a wise and friendly teacher. Answer questions or provide advice in a clear and engaging way."
CONVERSATION = "You enjoy having a good conversation."
"""The prompts that PersonaPlex's published figures were made with (its model card), the first for interruptions. For v1.5 none are
published; the same two are used."""


class RunError(Exception):
    """A run cannot begin or go on. The message says why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be the same for all samples of a run."""

    benchmark: Benchmark
    engine: str
    words: WordSource
    persona: str | None = None
    """A persona's own prompt and sampling; None: the benchmark's prompts."""
    voice: str | None = None
    seed: int | None = None
    pace: Literal["fast", "realtime"] = "fast"
    latency_model: str = "measured"
    """What work is charged to session time (`workbench.clock`); `wall` in real time."""

    def prompt_for(self, sample: Sample) -> str | None:
        if self.persona is not None:
            return None
        interrupted = sample.kind == "interruption" or sample.task == "user_interruption"
        return TEACHER if interrupted else CONVERSATION


@dataclass(frozen=True, slots=True)
class Answer:
    """One input played: the agent's sound `[n]` at 24 kHz, its words, and an account of the talk."""

    sound: Pcm
    words: list[Word]
    account: Mapping[str, Any]


def is_whole(folder: Path, inputs: Mapping[str, str]) -> bool:
    """Whether a sample's folder holds every file as it was written, as an answer to just these inputs (name to SHA-256)."""
    try:
        talk = json.loads((folder / TALK_FILE).read_text("utf-8"))
        return bool(
            talk["layout"] == LAYOUT
            and talk["inputs"] == dict(inputs)
            and set(talk["files"]) == {f"{output_of(given)}.{ending}" for given in inputs for ending in ("wav", "json")}
            and all(sha256(folder / name) == digest for name, digest in talk["files"].items())
        )
    except (OSError, AudioError, ValueError, KeyError, TypeError, AttributeError):
        return False


def read_run(out: Path) -> dict[str, Any] | None:
    """A run's `run.json`; None for a folder that is none of ours. Raises FolderError for one that cannot be read."""
    path = out / RUN_FILE
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict) or not isinstance(found["conditions"], dict) or not isinstance(found["words"], str):
            raise ValueError("it names no conditions and no source of words")
    except (OSError, ValueError, KeyError) as fault:
        raise FolderError(f"{path} is no account of a run ({fault})") from fault
    return found


def parts_of(out: Path, samples: Sequence[Sample]) -> list[str]:
    """Who held the talks of a run: each engine with its parts, as they were told; one line for all where nothing changed in between.

    Raises FolderError for a `talk.json` that cannot be read; samples without one are left out.
    """
    found: dict[str, None] = {}
    for talk in filter(None, (_talk(out / sample.name) for sample in samples)):
        for held in talk["talks"].values():
            parts = ", ".join(f"{role} {part['name']}" for role, part in sorted(held["parts"].items()))
            found[f"{held['engine']} ({parts})" if parts else held["engine"]] = None
    return list(found)


def rewritten(out: Path, samples: Sequence[Sample]) -> list[str]:
    """Samples of a run whose words are no longer those that it wrote: another recogniser has been over the sound since."""
    found = []
    for sample in samples:
        talk = _talk(out / sample.name)
        if talk is not None and sha256(out / sample.name / "output.json") != talk["files"]["output.json"]:
            found.append(sample.name)
    return found


def _talk(folder: Path) -> dict[str, Any] | None:
    """A sample's `talk.json`; None where there is none. Raises FolderError."""
    path = folder / TALK_FILE
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found["files"]["output.json"], str):
            raise TypeError("the digest of output.json is no text")
        for talk in found["talks"].values():
            if not isinstance(talk["engine"], str) or not all(isinstance(part["name"], str) for part in talk["parts"].values()):
                raise TypeError("an engine or a part has no name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise FolderError(f"{path} is no account of a talk ({fault})") from fault
    return dict(found)


def begin(out: Path, conditions: Conditions) -> None:
    """Makes the run's folder, or finds that it may go on. Raises RunError when `out` holds something else, and FolderError."""
    wanted = asdict(conditions)
    present = read_run(out)
    if present is not None:
        differing = sorted(key for key in {*wanted, *present["conditions"]} if wanted.get(key) != present["conditions"].get(key))
        if present.get("layout") != LAYOUT:
            raise RunError(f"{out / RUN_FILE} has the layout {present.get('layout')}, not {LAYOUT}; write to another folder")
        if differing:
            told = ", ".join(f"{key} {present['conditions'].get(key)!r}, now {wanted.get(key)!r}" for key in differing)
            raise RunError(f"{out} holds a run under other conditions ({told}); write to another folder")
        return
    if out.is_file() or (out.exists() and any(out.iterdir())):
        raise RunError(f"{out} is not empty and holds no run; write to another folder")
    account = {
        "layout": LAYOUT,
        "conditions": wanted,
        "words": named(conditions.words),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RUN_FILE, account)


def keep(folder: Path, sample: Sample, answers: Mapping[str, Answer], inputs: Mapping[str, str]) -> None:
    """Writes a sample beside its place, then moves it there in one step. Raises RunError or AudioError when the disk refuses it."""
    with _writing(folder):
        making = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for given, answer in answers.items():
            write_wav(making / f"{output_of(given)}.wav", answer.sound)
            chunks = [{"text": word.text, "timestamp": [_ms(word.start_s), _ms(word.end_s)]} for word in answer.words]
            write_json(making / f"{output_of(given)}.json", {"text": " ".join(word.text for word in answer.words), "chunks": chunks})
        files = {path.name: sha256(path) for path in sorted(making.iterdir())}
        talks = {given: answer.account for given, answer in answers.items()}
        write_json(making / TALK_FILE, {"layout": LAYOUT, "sample": sample.name, "inputs": dict(inputs), "files": files, "talks": talks})
        # What lies there is not whole, or answers another input.
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(making, folder)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise RunError(
            f"{fault.filename or place} cannot be written ({fault.strerror}); make room, and run the same command again"
        ) from fault


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def sha256(path: Path) -> str:
    """Digest of a file, in hex. Raises AudioError for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise AudioError(f"{path} cannot be read ({fault.strerror})") from fault
