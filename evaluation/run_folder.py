"""A sweep on disk. What is in it was finished: a row appears in one step, after the database rows it speaks of.

    RUN/run.json                  what was run, with what, on what: written once, before the first cell
        personas/{id}.md          the personas as they were used; the sweep reads them from here
        cells/{cell}.json         one row per persona, engine, scenario and seed
        cells/{cell}/             that talk's database rows, as an export of their own
        export/                   all of them as one export, made at the end

A cell is called `{persona}__{engine}__{scenario}__{seed}`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from evaluation.cell_rows import RunError
from evaluation.whole_files import PART, write_json
from workbench.personas import Persona, PersonaError, load, render

LAYOUT = 1
"""Of `run.json` and the rows; a run of another number is not gone on with."""

_RUN, _PERSONAS, _CELLS, _EXPORT, _SCRATCH, _LOCK = "run.json", "personas", "cells", "export", ".scratch", ".lock"
_OUTSIDE = "outside"
_ENGINE = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class CellId:
    """What makes a cell: one talk of the sweep."""

    persona: str
    engine: str
    scenario: str
    seed: int

    @property
    def name(self) -> str:
        """Its file name without the ending. No two cells share one: neither persona nor engine holds `_`, and the seed is digits."""
        return f"{self.persona}__{self.engine}__{self.scenario}__{self.seed}"

    def __str__(self) -> str:
        return f"{self.persona} on {self.engine}, {self.scenario}, seed {self.seed}"


def check_engine(name: str) -> str:
    """`name` itself when it can be part of a file's name. Raises RunError."""
    if _ENGINE.fullmatch(name) is None:
        raise RunError(f"{name[:60]!r} is no engine: use its name as `workbench doctor` tells it, lower-case letters, digits and hyphens.")
    return name


