"""A folder of reference values: every file, every case, what agreed and what did not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from evaluation.check import fdb_v1, fdb_v2, fdb_v3, fdb_v15, hotato, panels, timing
from evaluation.check.cases import NOTES, Case, Document, NoInput, Reader
from evaluation.check.compare import TO_THE_DIGIT, Failed, Tolerance, differences
from workbench.audio.errors import AudioError

READERS: dict[str, Reader] = {
    **fdb_v1.READERS,
    **fdb_v15.READERS,
    **fdb_v2.READERS,
    **fdb_v3.READERS,
    **panels.READERS,
    **timing.READERS,
    **hotato.READERS,
}
"""By folder and file name."""
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What an input of another shape than the layout's raises, wherever it is used."""


@dataclass(slots=True)
class FileReport:
    """One file: cases that agree of those checked, each difference, and what could not be checked with the reason."""

    name: str
    agree: int = 0
    total: int = 0
    differences: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check_folder(folder: Path) -> list[FileReport]:
    """Every JSON file below a folder, by name. Raises NotADirectoryError when there is no such folder."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; give one in the layout of the reference values (fdb_v1/, fdb_v15/, ...)")
    return [check_file(path, str(path.relative_to(folder))) for path in sorted(folder.rglob("*.json"))]


def check_file(path: Path, name: str) -> FileReport:
    """One file; its kind is told by its own name and its folder's."""
    report = FileReport(name)
    reader = READERS.get("/".join(path.resolve().parts[-2:]))
    if reader is None:
        report.unchecked.append("no metric reads a file of this name")
        return report
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
        cases = list(reader.cases(document, path.parent))
    except (OSError, *MALFORMED) as fault:
        report.total += 1
        report.differences.append(f"the file cannot be read: {_reason(fault)}")
        return report
    for key in document:
        if not any(fnmatchcase(key, known) for known in reader.keys | NOTES):
            report.unchecked.append(f"the key {key!r} is not known")
    for case in cases:
        _check(case, report)
    return report


def _check(case: Case, report: FileReport) -> None:
    try:
        computed = case.compute()
    except NoInput as missing:
        report.unchecked.append(f"{case.name}: {missing}")
        return
    except (OSError, AudioError, *MALFORMED) as fault:
        computed = Failed(_reason(fault))
    report.total += 1
    tolerance = case.tolerance
    if not isinstance(tolerance, Tolerance):
        tolerance = TO_THE_DIGIT if isinstance(computed, Failed) else tolerance(computed)
    found = list(differences(case.expected, computed, tolerance))
    report.agree += not found
    report.differences += [f"{case.name}: {difference}" for difference in found]


def _reason(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"
