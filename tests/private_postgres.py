"""A PostgreSQL server of one's own for tests: on a free port, without durability, thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN_BINS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class PrivatePostgres:
    """A running server. Skips the test when PostgreSQL is not on this machine."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg_pool", reason="psycopg is not installed (extra `postgres`)")
        initdb = shutil.which("initdb") or (shutil.which("initdb", path=str(DEBIAN_BINS[-1])) if DEBIAN_BINS else None)
        if not initdb or not shutil.which("psql"):
            pytest.skip("initdb or psql is not on this machine (Debian: apt install postgresql)")
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            # initdb refuses root, and the server's own user must be able to walk to its folder.
            if not shutil.which("runuser") or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
                pytest.skip("root cannot start PostgreSQL: runuser or the user postgres is not on this machine")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        # Not below pytest's own folder: every run of pytest closes that one to all users but its own.
        self._root = Path(tempfile.mkdtemp(prefix="workbench-postgres-"))
        if self._as_user:
            shutil.chown(self._root, "postgres")
        self._data = self._root / "data"
        self._pg_ctl = str(Path(initdb).resolve().parent / "pg_ctl")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run(
            initdb, "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"
        )
        self._free: list[str] = []
        self.start()

    @property
    def url(self) -> str:
        """The server's address without the name of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._root} -c max_connections=200 "
            "-c fsync=off -c full_page_writes=off -c autovacuum=off -c shared_buffers=16MB "
            "-c min_wal_size=2MB -c max_wal_size=32MB"
        )
        self._run(self._pg_ctl, "-D", self._data, "-l", self._root / "log", "-w", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """`fast`: connections are cut, what is committed stays. `immediate`: as a crash."""
        self._run(self._pg_ctl, "-D", self._data, "-m", how, "-w", "stop")

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"t{uuid.uuid4().hex}"
        self.ask(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    @contextmanager
    def lent_store_database(self) -> Iterator[str]:
        """The address of a database with every migration applied and no rows. It is emptied and lent again: making one takes long."""
        from workbench.store.postgres_store import PostgresStore

        if not self._free:
            self._free.append(self.new_database())
            PostgresStore(self._free[-1]).close()
        address = self._free.pop()
        yield address
        self._empty(address)
        self._free.append(address)

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs one statement as the superuser."""
        import psycopg

        with psycopg.connect(f"{self.url}/{database}", autocommit=True) as admin:
            cursor = admin.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def cut_connections(self, database: str) -> None:
        """Ends every connection to one database, as an administrator or a network would."""
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()")

    def close(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self._root)

    def _empty(self, address: str) -> None:
        from workbench.store.tables import TABLES

        name = address.rpartition("/")[2]
        self.cut_connections(name)
        self.ask("; ".join(f"DELETE FROM {table}" for table in reversed(TABLES)), name)

    def _run(self, *command: object) -> None:
        subprocess.run([*self._as_user, *map(str, command)], check=True, capture_output=True, cwd=self._root)
