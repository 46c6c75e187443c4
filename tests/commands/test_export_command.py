"""`workbench export`, in this process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from typer.testing import CliRunner, Result

from tests.store.talks_in_store import keep
from workbench.cli import app
from workbench.store.duckdb_store import DuckDbStore


@pytest.fixture(autouse=True)
def _talks(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "var" / "workbench.duckdb")
    keep(store, tmp_path / "var" / "audio", "old", when=datetime(2026, 1, 5, tzinfo=UTC))
    keep(store, tmp_path / "var" / "audio", "new", when=datetime(2026, 2, 5, tzinfo=UTC))
    store.close()


def export(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", *arguments])


def test_json_tells_what_was_written() -> None:
    result = export("out", "--since", "2026-02-01", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["rows"]["sessions"] == 1
    assert told["dataset"] is None
    assert (Path(told["folder"]) / "turns" / "day=2026-02-05").is_dir()


def test_people_are_told_too() -> None:
    result = export("out")
    assert "2 sessions" in result.stdout
    assert "Writing turns." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is neither a date nor a time"),
        (("--no-transcripts", "--redact"), "Give one of them"),
        (("--audio", "--redact"), "the sound holds the words"),
        (("--push-to-hub", "nobody"), "OWNER/NAME"),
        (("--push-to-hub", "lab/talks"), "Set HF_TOKEN"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], why: str) -> None:
    result = export("out", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not Path("out").exists()


def test_a_push_uses_the_token_and_stays_private(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    class Api:
        def __init__(self, token: str) -> None:
            seen.append({"token": token})

        def create_repo(self, repo_id: str, **given: Any) -> None:
            seen.append({"repo_id": repo_id, "private": given["private"]})

        def upload_folder(self, **given: Any) -> None:
            seen.append({"folder_path": given["folder_path"]})

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    result = export("out", "--push-to-hub", "lab/talks", "--license", "cc0-1.0")
    assert result.exit_code == 0, result.output
    assert seen == [{"token": "hf_secret"}, {"repo_id": "lab/talks", "private": True}, {"folder_path": "out"}]
    assert "hf_secret" not in result.output
