from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest


@pytest.fixture
def noon() -> Callable[[], datetime]:
    """A Friday, five past noon in Greenwich."""
    return lambda: datetime(2026, 1, 2, 12, 5, tzinfo=UTC)