class RunFolder:
    """One sweep's folder, for the one process that writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.personas = path / _PERSONAS
        self.export = path / _EXPORT
        self.scratch = path / _SCRATCH
        """For the database and files of the process that sweeps; of no use to the next one."""
        self._cells = path / _CELLS

    @contextmanager
    def held(self) -> Iterator[RunFolder]:
        """Holds the folder against every other sweep (a kill lets go of it), and clears away what a killed one left unfinished.

        Raises RunError when another process holds it, or `path` holds something else.
        """
        if self.path.exists() and not (self.path.is_dir() and (self.account() is not None or self._holds_nothing_else())):
            raise RunError(f"{self.path} is not empty and holds no run. Choose another folder with --out.")
        lock = FileLock(self.path / _LOCK, timeout=0, thread_local=False)
        try:
            with self._writing():
                self.path.mkdir(parents=True, exist_ok=True)
                lock.acquire()
                self._clear()
        except Timeout as taken:
            raise RunError(f"{self.path} is being written by another sweep. Wait for it, or write to another folder with --out.") from taken
        try:
            yield self
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
            lock.release()

    # --- what is run -------------------------------------------------------------------------------------------------

    def account(self) -> dict[str, Any] | None:
        """`run.json`; None when no run has begun here. Raises RunError when it cannot be read."""
        path = self.path / _RUN
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if not isinstance(found["conditions"], dict):
                raise TypeError("its conditions are no object")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is no account of a run ({type(error).__name__}: {error}).") from error
        if found.get("layout") != LAYOUT:
            raise RunError(
                f"{path} has the layout {found.get('layout')}, this version writes {LAYOUT}. Write to another folder with --out."
            )
        return found

    def agree(self, wanted: Mapping[str, Any]) -> bool:
        """Whether a run has begun here, and under these conditions as far as they are named. Raises RunError with what differs."""
        account = self.account()
        if account is None:
            return False
        differing = [line for key, value in wanted.items() for line in _differences(key, account["conditions"].get(key), value)]
        if differing:
            told = "; ".join(differing[:4]) + (f"; and {len(differing) - 4} more" if len(differing) > 4 else "")
            raise RunError(
                f"{self.path} is a run of something else: {told}. Put that back to go on, or write to another folder with --out."
            )
        return True

    def copy_personas(self, personas: Sequence[Persona]) -> None:
        """Puts the personas into the run. Raises RunError for one that cannot be read back as it was."""
        with self._writing():
            shutil.rmtree(self.personas, ignore_errors=True)
            self.personas.mkdir()
        for persona in personas:
            path = self.personas / f"{persona.persona_id}.md"
            with self._writing():
                path.write_text(render(persona), "utf-8")
            if load(path).content_hash != persona.content_hash:
                raise RunError(f"The persona {persona.persona_id} cannot be copied without a change; simplify its front matter.")

    def check_personas(self, hashes: Mapping[str, str]) -> None:
        """Raises RunError when a copy in the run is no longer what `hashes` (id to content hash) says."""
        for persona_id, wanted in hashes.items():
            path = self.personas / f"{persona_id}.md"
            try:
                found = load(path).content_hash
            except PersonaError as error:
                raise RunError(f"The run's copy of {persona_id} cannot be used: {error}") from error
            if found != wanted:
                raise RunError(f"{path} was changed: it is {found[:8]}, and {wanted[:8]} was run. Put it back, or run into another folder.")

    def begin(self, conditions: Mapping[str, Any], details: Mapping[str, Any]) -> None:
        """Writes `run.json`: `conditions` must hold for every cell, `details` tell more about the beginning."""
        with self._writing():
            write_json(self.path / _RUN, {"layout": LAYOUT, "conditions": conditions, **details})

    # --- rows --------------------------------------------------------------------------------------------------------

    def rows(self) -> dict[str, dict[str, Any]]:
        """All rows by cell name. A done row without its database rows is left out: it has to be run again. Raises RunError."""
        found = {}
        for path in sorted(self._cells.glob("*.json")):
            try:
                row = json.loads(path.read_text("utf-8"))
                status = row["status"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise RunError(f"{path} is no row ({type(error).__name__}: {error}). Delete it; the next sweep makes it again.") from error
            if status != "done" or self.talk_of(path.stem).is_dir():
                found[path.stem] = row
        return found

    def talk_of(self, cell: str) -> Path:
        """Where the database rows of a cell lie, as an export."""
        return self._cells / cell

    def keep_talk(self, cell: str, made: Path) -> None:
        """Moves the export of a cell's talk from the folder `made` below `scratch` to its place, in one step where none was before."""
        with self._writing():
            self._cells.mkdir(exist_ok=True)
            shutil.rmtree(self.talk_of(cell), ignore_errors=True)
            made.rename(self.talk_of(cell))

    def note_outside(self, folder: Path) -> None:
        """Remembers a temporary folder that lies elsewhere. When this process is killed, the next one that holds the run removes it."""
        with self._writing():
            self.scratch.mkdir(exist_ok=True)
            (self.scratch / _OUTSIDE).write_text(str(folder), "utf-8")

    def write_row(self, cell: str, row: Mapping[str, Any]) -> None:
        """One row, in one step."""
        with self._writing():
            self._cells.mkdir(exist_ok=True)
            write_json(self._cells / f"{cell}.json", row)

    # -----------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Timeout:
            raise
        except OSError as error:
            raise RunError(
                f"{error.filename or self.path} cannot be written ({error.strerror}). Make room or choose another folder; "
                "the same command goes on where this one stopped."
            ) from error

    def _holds_nothing_else(self) -> bool:
        """True for an empty folder, and for one whose sweep was killed before it had begun."""
        return all(entry.name in (_PERSONAS, _SCRATCH, _LOCK, f".{_RUN}{PART}") for entry in self.path.iterdir())

    def _clear(self) -> None:
        outside = self.scratch / _OUTSIDE
        if outside.is_file():
            shutil.rmtree(outside.read_text("utf-8"), ignore_errors=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (self.path, self._cells):
            for left in folder.glob(f".*{PART}*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _differences(key: str, before: Any, now: Any) -> list[str]:
    """What differs, one line for each leaf."""
    if isinstance(before, dict) and isinstance(now, Mapping):
        names = sorted({*before, *now})
        return [line for name in names for line in _differences(f"{key} {name}", before.get(name), now.get(name))]
    # As JSON gives it back: tuples are lists there.
    if before == json.loads(json.dumps(now)):
        return []
    return [f"{key} was {_short(before)} and is {_short(now)}"]


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:8]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text[:80]
