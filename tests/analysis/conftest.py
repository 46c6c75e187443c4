from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.analysis.known_talks import fill
from workbench.analysis.source import ExportSource, Source, StoreSource
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import export


@pytest.fixture(scope="session")
def known_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbStore]:
    store = DuckDbStore(tmp_path_factory.mktemp("known") / "talks.duckdb")
    fill(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def known_export(known_store: DuckDbStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(known_store, Path("unused"), tmp_path_factory.mktemp("known") / "export").folder


@pytest.fixture(scope="session", params=["export", "store"])
def source(request: pytest.FixtureRequest, known_store: DuckDbStore, known_export: Path) -> Source:
    """The same talks, asked in both ways."""
    return StoreSource(known_store, Path("unused")) if request.param == "store" else ExportSource(known_export)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Source:
    store = DuckDbStore(":memory:")
    folder = export(store, Path("unused"), tmp_path_factory.mktemp("empty") / "export").folder
    store.close()
    return ExportSource(folder)
