"""`workbench retain`, on a store of its own."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from tests.store.talks_in_store import keep
from workbench.cli import app
from workbench.store.duckdb_store import DuckDbStore


def test_nothing_goes_without_yes(tmp_path: Path) -> None:
    var = tmp_path / "var"
    store = DuckDbStore(var / "workbench.duckdb")
    keep(store, var / "audio", "old", frames=5)
    store.close()

    def retain(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["retain", *arguments, "--data-dir", str(var)])

    assert "--dry-run" in retain("--keep-days", "1").stderr
    assert "--keep-days" in retain("--yes").stderr
    told = retain("--keep-days", "1", "--dry-run")
    assert (told.exit_code, told.stdout.startswith("Would remove 1 talks whole")) == (0, True)
    assert "old" in told.stderr
    assert (var / "audio" / "old.flac").is_file()
    done = retain("--keep-days", "1", "--yes", "--json")
    assert json.loads(done.stdout)["talks"] == 1
    assert not list((var / "audio").iterdir())
    assert "Removed 0 talks" in retain("--keep-days", "1", "--yes").stdout
