"""Values of labels, bounded: every new value is a new time series for as long as the process lives."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Container

OTHER = "other"
"""Stands for every value that is not let in."""
MAX_VALUES = 200
_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


class Bounded:
    """Lets in names that are known, and of those the first `limit`: an MCP server may rename its tools as often as it likes."""

    def __init__(self, known: Callable[[], Container[str]] | None = None, limit: int = MAX_VALUES) -> None:
        """`known`: asked at every new value; None where our own code chooses the values."""
        self._known = known
        self._limit = limit
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        """The value itself, or `other`."""
        if value in self._seen:
            return value
        if not _SHAPE.fullmatch(value) or (self._known is not None and value not in self._known()):
            return OTHER
        with self._lock:
            if len(self._seen) >= self._limit:
                return OTHER
            self._seen.add(value)
        return value
