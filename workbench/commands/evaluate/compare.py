"""`workbench evaluate compare`: the personas of a run side by side, and a language model as judge of its talks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from workbench.commands.common import CommandError, Json, load_settings, say, show, told_plainly


def compare(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `workbench evaluate` writes it.")],
    as_json: Json = False,
    baseline: Annotated[str | None, typer.Option(help="Compare each persona with this one only; fewer tests find smaller effects.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the comparison as one page that needs no network.")] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="First have the talks that are not judged yet rated by the model of WORKBENCH_LLM_BASE_URL.")
    ] = False,
) -> None:
    """Compare the personas of a run: paired differences with intervals, corrected for all that is asked; a winner only where it shows."""
    from evaluation.cell_rows import RunError
    from evaluation.comparison_page import comparison_page
    from evaluation.comparison_table import told
    from evaluation.run_comparison import as_json as as_plain
    from evaluation.run_comparison import compare_run

    with told_plainly():
        try:
            if judge:
                asyncio.run(_judge(run))
            found = compare_run(run, baseline=baseline)
        except RunError as fault:
            raise CommandError(str(fault)) from fault
        if html is not None:
            page = comparison_page(found)
            try:
                html.write_text(page, "utf-8")
            except OSError as error:
                raise CommandError(f"{html} cannot be written ({error.strerror}). Choose a folder that is there.") from error
            say(f"{html}: {len(page) / 1e6:.1f} MB")
        show(json.dumps(as_plain(found), ensure_ascii=False, allow_nan=False) if as_json else told(found))


async def _judge(run: Path) -> None:
    from evaluation.cell_rows import read_cells, read_personas
    from evaluation.judgements import judge_run
    from workbench.commands.evaluate.judging import judge_endpoint
    from workbench.llm_endpoint import EndpointError

    cells = read_cells(run)
    personas = read_personas(run, cells)
    endpoint = judge_endpoint(load_settings())
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Judging", total=None)
            judged = await judge_run(run, cells, personas, endpoint, lambda done, whole: bar.update(task, completed=done, total=whole))
    except EndpointError as error:
        raise CommandError(f"{error} What was judged until then is kept; run it again to go on.") from error
    finally:
        await endpoint.close()
    say(f"{judged.asked} talks judged by {endpoint.model} at {endpoint.host}, {judged.kept} were judged before.")
    for name, fault in sorted(judged.unread.items()):
        say(f"No score for {name}: the judge's answer cannot be read, {fault}.")
