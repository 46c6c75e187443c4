"""Wrong passwords are counted: so many a minute from one address, and so many from everywhere that nobody came in from before."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from workbench.api.allowance import Allowance

FAILURES_PER_MINUTE = 10
FAILURES_EVERYWHERE_PER_MINUTE = 120
"""Beyond it no address that is new is listened to for a moment; one that has given a right password goes on."""
KNOWN_MAX = 1_000
_EVERYWHERE = "everywhere"


class Guesses:
    """A stranger who guesses locks out that stranger's address, never somebody who comes from another."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._mine = Allowance(FAILURES_PER_MINUTE, monotonic=monotonic)
        self._all = Allowance(FAILURES_EVERYWHERE_PER_MINUTE, monotonic=monotonic)
        self._known: OrderedDict[str, None] = OrderedDict()

    def locked(self, address: str) -> bool:
        """Whether a password from there is not even looked at."""
        if self._mine.wait_s(address) > 0:
            return True
        return address not in self._known and self._all.wait_s(_EVERYWHERE) > 0

    def wrong(self, address: str) -> None:
        self._mine.take(address)
        self._all.take(_EVERYWHERE)

    def right(self, address: str) -> None:
        self._known[address] = None
        self._known.move_to_end(address)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
