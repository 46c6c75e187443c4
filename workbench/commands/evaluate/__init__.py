"""`workbench evaluate`: personas and engines measured with scripted users, compared, and set beside published benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from workbench.commands.found import FoundCommands, new_app

SUITE = "suite"
"""The form that is meant when the first word is none."""


class Forms(FoundCommands):
    """The forms of the command. `workbench evaluate core ...` is short for `workbench evaluate suite core ...`."""

    places: ClassVar[Mapping[str, str]] = {
        SUITE: "workbench.commands.evaluate.suite:suite",
        "fdb-v1": "workbench.commands.evaluate.fdb:fdb_v1",
        "fdb-v1.5": "workbench.commands.evaluate.fdb:fdb_v15",
        "compare": "workbench.commands.evaluate.compare:compare",
        "lint": "workbench.commands.evaluate.lint:lint_personas",
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.places and args[0] not in ctx.help_option_names:
            args = [SUITE, *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, "SUITE [OPTIONS] | FORM [ARGS]...")


evaluate = new_app(Forms, no_args_is_help=True, subcommand_metavar="FORM")


@evaluate.callback(epilog="The options of a sweep: workbench evaluate suite --help. Those of the others: workbench evaluate FORM --help.")
def forms() -> None:
    """Scripted users against personas and engines: `workbench evaluate core --personas a,b --seeds 3 --out my-run` holds every scenario
    of the suite `core` with both personas; what to do next is told at its end."""
