"""`workbench evaluate SUITE`: the scenarios of a suite."""

from __future__ import annotations

from typing import Annotated

import typer

from evaluation.scenario_files import ScenarioError, load_suite
from workbench.commands.common import CommandError, show, told_plainly


def suite(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="A shipped suite, a folder of scenarios (*.yaml), or one file.")],
) -> None:
    """Read a suite, check its scenarios, and list them."""
    with told_plainly():
        try:
            scenarios = load_suite(name)
        except ScenarioError as error:
            raise CommandError(str(error)) from error
    show("\n".join(f"{scenario.id}  {scenario.category}" for scenario in scenarios))
