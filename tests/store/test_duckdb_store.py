from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDbStore]:
    store = DuckDbStore(tmp_path / "talks.duckdb")
    yield store
    store.close()


def test_no_extension_is_fetched_from_the_network(store: DuckDbStore) -> None:
    found = store.query(
        "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions' OR name = 'threads' ORDER BY name"
    )
    assert [row["value"] for row in found] == ["false", "false", "1"]


def test_a_file_held_by_another_process_is_refused_with_its_pid(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    hold = (
        "import sys; from workbench.store.duckdb_store import DuckDbStore; "
        "DuckDbStore(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"held by process {holder.pid} .*--db"):
            DuckDbStore(path)
        holder.communicate()
    DuckDbStore(path).close()


def test_a_second_store_in_this_process_is_refused(store: DuckDbStore) -> None:
    with pytest.raises(StoreError, match="already open in this process"):
        DuckDbStore(store.path)


@pytest.mark.parametrize("name", ["text.duckdb", "folder.duckdb", "text.duckdb/below.duckdb"])
def test_what_cannot_be_a_database_is_refused_with_a_mend(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.duckdb").write_text("these are no tables" * 1_000)
    (tmp_path / "folder.duckdb").mkdir()
    with pytest.raises(StoreError, match="--db"):
        DuckDbStore(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_refused_with_a_mend(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Check that the file and its folder can be written"):
        DuckDbStore(tmp_path / "a.duckdb")


def test_a_full_disk_is_said_once_and_rows_wait_for_space(tmp_path: Path) -> None:
    child = Path(__file__).with_name("full_disk_child.py")
    ran = subprocess.run([sys.executable, child, tmp_path / "full.duckdb"], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert len(said["told"]) == 1
    assert "The disk is full: free some space; writing goes on by itself." in said["told"][0]
    assert "rows wait in memory" in said["failure"]
    assert said["readable"] > 0
    assert 0 < said["waiting"] <= 2 * 5_000 + 1, "what waits is bounded, and what is being tried"
    assert said["lost_after"] > 0
    assert said["failure_after"] is None
    store = DuckDbStore(tmp_path / "full.duckdb")
    (kept,) = store.query("SELECT count(*) AS n FROM voice_events")
    assert kept["n"] + said["lost_after"] == said["sent"]
    store.close()
