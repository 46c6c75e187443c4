"""What is too old or too much is removed, every ten minutes, by the server itself."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from workbench.assembly import Workbench
from workbench.store import retention
from workbench.store.base import StoreError
from workbench.store.retention import Removed, Rules

log = logging.getLogger(__name__)

EVERY_S = 600.0
FIRST_S = 30.0
"""After the start, when nobody waits for the server any more."""
PAUSE_S = 0.2
"""Between two removals: rows of talks that go on are written meanwhile."""


class Retention:
    """One removal at a time, whoever asks. `counts`: what has gone since the start."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._lock = asyncio.Lock()
        self.counts: Counter[str] = Counter()

    async def retain(self, rules: Rules, *, dry_run: bool) -> tuple[list[retention.Doomed], Removed]:
        """Raises StoreError."""
        store, audio_dir = self._workbench.store, self._workbench.settings.audio_dir
        async with self._lock:
            doomed = await asyncio.to_thread(retention.plan, store, audio_dir, rules)
            done = Removed()
            if dry_run:
                for one in doomed:
                    done.add(one)
            elif doomed:
                done = await asyncio.to_thread(retention.carry_out, store, audio_dir, doomed, retention.pauses(PAUSE_S))
                self.counts.update({"talks": done.talks, "sounds": done.sounds, "strays": done.strays, "bytes": done.bytes})
                log.info("retention removed %s", done.told)
                for session_id, why in done.failed.items():
                    log.warning("retention leaves %s for now: %s", session_id, why)
            return doomed, done

    async def run(self) -> None:
        """Keeps to the settings, for as long as the server runs."""
        rules = Rules.of(self._workbench.settings)
        if not rules.any:
            return
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.retain(rules, dry_run=False)
            except StoreError as error:
                log.error("retention could not look: %s", error)
            await asyncio.sleep(EVERY_S)
