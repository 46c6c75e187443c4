"""Groups of commands whose parts are loaded when they are called: one that is broken must not keep the others from working."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class FoundCommands(TyperGroup):
    """Finds a command by importing its module."""

    places: ClassVar[Mapping[str, str]] = {}
    """The command's name to `module:function`; in place of the function there may be a Typer app with commands of its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            alone = new_app()
            alone.command(cmd_name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command if isinstance(command, (TyperCommand, TyperGroup)) else None


def new_app(cls: type[TyperGroup] | None = None, **options: Any) -> typer.Typer:
    """A Typer app as all of ours are: plain help, plain faults."""
    return typer.Typer(cls=cls, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **options)
