from __future__ import annotations

from collections.abc import Iterator

import pytest

from workbench.store.base import Store
from workbench.store.opening import open_store


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An empty store, of either engine in turn."""
    store = open_store(database)
    yield store
    store.close()
