"""What PostgreSQL adds to the promises of a store: a server that goes away and comes back, processes that start at once, a password."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.private_postgres import PrivatePostgres
from tests.store.rows import event, session, wait_for
from workbench.settings import Settings
from workbench.store.address import shown
from workbench.store.base import Store, StoreError
from workbench.store.migrate import load_migrations
from workbench.store.opening import open_store
from workbench.store.rescore import rescore

PASSWORD = "hunter2-is-secret"


@pytest.fixture
def address(postgres: PrivatePostgres) -> Iterator[str]:
    with postgres.lent_store_database() as address:
        yield address


@pytest.fixture
def own_server() -> Iterator[PrivatePostgres]:
    """A server that may be stopped."""
    server = PrivatePostgres()
    yield server
    server.close()


def wait_until(holds: Callable[[], bool]) -> bool:
    pause = threading.Event()
    for _ in range(600):
        if holds():
            return True
        pause.wait(0.05)
    return False


def until_it_writes(store: Store) -> None:
    assert wait_until(lambda: store.failure is None and store.waiting_rows == 0), store.failure


def test_rows_given_while_the_server_is_away_are_there_when_it_is_back(
    own_server: PrivatePostgres, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    store = open_store(own_server.new_database(), flush_s=0.05, on_failure=told.append)
    store.append("voice_sessions", session(), urgent=True)
    sent = 0

    def send(rows: int) -> None:
        nonlocal sent
        for _ in range(rows):
            store.append("voice_events", event(sent))
            sent += 1

    for how in ("fast", "immediate"):
        send(200)
        own_server.stop(how)
        send(200)
        with pytest.raises(StoreError, match="Start the server"):
            store.flush()
        with pytest.raises(StoreError, match=r"Start the server|Look whether the server runs"):
            store.query("SELECT 1")
        assert store.failure is not None
        assert "wait in memory, 0 are lost" in store.failure
        own_server.start()
        until_it_writes(store)
    found = store.query("SELECT seq FROM voice_events ORDER BY seq")
    assert [row["seq"] for row in found] == list(range(sent))
    assert store.lost_rows == 0
    assert len(told) == 2, "once for each time that writing begins to fail"
    store.close()
    assert caplog.text.count("the store writes again") == 2


def test_connections_that_are_cut_lose_no_row_and_fail_no_write(postgres: PrivatePostgres, address: str) -> None:
    store = open_store(address, flush_s=0.01)
    store.append("voice_sessions", session(), urgent=True)
    store.flush()
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.1):
            postgres.cut_connections(address.rpartition("/")[2])

    cutter = threading.Thread(target=cut)
    cutter.start()
    for seq in range(3_000):
        store.append("voice_events", event(seq))
        if seq % 10 == 0:
            stop.wait(0.002)
    stop.set()
    cutter.join()
    until_it_writes(store)
    (found,) = store.query("SELECT count(*) AS n, count(DISTINCT seq) AS seqs FROM voice_events")
    assert found == {"n": 3_000, "seqs": 3_000}
    assert store.lost_rows == 0
    postgres.cut_connections(address.rpartition("/")[2])
    store.write(("UPDATE voice_sessions SET engine = $1", ["echo"]))
    assert store.query("SELECT engine FROM voice_sessions") == [{"engine": "echo"}]
    store.close()


def test_a_commit_whose_answer_was_lost_is_not_done_twice(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.store.postgres_store import PostgresStore

    store = PostgresStore(address, flush_s=0.02)
    insert = store._insert
    broken = threading.Event()

    def committed_unheard(table: object, rows: object, *, again: bool) -> None:
        insert(table, rows, again=again)  # type: ignore[arg-type]
        if not broken.is_set():
            broken.set()
            store._connected().execute("COMMIT")
            store._drop_writer()

    store.append("voice_sessions", session(), urgent=True)
    store.flush()
    monkeypatch.setattr(store, "_insert", committed_unheard)
    for seq in range(50):
        store.append("voice_events", event(seq))
    assert broken.wait(30)
    until_it_writes(store)
    assert store.query("SELECT count(*) AS n FROM voice_events") == [{"n": 50}]
    assert store.lost_rows == 0
    store.close()


def test_memory_is_bounded_while_the_server_is_away(own_server: PrivatePostgres) -> None:
    from workbench.store.postgres_store import PostgresStore

    store = PostgresStore(own_server.new_database(), flush_s=0.02, waiting_rows_max=1_000)
    store.append("voice_sessions", session(), urgent=True)
    store.flush()
    own_server.stop()
    for seq in range(5_000):
        store.append("voice_events", event(seq))
    assert wait_until(lambda: store.failure is not None)
    assert store.waiting_rows <= 2_000
    assert store.lost_rows >= 3_000
    own_server.start()
    until_it_writes(store)
    (found,) = store.query("SELECT count(*) AS n FROM voice_events")
    assert found["n"] + store.lost_rows == 5_000
    store.close()


def test_a_question_that_takes_too_long_is_ended(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.store.postgres_store.READ_TIMEOUT_MS", 100)
    store = open_store(address)
    with pytest.raises(StoreError, match=r"statement timeout.*ask for less"):
        store.query("SELECT pg_sleep(60)")
    store.close()


def test_a_question_changes_nothing(address: str) -> None:
    store = open_store(address)
    with pytest.raises(StoreError, match="read-only"):
        store.query("DELETE FROM voice_sessions")
    store.close()


def test_a_dozen_pages_ask_at_once(address: str) -> None:
    store = open_store(address)
    store.append("voice_sessions", session())
    store.flush()
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(store.query("SELECT pg_sleep(0.05), 1 AS n")[0]["n"])) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 24
    store.close()


def test_two_processes_may_bring_an_empty_database_up_to_date_at_once(postgres: PrivatePostgres) -> None:
    empty = postgres.new_database()
    command = [sys.executable, "-c", "import sys; from workbench.store.opening import open_store; open_store(sys.argv[1]).close()", empty]
    starting = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.wait(120), process.communicate()[1]) for process in starting] == [(0, "")] * 3
    applied = postgres.ask("SELECT version FROM schema_migrations ORDER BY version", empty.rpartition("/")[2])
    assert [row[0] for row in applied] == [migration.version for migration in load_migrations()]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("postgres:{0}@127.0.0.1:{1}/no_such_database", "createdb no_such_database"),
        ("postgres:{0}@127.0.0.1:1/x", "look at host and port"),
        ("nobody:{0}@127.0.0.1:{1}/postgres", "Look at user and password"),
        ("postgres:{0}@x@127.0.0.1:{1}/postgres", "written as %40"),
        ("postgres:{0}%zz@127.0.0.1:{1}/postgres", "Write postgresql://USER"),
        ("127.0.0.1:{1}/postgres?password={0}&nonsense=1", "Write postgresql://USER"),
    ],
)
def test_the_password_is_in_no_refusal(postgres: PrivatePostgres, place: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StoreError, match=said) as refused:
        open_store("postgresql://" + place.format(PASSWORD, postgres.port))
    fault: BaseException | None = refused.value
    while fault is not None:
        assert PASSWORD not in str(fault)
        fault = fault.__cause__
    assert PASSWORD not in caplog.text


def test_the_password_is_in_no_failure_either(own_server: PrivatePostgres, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    address = own_server.new_database().replace("postgres@", f"postgres:{PASSWORD}@")
    store = open_store(address, flush_s=0.05)
    own_server.stop()
    assert wait_until(lambda: store.failure is not None)
    with pytest.raises(StoreError) as refused:
        store.query("SELECT 1")
    for text in (store.failure, str(refused.value), caplog.text, repr(vars(store).get("name"))):
        assert text
        assert PASSWORD not in text
    own_server.start()
    store.close()


@pytest.mark.parametrize(
    ("database", "may_be_shown"),
    [
        ("var/workbench.duckdb", "var/workbench.duckdb"),
        ("postgresql://me:secret@db.lan:5433/talks?sslmode=require", "postgresql://me@db.lan:5433/talks"),
        ("postgres://db.lan/talks?user=me&password=secret", "postgresql://db.lan/talks"),
        ("postgresql:///talks", "postgresql:///talks"),
        ("postgresql://me:sec/ret@db.lan/talks", "postgresql://(an address that is not well formed)"),
        ("postgresql://me:se@cret@db.lan/talks", "postgresql://(an address that is not well formed)"),
    ],
)
def test_what_is_shown_of_an_address(database: str, may_be_shown: str) -> None:
    assert shown(database) == may_be_shown


def test_without_psycopg_the_one_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.store.opening.find_spec", lambda _name: None)
    with pytest.raises(StoreError, match=r"postgresql://me@h/x needs psycopg.*uv sync --extra postgres"):
        open_store(f"postgresql://me:{PASSWORD}@h/x")


def test_tables_of_somebody_else_are_told(postgres: PrivatePostgres) -> None:
    taken = postgres.new_database()
    postgres.ask("CREATE TABLE voice_sessions (id SERIAL PRIMARY KEY, session_id VARCHAR(64) UNIQUE NOT NULL)", taken.rpartition("/")[2])
    with pytest.raises(StoreError, match="a database of its own"):
        open_store(taken)


def test_two_stores_share_what_is_written(address: str) -> None:
    one, other = open_store(address), open_store(address)
    one.append("voice_sessions", session(is_active=False), urgent=True)
    assert wait_for(other, "SELECT session_id FROM voice_sessions") == [{"session_id": "s"}]
    assert rescore(other).without_speech == 1
    assert one.query("SELECT scored_by FROM voice_sessions")[0]["scored_by"] is not None
    one.close()
    other.close()


def test_what_commands_say_of_a_database_holds_no_password(address: str, tmp_path: Path) -> None:
    secret = address.replace("postgres@", f"postgres:{PASSWORD}@")
    said = []
    for command in (["migrate"], ["doctor", "--only", "database"], ["export", str(tmp_path / "out")]):
        run = [sys.executable, "-c", "from workbench.cli import main; main()", *command]
        environment = {**os.environ, "WORKBENCH_DB": secret, "WORKBENCH_DATA_DIR": str(tmp_path / "var")}
        ran = subprocess.run(run, capture_output=True, text=True, env=environment, check=False)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout + ran.stderr)
    assert f"{address} is up to date" in said[0]
    assert f"{address} opens" in " ".join(said[1].split())
    assert not any(PASSWORD in text for text in said)
    settings = Settings(_env_file=None, db=secret)
    assert PASSWORD not in repr(settings)
