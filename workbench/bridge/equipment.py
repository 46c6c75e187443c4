"""All tools of a process: its own functions, and the providers of the tools' file."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from workbench.bridge.config import ToolsConfig
from workbench.bridge.fleet import Fleet, Tell, configured_fleet
from workbench.bridge.local import LocalProvider
from workbench.bridge.registry import Registry
from workbench.bridge.tools import register_builtin, web_page
from workbench.bridge.tools.statistics import Stats

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Equipment:
    """`fleet.start()` opens the remote ones; `close` gives all of them back."""

    registry: Registry
    local: LocalProvider
    fleet: Fleet

    async def close(self) -> None:
        await self.fleet.close()
        self.local.close()


def equip(config: ToolsConfig, *, stats: Stats, tell: Tell = log.info) -> Equipment:
    """Nothing is opened yet. `stats` see `tools.statistics`. Raises ConfigError."""
    registry = Registry()
    local = register_builtin(registry, stats=stats)
    if config.web is not None:
        web_page.register(registry, local, config.web.allowed, config.web.timeout_s)
    return Equipment(registry, local, configured_fleet(registry, config, tell=tell))
