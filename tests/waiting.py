"""Waiting for a state, never for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], limit_s: float = 30.0) -> None:
    """Waits for a state that sets no event: of a file, another thread or another process. Raises TimeoutError when it does not come."""
    async with asyncio.timeout(limit_s):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of ours
            await asyncio.sleep(0.01)
