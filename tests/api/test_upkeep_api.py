"""Export and rescore through the API, while the server holds the store."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import httpx
import pytest

from tests.store.talks_in_store import keep
from workbench.assembly import Workbench
from workbench.dynamics import definitions
from workbench.settings import Settings
from workbench.store.duckdb_store import DuckDbStore


@pytest.fixture(autouse=True)
def _talks(bench: Workbench) -> None:
    assert isinstance(bench.store, DuckDbStore)
    keep(bench.store, bench.settings.audio_dir, "one")
    keep(bench.store, bench.settings.audio_dir, "two", engine="echo")
    keep(bench.store, bench.settings.audio_dir, "live", over=False)


async def test_an_export_comes_as_one_archive_and_leaves_nothing_behind(client: httpx.AsyncClient, settings: Settings) -> None:
    answer = await client.post("/api/export", json={"engines": ["echo"]})
    assert answer.status_code == 200, answer.text
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        schema = json.load(tar.extractfile("schema.json") or io.BytesIO())
        names = tar.getnames()
    assert schema["tables"]["sessions"]["rows"] == 1
    assert any(name.startswith("turns/day=") for name in names)
    assert not any(Path(name).is_absolute() for name in names)
    assert list((settings.data_dir / "exports").iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [{"words": "whatever"}, {"redact": True}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"audio": True, "words": "redact"}],
)
async def test_an_export_that_was_asked_for_wrongly_is_refused(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    """Above all one whose field is misspelt: nobody should believe that words were redacted."""
    answer = await client.post("/api/export", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_rescore_tells_what_it_did(client: httpx.AsyncClient, bench: Workbench) -> None:
    bench.store.write(("UPDATE voice_sessions SET scored_by = 'old' WHERE session_id = 'one'", []))
    answer = await client.post("/api/rescore", json={})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["version"] == definitions.version()
    assert told["changed"] + list(told["failed"]) == []
    assert told["without_speech"] == 1, "a talk made of rows alone has no speech to derive from; the one going on is left"
