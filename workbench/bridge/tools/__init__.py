"""The tools every talk has: the time in a place, arithmetic, and statistics of earlier sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from workbench.bridge.local import LocalProvider
from workbench.bridge.registry import Registry
from workbench.bridge.tools import arithmetic, clock_tool, statistics
from workbench.bridge.tools.statistics import Stats


def local_now() -> datetime:
    """The machine's time in the machine's own zone."""
    return datetime.now().astimezone()


def register_builtin(registry: Registry, *, stats: Stats, now: Callable[[], datetime] = local_now) -> LocalProvider:
    """Adds the built-in tools. `now` gives an aware time in the zone that a question without a place means; `stats` see
    `statistics`."""
    provider = LocalProvider()
    provider.add(clock_tool.TOOL.name, clock_tool.answer(now))
    provider.add(arithmetic.TOOL.name, arithmetic.answer)
    provider.add(statistics.TOOL.name, statistics.answer(stats))
    registry.add(provider, clock_tool.TOOL, arithmetic.TOOL, statistics.TOOL)
    return provider
