"""How far a sweep is, on stderr: a bar on a terminal, else a line for each cell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from workbench.commands.common import say

if TYPE_CHECKING:
    from evaluation.run_folder import CellId
    from evaluation.sweep import Watcher


def account(row: Mapping[str, Any]) -> str:
    """What became of a cell, in a few words."""
    if row["status"] != "done":
        return f"{row['status']}: {row['error']}"
    met = sum(verdict["passed"] for verdict in row["verdicts"])
    return f"{met} of {len(row['verdicts'])} expectations, {row['session_ms'] / 1_000:.0f} s of talk in {row['wall_s']:.1f} s"


def duration(seconds: float) -> str:
    """Minutes and seconds, hours where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Pace:
    """Rate and time left, from the cells that were held in this process; skipped ones cost nothing."""

    def __init__(self) -> None:
        self.cells = self.done = 0
        self._held = 0
        self._began = time.monotonic()

    def begins(self, cells: int, kept: int) -> None:
        """`Watcher.begins`."""
        self.cells, self.done, self._began = cells, kept, time.monotonic()

    def count(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.done += 1
        self._held += row["status"] != "skipped"

    def told(self) -> str:
        """Empty until a cell was held."""
        took = time.monotonic() - self._began
        if not self._held or not took:
            return ""
        return f"{60 * self._held / took:.1f} cells/min, at most {duration((self.cells - self.done) * took / self._held)} left"


class Lines:
    """A line for each cell."""

    def __init__(self, path: Path) -> None:
        self._pace = Pace()
        self._path = path

    def begins(self, cells: int, kept: int) -> None:
        self._pace.begins(cells, kept)
        say(f"{self._path}: {cells} cells" + (f", of which {kept} are there already." if kept else "."))

    def finished(self, cell: CellId, row: Mapping[str, Any]) -> None:
        self._pace.count(row)
        pace = self._pace.told()
        say(f"{self._pace.done}/{self._pace.cells}  {cell}: {account(row)}" + (f"  ({pace})" if pace else ""))


class Bar:
    """One bar, and a line for each cell that failed."""

    def __init__(self, progress: Progress) -> None:
        self._pace = Pace()
        self._progress = progress
        self._task = progress.add_task("", total=None, pace="")

    def begins(self, cells: int, kept: int) -> None:
        self._pace.begins(cells, kept)
        self._progress.update(self._task, total=cells, completed=kept)

    def finished(self, cell: CellId, row: Mapping[str, Any]) -> None:
        self._pace.count(row)
        self._progress.update(self._task, advance=1, description=str(cell), pace=self._pace.told())
        if row["status"] == "failed":
            self._progress.console.print(f"{cell}: {account(row)}", markup=False, highlight=False)


@contextmanager
def watching(path: Path, console: Console) -> Iterator[Watcher]:
    """Watches a sweep into the folder `path`; a bar only where the console is a terminal."""
    if not console.is_terminal:
        yield Lines(path)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress)
