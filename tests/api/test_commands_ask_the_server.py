"""`workbench token` and `retain` beside a server that asks for a password: they go through its API, with the password or with a token."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deaf_asr import DeafAsr
from pydantic import SecretStr
from server_thread import ServerThread
from typer.testing import CliRunner, Result

from tests.store.talks_in_store import keep
from workbench.cli import app
from workbench.settings import Settings
from workbench.testing.tts import ToneTts


def test_by_token_and_by_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from anybody's `.env`
    settings = Settings(
        _env_file=None, data_dir=tmp_path / "var", personaplex_url=None, turn_fixed_hold_ms=500.0, password=SecretStr("x y")
    )
    with ServerThread(settings, DeafAsr(), [ToneTts(voices=("slt",))]) as server:
        keep(server.bench.store, settings.audio_dir, "old", when=datetime.now(UTC) - timedelta(days=40), frames=5)

        def ask(*arguments: str, **environment: str) -> Result:
            return CliRunner().invoke(app, [*arguments, "--url", server.url], env=environment)

        assert "refused" in ask("token", "list").stderr
        made = ask("token", "create", "night shift", "--role", "operator", "--days", "0", WORKBENCH_PASSWORD="x y")
        assert made.exit_code == 0, made.stderr
        secret = made.stdout.strip()
        told = ask("retain", "--keep-days", "30", "--dry-run", "--json", WORKBENCH_TOKEN=secret)
        assert json.loads(told.stdout)["going"][0]["session_id"] == "old", told.stderr
        done = ask("retain", "--keep-days", "30", "--yes", WORKBENCH_TOKEN=secret)
        assert done.stdout.startswith("Removed 1 talks"), done.stderr
        assert ask("token", "revoke", "night shift", WORKBENCH_TOKEN=secret).exit_code == 0
        assert "revoked" in ask("token", "list", WORKBENCH_PASSWORD="x y").stdout
        assert server.errors == []
