"""`python -m evaluation.check DIR`: recomputes reference values and prints every difference.

Exit status: 0 when every checked case agrees; 1 when one differs or nothing could be checked; 2 when there is no such folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from evaluation.check.folder import FileReport, check_folder


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.check", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="a folder of reference values (fdb_v1/, fdb_v15/, ...)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    asked = parser.parse_args(argv)
    try:
        reports = check_folder(asked.folder)
    except NotADirectoryError as fault:
        print(fault, file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    else:
        _print(reports)
    checked = sum(report.total for report in reports)
    return 0 if checked and all(report.agree == report.total for report in reports) else 1


def _print(reports: Sequence[FileReport]) -> None:
    width = max((len(report.name) for report in reports), default=0)
    for report in reports:
        score = f"{report.agree}/{report.total}" if report.total else "not checked"
        print(f"{report.name:<{width}}  {score}")
        for line in report.differences:
            print(f"    differs: {line}")
        for line in report.unchecked:
            print(f"    not checked: {line}")
    agree, total = sum(r.agree for r in reports), sum(r.total for r in reports)
    print(f"{'all':<{width}}  {agree}/{total}, {sum(len(r.unchecked) for r in reports)} not checked")
    if not total:
        print("nothing was checked: no file of the folder holds reference values that a metric reads", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
