"""How much of the talks one address may have: so many begun a minute, so many at once, so many seconds an hour."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.api.allowance import Allowance
from workbench.api.limits import Refusals, limited
from workbench.api.visitor import VISITOR, Visitor
from workbench.conversation.port import TalkRefused
from workbench.sessions import LiveTalk
from workbench.settings import Settings

CHUNK_S = 30.0
"""Talk time is paid for ahead, this much at a time."""


class Place:
    """One place of an address, before and while there is a talk in it."""

    def __init__(self, quota: TalkQuota, address: str) -> None:
        self._quota = quota
        self._address = address
        self._metering: asyncio.Task[None] | None = None
        self.held = False

    def hold(self, talk: LiveTalk) -> None:
        """From now on the place is the talk's, until its end; what it takes is counted meanwhile."""
        if talk.task is None:
            return
        self.held = True
        self._metering = asyncio.create_task(self._quota.meter(self._address, talk), name=f"quota-{talk.session_id}")
        talk.task.add_done_callback(self._over)

    def _over(self, _task: object) -> None:
        if self._metering is not None:
            self._metering.cancel()
        self._quota.leave(self._address)


class TalkQuota:
    """Counts talks by the address that opens them; whoever is not limited (`limits.limited`) is not counted."""

    def __init__(self, settings: Settings, refusals: Refusals, *, chunk_s: float = CHUNK_S) -> None:
        self._settings = settings
        self._refusals = refusals
        self._chunk_s = chunk_s
        self._begun = Allowance(settings.limit_talks_per_minute)
        self._seconds = Allowance(settings.limit_talk_s_per_hour, 3_600.0)
        self._live: Counter[str] = Counter()

    @contextmanager
    def place(self) -> Iterator[Place | None]:
        """A place for a talk of whoever asks now; None when nothing is counted for them. It is given back at the end of the block
        unless a talk holds it.

        Raises TalkRefused: `rate_limited` or `quota`.
        """
        visitor = VISITOR.get()
        if visitor is None or not limited(self._settings, visitor):
            yield None
            return
        self._admit(visitor)
        place = Place(self, visitor.counted)
        self._live[visitor.counted] += 1
        try:
            yield place
        finally:
            if not place.held:
                self.leave(visitor.counted)

    def _admit(self, visitor: Visitor) -> None:
        address, most = visitor.counted, self._settings.limit_talks_at_once
        if self._live[address] >= most:
            self._refuse(
                "talks at once", address, "quota", f"Your address has {most} talks going on, as many as it may have. End one first."
            )
        if wait_s := self._seconds.wait_s(address, min(self._chunk_s, self._seconds.amount)):
            minutes = math.ceil(wait_s / 60)
            self._refuse(
                "talk time", address, "quota", f"Your address has used up its talk time of this hour. Try again in {minutes} minutes."
            )
        if wait_s := self._begun.take(address):
            self._refuse("talks", address, "rate_limited", f"Your address begins too many talks. Try again in {math.ceil(wait_s)} s.")

    def _refuse(self, kind: str, address: str, code: str, message: str) -> None:
        self._refusals.add(kind, address)
        raise TalkRefused(code, message)

    def leave(self, address: str) -> None:
        """One place of the address is free again."""
        self._live[address] -= 1
        if self._live[address] <= 0:
            del self._live[address]

    async def meter(self, address: str, talk: LiveTalk) -> None:
        """Pays for a talk while it goes on, and ends it when nothing is left."""
        chunk_s = min(self._chunk_s, self._seconds.amount)
        while True:
            if self._seconds.take(address, chunk_s):
                break
            await asyncio.sleep(chunk_s)
        self._refusals.add("talk time", address)
        talk.conversation.hang_up("time_limit", "The talk time of this address is used up for now (WORKBENCH_LIMIT_TALK_S_PER_HOUR).")
