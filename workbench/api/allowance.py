"""So much in a period, for each of many: what is used up comes back evenly, not at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

KEYS_MAX = 10_000


class Allowance:
    """`amount` in `per_s` seconds for every key, all of it at once where somebody wants to (the generic cell rate algorithm).

    One number is kept for a key, and of `keys_max` keys the one that asked longest ago is forgotten first: whoever has that many
    addresses is not held up by any count of addresses, and must not fill the memory.
    """

    def __init__(
        self, amount: float, per_s: float = 60.0, *, keys_max: int = KEYS_MAX, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if amount <= 0:
            raise ValueError(f"an allowance is more than 0; this one is {amount}")
        self.amount = amount
        self.per_s = per_s
        self._keys_max = keys_max
        self._monotonic = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the whole amount is there again."""

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, cost: float = 1.0) -> float:
        """Takes `cost` and gives 0.0; or takes nothing and gives the seconds until there is enough."""
        wait_s = self.wait_s(key, cost)
        if wait_s <= 0:
            self._full_at[key] = max(self._full_at.get(key, 0.0), self._monotonic()) + cost * self.per_s / self.amount
            self._full_at.move_to_end(key)
            while len(self._full_at) > self._keys_max:
                self._full_at.popitem(last=False)
            return 0.0
        return wait_s

    def wait_s(self, key: str, cost: float = 1.0) -> float:
        """Seconds until `cost` could be taken; 0.0 when it can be now."""
        now_s = self._monotonic()
        full_at_s = max(self._full_at.get(key, 0.0), now_s)
        # Two roundings of a float may leave a hair.
        wait_s = full_at_s + cost * self.per_s / self.amount - self.per_s - now_s
        return wait_s if wait_s > 1e-6 else 0.0
