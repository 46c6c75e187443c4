"""Handshakes with the engines for those who look often: each is at most 5 s old, and carries the time it was made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from workbench.engines.base import Availability
from workbench.engines.roster import Roster

FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One handshake and when it was made."""

    answer: Availability
    probed_at: datetime
    made_s: float
    """On the monotonic clock."""


class Probes:
    """Asks engines again when the last answer is older than `FRESH_S`; those who ask meanwhile share the answer."""

    def __init__(self, roster: Roster, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._roster = roster
        self._monotonic = monotonic
        self._known: dict[str, Probe] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, name: str) -> Probe:
        """Raises EngineError for an engine that does not exist."""
        async with self._locks.setdefault(self._roster.check(name), asyncio.Lock()):
            known = self._known.get(name)
            if known is None or self._monotonic() - known.made_s > FRESH_S:
                known = self._known[name] = Probe(await self._roster.probe(name), datetime.now(UTC), self._monotonic())
            return known

    async def all(self) -> dict[str, Probe]:
        """Every engine of the roster, by name."""
        names = self._roster.names
        return dict(zip(names, await asyncio.gather(*map(self.get, names)), strict=True))
