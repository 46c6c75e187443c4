"""The `workbench` command. A command's parts are loaded when it is called: one that is broken must not keep `doctor` from saying so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbench.commands.found import FoundCommands, new_app

COMMANDS = (
    "serve",
    "talk",
    "gateway",
    "offline",
    "migrate",
    "export",
    "rescore",
    "report",
    "evaluate",
    "deploy",
    "doctor",
    "intents",
    "tools",
    "token",
    "retain",
    "space",
)
"""Each is the function of the same name in the module of the same name in `workbench.commands`."""


class Commands(FoundCommands):
    """All of them."""

    places: ClassVar[Mapping[str, str]] = {name: f"workbench.commands.{name}:{name}" for name in COMMANDS}


app = new_app(Commands, no_args_is_help=True)


@app.callback()
def workbench() -> None:
    """Talk to full-duplex voice personas, study the talks in SQL, tune the personas."""


def main() -> None:
    """The entry point of the package."""
    app()
