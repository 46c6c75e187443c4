"""`workbench report`: figures and tables of an export as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.analysis.page import page
from workbench.analysis.report import REPORTS
from workbench.analysis.source import open_export
from workbench.commands.common import CommandError, show, told_plainly


def report(
    kind: Annotated[Literal["latency", "barge-in", "persona"], typer.Argument(help="What the report is about.")],
    folder: Annotated[Path, typer.Argument(help="An export, as `workbench export` makes it; `data/sample` is one.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write a report on an export: one HTML page that needs no network."""
    with told_plainly():
        source = open_export(folder)
        try:
            written = page(REPORTS[kind](source))
        finally:
            source.close()
        try:
            out.write_text(written, "utf-8")
        except OSError as error:
            raise CommandError(f"{out} cannot be written ({error.strerror}). Choose a folder that is there.") from error
    show(f"{out}: {len(written) / 1e6:.1f} MB")
