from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.store.duckdb_store import DuckDbStore

DEBIAN_BINS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDbStore]:
    store = DuckDbStore(tmp_path / "talks.duckdb")
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of an empty, throw-away PostgreSQL server, without a database name."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra `postgres`)")
    initdb = shutil.which("initdb") or (shutil.which("initdb", path=str(DEBIAN_BINS[-1])) if DEBIAN_BINS else None)
    if not initdb or not shutil.which("psql"):
        pytest.skip("initdb or psql is not on this machine (Debian: apt install postgresql)")
    as_user: list[str] = []
    if os.geteuid() == 0:
        # initdb refuses root, and the server's own user must be able to walk to its folder.
        if not shutil.which("runuser") or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
            pytest.skip("root cannot start PostgreSQL: runuser or the user postgres is not on this machine")
        as_user = ["runuser", "-u", "postgres", "--"]
    # Not below pytest's own folder: every run of pytest closes that one to all users but its own.
    root = Path(tempfile.mkdtemp(prefix="workbench-postgres-"))
    if as_user:
        shutil.chown(root, "postgres")
    data = root / "data"
    pg_ctl = str(Path(initdb).resolve().parent / "pg_ctl")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        [*as_user, initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=root,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root} -c fsync=off"
    subprocess.run(
        [*as_user, pg_ctl, "-D", data, "-l", root / "log", "-w", "-o", options, "start"], check=True, cwd=root, capture_output=True
    )
    yield f"postgresql://postgres@127.0.0.1:{port}"
    subprocess.run([*as_user, pg_ctl, "-D", data, "-m", "fast", "-w", "stop"], check=True, capture_output=True, cwd=root)
    shutil.rmtree(root)
