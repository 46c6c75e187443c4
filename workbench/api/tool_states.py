"""The states of the tools' providers for those who look often: asked at most every few seconds, with the time they were asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from workbench.bridge.fleet import Fleet, ProviderStatus

FRESH_S = 3.0


class ToolStates:
    """Asks the fleet again when the last answer is older than `FRESH_S`; those who ask meanwhile share the answer."""

    def __init__(self, fleet: Fleet, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fleet = fleet
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._known: tuple[Sequence[ProviderStatus], datetime, float] | None = None

    async def get(self) -> tuple[Sequence[ProviderStatus], datetime]:
        """The states, and when they were asked for."""
        async with self._lock:
            if self._known is None or self._monotonic() - self._known[2] > FRESH_S:
                self._known = (await self._fleet.states(), datetime.now(UTC), self._monotonic())
            return self._known[0], self._known[1]

    def forget(self) -> None:
        """A call was made: what is known of the calls is out of date."""
        self._known = None
