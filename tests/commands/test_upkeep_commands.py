"""`workbench export` and `rescore` beside a running server: it holds the database, so they ask it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from served import Served, run_cli

from tests.store.talks_in_store import keep
from workbench.store.duckdb_store import DuckDbStore


async def test_beside_a_server_the_commands_ask_it(servers: list[Served], free_port: int, tmp_path: Path) -> None:
    var = tmp_path / "var"
    store = DuckDbStore(var / "workbench.duckdb")
    keep(store, var / "audio", "heard", frames=3)
    store.close()
    served = Served(free_port, var)
    servers.append(served)
    served.wait_until_ready()

    locked = run_cli("export", "out", "--data-dir", var, cwd=tmp_path)
    assert locked.returncode == 2
    assert "--url http://HOST:PORT" in locked.stderr
    assert not (tmp_path / "out").exists()

    done = run_cli("export", "out", "--url", served.url, "--audio", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["turns"] == 2
    assert (tmp_path / "out" / "audio" / "heard.flac").is_file()
    again = run_cli("export", "out", "--url", served.url, cwd=tmp_path)
    assert "--replace" in again.stderr

    scored = run_cli("rescore", "--all", "--url", served.url, "--json", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["without_speech"] == 1
    assert await served.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("command", [("export", "out"), ("rescore",)])
def test_a_server_that_is_not_there_is_said(command: tuple[str, ...], tmp_path: Path, free_port: int) -> None:
    done = run_cli(*command, "--url", f"http://127.0.0.1:{free_port}", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
