"""Reports over stored talks for those who look often: one is made at a time, off the event loop, and kept for a moment."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Literal

from workbench.analysis.report import Report, talks_report
from workbench.analysis.source import StoreSource, Talks
from workbench.store.base import Store

Window = Literal["1h", "24h", "7d", "30d", "all"]
WINDOWS: dict[Window, timedelta | None] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
"""How far back a report looks."""
FRESH_S = 10.0
"""A download just after a look holds what was looked at."""
KEPT = 4
"""A report with its figures is some MB."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which talks a report is about. The days are whole days in UTC, `until` the last of them; they go before `window`."""

    window: Window = "all"
    since: date | None = None
    until: date | None = None
    engine: str | None = None
    persona: str | None = None

    def talks(self, now: datetime) -> Talks:
        """The same in times. Raises ValueError when `since` lies after `until`."""
        since, until = _midnight(self.since), _midnight(self.until)
        if since is not None and until is not None and since > until:
            raise ValueError(f"the first day, {self.since}, lies after the last, {self.until}; exchange them")
        if since is None and until is None and (back := WINDOWS[self.window]) is not None:
            since = now - back
        return Talks(since, None if until is None else until + timedelta(days=1), self.engine or None, self.persona or None)

    @property
    def told(self) -> str:
        """In words, for the head of a report."""
        if self.since is not None or self.until is not None:
            days = f"{self.since or 'the first day'} to {self.until or 'today'} (UTC)"
        else:
            days = "all talks" if self.window == "all" else f"the last {self.window}"
        named = [f"{kind} {name}" for kind, name in (("engine", self.engine), ("persona", self.persona)) if name]
        return ", ".join([days, *named])


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time_of_day(), UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """A report, when it was made and what that took (ms), and how many talks are in it."""

    report: Report
    talks: int
    made_at: datetime
    took_ms: float


class Reports:
    """Reports over one store. Whoever asks for the same within `FRESH_S` gets the same."""

    def __init__(self, store: Store, audio_dir: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._audio_dir, self._monotonic = store, audio_dir, monotonic
        self._lock = asyncio.Lock()
        self._kept: OrderedDict[Asked, tuple[Made, float]] = OrderedDict()

    async def get(self, asked: Asked) -> Made:
        """Raises ValueError for days in the wrong order, StoreError when the store cannot be read."""
        talks = asked.talks(datetime.now(UTC))
        # One after the other: pandas holds the interpreter, which talks need every 80 ms.
        async with self._lock:
            kept = self._kept.get(asked)
            if kept is None or self._monotonic() - kept[1] > FRESH_S:
                kept = await asyncio.to_thread(self._make, asked, talks), self._monotonic()
                self._kept[asked] = kept
                self._kept.move_to_end(asked)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return kept[0]

    def _make(self, asked: Asked, talks: Talks) -> Made:
        began_s = self._monotonic()
        source = StoreSource(self._store, self._audio_dir, talks)
        count = int(source.frame("SELECT count(*) AS n FROM sessions")["n"].iloc[0])
        report = talks_report(source)
        told = dataclasses.replace(report, facts={"chosen": asked.told, **report.facts})
        return Made(told, count, datetime.now(UTC), (self._monotonic() - began_s) * 1_000)
