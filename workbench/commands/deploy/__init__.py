"""`workbench deploy`: configuration for running more than one machine, made from what is really there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbench.commands.found import FoundCommands, new_app


class Targets(FoundCommands):
    """What can be configured."""

    places: ClassVar[Mapping[str, str]] = {"haproxy": "workbench.commands.deploy.haproxy:haproxy"}


deploy = new_app(Targets, no_args_is_help=True)


@deploy.callback()
def targets() -> None:
    """Configuration for more than one machine. `workbench deploy haproxy --gateway 10.0.0.5:8998` balances talks over gateways."""
