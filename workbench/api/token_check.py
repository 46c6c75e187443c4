"""Tokens as they come with requests: asked of the store, and believed for a moment."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from workbench.store import tokens
from workbench.store.base import Store
from workbench.store.tokens import TokenRole

FRESH_S = 5.0
"""A token that was revoked, by whatever process, is refused after this at the latest."""
KEPT_MAX = 1_000


class TokenCheck:
    """The roles of tokens, over one store."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[TokenRole, float]] = OrderedDict()

    async def role(self, secret: str) -> TokenRole | None:
        """None for one that does not hold. Raises StoreError when the store cannot be asked."""
        name, now_s = tokens.hashed(secret), self._monotonic()
        kept = self._known.get(name)
        if kept is not None and now_s - kept[1] < FRESH_S:
            return kept[0]
        self._known.pop(name, None)
        role = await asyncio.to_thread(tokens.role_of, self._store, secret)
        if role is not None:
            self._known[name] = role, now_s
            while len(self._known) > KEPT_MAX:
                self._known.popitem(last=False)
        return role
