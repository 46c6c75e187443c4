from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.private_postgres import PrivatePostgres
from workbench.store.base import StoreError
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.migrate import Migration, load_migrations, migrate, migrations_dir
from workbench.store.tables import TABLES

ORIGINAL = {
    "voice_sessions": "id session_id conversation_id mode persona voice_prompt started_at ended_at is_active metadata",
    "voice_turns": "id turn_id session_id speaker text duration_ms timestamp",
    "voice_tool_invocations": "id invocation_id session_id agent action status latency_ms started_at",
    "voice_barge_in_events": "id event_id session_id cancelled_text timestamp",
}
COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_name LIKE 'voice%' ORDER BY 1, ordinal_position"


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.fixture
def empty(postgres: PrivatePostgres) -> str:
    return postgres.new_database()


def connect_postgres(address: str) -> Any:
    import psycopg

    return psycopg.connect(address, autocommit=True, cursor_factory=psycopg.RawCursor)


def test_every_file_is_applied_once_and_in_order(duck: duckdb.DuckDBPyConnection) -> None:
    applied = migrate(duck)
    assert applied == [path.stem for path in sorted(migrations_dir().glob("*.sql"))]
    assert applied[0] == "004_voice_sessions"
    assert migrate(duck) == []


def test_the_original_tables_keep_their_names_and_columns(duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck)
    found: dict[str, list[str]] = {}
    for table, column in duck.execute(COLUMNS).fetchall():
        found.setdefault(table, []).append(column)
    for table, columns in ORIGINAL.items():
        assert found[table][: len(columns.split())] == columns.split()
    assert set(TABLES) <= set(found)


def test_the_original_values_still_pass_the_checks(duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck)
    duck.execute("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ('s', 'c', 'elevenlabs')")
    duck.execute("INSERT INTO voice_turns (turn_id, session_id, speaker) VALUES ('t', 's', 'myca')")
    duck.execute("INSERT INTO voice_tool_invocations (invocation_id, session_id, agent, status) VALUES ('i', 's', 'a', 'running')")
    assert duck.execute("SELECT persona, is_active, metadata FROM voice_sessions").fetchall() == [("myca", True, "{}")]
    with pytest.raises(duckdb.ConstraintException):
        duck.execute("INSERT INTO voice_sessions (session_id, conversation_id, mode) VALUES ('s2', 'c', 'telepathy')")


def test_stats_of_an_empty_store_are_zero(duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck)
    assert duck.execute("SELECT * FROM voice_session_stats").fetchall() == [(0, 0, 0, 0)]


def test_a_changed_file_is_refused(duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck, [Migration("001_a", "CREATE TABLE a (n INTEGER)")])
    with pytest.raises(StoreError, match=r"001_a was changed after it was applied.*next number"):
        migrate(duck, [Migration("001_a", "CREATE TABLE a (n BIGINT)"), Migration("002_b", "CREATE TABLE b (n INTEGER)")])
    assert duck.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'b'").fetchall() == [(0,)]


def test_a_database_of_a_newer_version_is_refused(duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck, [Migration("001_a", "SELECT 1"), Migration("002_b", "SELECT 1")])
    with pytest.raises(StoreError, match=r"does not know: 002_b\. Update the workbench"):
        migrate(duck, [Migration("001_a", "SELECT 1")])


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(duck: duckdb.DuckDBPyConnection) -> None:
    good = Migration("001_a", "CREATE TABLE a (n INTEGER)")
    with pytest.raises(duckdb.Error):
        migrate(duck, [good, Migration("002_b", "CREATE TABLE b (n INTEGER); CREATE TABLE a (n INTEGER);")])
    assert duck.execute("SELECT version FROM schema_migrations").fetchall() == [("001_a",)]
    assert migrate(duck, [good, Migration("002_b", "CREATE TABLE b (n INTEGER)")]) == ["002_b"]


def test_line_ends_do_not_change_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "unix").mkdir()
    (tmp_path / "dos").mkdir()
    (tmp_path / "unix" / "001_a.sql").write_bytes(b"SELECT 1;\nSELECT 2;\n")
    (tmp_path / "dos" / "001_a.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    assert load_migrations(tmp_path / "unix")[0].sha256 == load_migrations(tmp_path / "dos")[0].sha256


def test_two_files_with_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "001_a.sql").write_text("SELECT 1")
    (tmp_path / "001_b.sql").write_text("SELECT 1")
    with pytest.raises(StoreError, match="share a number"):
        load_migrations(tmp_path)


def test_files_have_no_byte_order_mark() -> None:
    assert not [path.name for path in migrations_dir().glob("*.sql") if path.read_bytes().startswith(b"\xef\xbb\xbf")]


def test_postgres_takes_the_same_files_through_the_runner(empty: str, duck: duckdb.DuckDBPyConnection) -> None:
    migrate(duck)
    with connect_postgres(empty) as connection:
        assert len(migrate(connection)) == len(load_migrations())
        assert migrate(connection) == []
        assert connection.execute(COLUMNS).fetchall() == duck.execute(COLUMNS).fetchall()
        assert connection.execute("SELECT * FROM voice_session_stats").fetchall() == [(0, 0, 0, 0)]
        with pytest.raises(StoreError, match="was changed after it was applied"):
            migrate(connection, [Migration(migration.version, f"{migration.sql} ") for migration in load_migrations()])


def test_postgres_takes_the_same_files_through_psql_twice_and_then_the_runner(empty: str) -> None:
    files = [part for path in sorted(migrations_dir().glob("*.sql")) for part in ("-f", path)]
    for _ in range(2):
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", empty, *files], check=True, capture_output=True)
    with connect_postgres(empty) as connection:
        assert len(migrate(connection)) == len(load_migrations())


def test_the_runner_says_when_a_folder_has_no_migrations(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no migrations in"):
        load_migrations(tmp_path)


def test_a_store_of_a_newer_version_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    DuckDbStore(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_migrations (version, sha256) VALUES ('999_later', 'x')")
    with pytest.raises(StoreError, match="999_later"):
        DuckDbStore(path)


def test_an_installed_wheel_carries_its_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "workbench"
    (package / "_migrations").mkdir(parents=True)
    (tmp_path / "migrations").mkdir()
    monkeypatch.setattr("workbench.__file__", str(package / "__init__.py"))
    assert migrations_dir() == package / "_migrations"
    (package / "_migrations").rmdir()
    assert migrations_dir() == tmp_path / "migrations"
    (tmp_path / "migrations").rmdir()
    with pytest.raises(StoreError, match="Install the package again"):
        migrations_dir()
