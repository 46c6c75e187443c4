from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.analysis.known_talks import fill
from tests.private_postgres import PrivatePostgres
from workbench.analysis.source import ExportSource, Source, StoreSource
from workbench.store.base import Store
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import export
from workbench.store.opening import open_store


@pytest.fixture(scope="session")
def known_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbStore]:
    store = DuckDbStore(tmp_path_factory.mktemp("known") / "talks.duckdb")
    fill(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def known_export(known_store: DuckDbStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(known_store, Path("unused"), tmp_path_factory.mktemp("known") / "export").folder


@pytest.fixture(scope="session")
def known_postgres(postgres: PrivatePostgres) -> Iterator[Store]:
    with postgres.lent_store_database() as address:
        store = open_store(address)
        fill(store)
        yield store
        store.close()


@pytest.fixture(scope="session", params=["export", "store", "postgres"])
def source(request: pytest.FixtureRequest) -> Source:
    """The same talks, asked in every way."""
    if request.param == "export":
        return ExportSource(request.getfixturevalue("known_export"))
    store: Store = request.getfixturevalue("known_store" if request.param == "store" else "known_postgres")
    return StoreSource(store, Path("unused"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Source:
    store = DuckDbStore(":memory:")
    folder = export(store, Path("unused"), tmp_path_factory.mktemp("empty") / "export").folder
    store.close()
    return ExportSource(folder)
