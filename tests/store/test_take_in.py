"""Talks exported apart and taken back together are the talks exported together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tests.store.talks_in_store import keep
from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import SCHEMA_FILE, ExportOptions, export, read_schema
from workbench.store.ratings import rate
from workbench.store.take_in import take_in


@pytest.fixture
def store(tmp_path: Path) -> DuckDbStore:
    """Two talks of one persona on two days."""
    store = DuckDbStore(":memory:")
    keep(store, tmp_path / "audio", "first", when=datetime(2026, 1, 5, tzinfo=UTC), frames=20)
    keep(store, tmp_path / "audio", "second", when=datetime(2026, 2, 5, tzinfo=UTC))
    rate(store, "first", rater="ann", stars=4, note="")
    return store


def rows(folder: Path, table: str) -> list[str]:
    """Every row as text, in an order of its own."""
    if not list((folder / table).rglob("*.parquet")):
        return []
    read = f"SELECT * FROM read_parquet('{folder / table}/**/*.parquet', hive_partitioning = true)"
    return sorted(map(repr, duckdb.connect().execute(read).fetchall()))


def test_nothing_is_lost_on_the_way(tmp_path: Path, store: DuckDbStore) -> None:
    audio = tmp_path / "audio"
    export(store, audio, tmp_path / "whole")
    for session in ("first", "second"):
        export(store, audio, tmp_path / session, ExportOptions(sessions=[session]))
    store.close()
    together = DuckDbStore(":memory:")
    take_in(together, [tmp_path / "first", tmp_path / "second"])
    export(together, audio, tmp_path / "merged")
    together.close()
    tables = read_schema(tmp_path / "whole")["tables"]
    assert read_schema(tmp_path / "merged")["tables"] == tables
    assert {name: rows(tmp_path / "merged", name) for name in tables} == {name: rows(tmp_path / "whole", name) for name in tables}
    assert all(tables[name]["rows"] for name in ("sessions", "turns", "events", "frame_timings", "ratings", "personas", "frame_bins"))


def test_a_talk_that_is_there_and_another_schema_are_refused(tmp_path: Path, store: DuckDbStore) -> None:
    folder = export(store, tmp_path / "audio", tmp_path / "whole").folder
    with pytest.raises(StoreError, match=r"[Dd]uplicate key"):
        take_in(store, [folder])
    schema = json.loads((folder / SCHEMA_FILE).read_text())
    (folder / SCHEMA_FILE).write_text(json.dumps(schema | {"schema_version": "001_old"}))
    with pytest.raises(StoreError, match="was made with schema 001_old"):
        take_in(store, [folder])
    store.close()
