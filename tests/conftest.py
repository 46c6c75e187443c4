"""Puts this folder on the path of all tests, so that they find `servers` and `ws_talks`; and the databases that tests run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.private_postgres import PrivatePostgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, one of them would keep a single worker busy at the end of a run."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A PostgreSQL server that this worker's tests share, each with a database of its own."""
    server = PrivatePostgres()
    yield server
    server.close()


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of either engine in turn, as the setting `db` names it."""
    if request.param == "duckdb":
        yield str(tmp_path / "talks.duckdb")
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with server.lent_store_database() as address:
        yield address
