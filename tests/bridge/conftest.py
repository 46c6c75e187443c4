from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest


@pytest.fixture
def noon() -> Callable[[], datetime]:
    """A Friday, five past noon in Greenwich."""
    return lambda: datetime(2026, 1, 2, 12, 5, tzinfo=UTC)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Lets a thread go on; set in any case at the end, so that a failed test leaves no thread behind."""
    event = threading.Event()
    yield event
    event.set()
