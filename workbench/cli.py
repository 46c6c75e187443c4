"""The `workbench` command. A command's parts are loaded when it is called: one that is broken must not keep `doctor` from saying so."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = ("serve", "talk", "gateway", "offline", "migrate", "export", "rescore", "report", "doctor", "intents", "tools")
"""Each is the function of the same name in the module of the same name in `workbench.commands`."""


class Commands(TyperGroup):
    """Finds a command by importing its module."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"workbench.commands.{cmd_name}")
        alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
        alone.command(cmd_name)(getattr(module, cmd_name))
        found = typer.main.get_command(alone)
        return found if isinstance(found, TyperCommand) else None


app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def workbench() -> None:
    """Talk to full-duplex voice personas, study the talks in SQL, tune the personas."""


def main() -> None:
    """The entry point of the package."""
    app()
