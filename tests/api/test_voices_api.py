"""Uploaded voices over the API: checked as the gateway checks them, never without consent, and a gateway finds them."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from workbench.gateway.voice_sound import voice_sound
from workbench.settings import Settings
from workbench.voice_shelf import VoiceShelf, shelf_dir

CLIP = Path(__file__).parents[1] / "data" / "audio" / "cards_001.wav"
AGREED = {"speaker": "Ida <b>", "consent": "true"}


def sound(path: Path, seconds: float, level: float = 0.1) -> bytes:
    rng = np.random.default_rng(1)
    soundfile.write(path, rng.standard_normal(round(seconds * 24_000)) * level, 24_000, format="WAV")
    return path.read_bytes()


async def test_a_voice_comes_and_goes(client: httpx.AsyncClient, settings: Settings) -> None:
    kept = await client.put("/api/voices/ida", params=AGREED, content=CLIP.read_bytes())
    assert kept.status_code == 201
    (told,) = (await client.get("/api/voices")).json()
    assert (told["name"], told["speaker"], told["loaded"]) == ("ida", "Ida <b>", False)
    folder = shelf_dir(settings)
    assert (folder / "ida.wav").read_bytes() == CLIP.read_bytes()
    assert told["seconds"] == pytest.approx(voice_sound(folder / "ida.wav").size / 24_000, abs=0.01)
    assert json.loads((folder / "ida.json").read_text())["consented_at"].endswith("+00:00")
    assert (await client.delete("/api/voices/ida")).status_code == 200
    assert list(folder.iterdir()) == []
    assert (await client.delete("/api/voices/ida")).status_code == 404


@pytest.mark.parametrize(
    ("name", "query", "reason"),
    [
        ("ida", {"speaker": "Ida"}, "consent"),
        ("ida", {"speaker": " ", "consent": "true"}, "consent"),
        ("NATF2", AGREED, "a voice of PersonaPlex itself"),
        ("a b", AGREED, "cannot be a voice's name"),
        ("..", AGREED, None),
    ],
)
async def test_what_may_not_be_is_refused(
    client: httpx.AsyncClient, settings: Settings, name: str, query: dict[str, str], reason: str | None
) -> None:
    answer = await client.put(f"/api/voices/{name}", params=query, content=CLIP.read_bytes())
    assert answer.status_code in (400, 404, 405)
    if reason is not None:
        assert reason in answer.json()["error"]
    assert not shelf_dir(settings).exists() or list(shelf_dir(settings).iterdir()) == []


@pytest.mark.parametrize(("seconds", "level", "reason"), [(0.2, 0.1, "too short"), (31, 0.1, "too long"), (1, 0.0, "silent")])
async def test_what_the_gateway_would_refuse_is_refused_here(
    client: httpx.AsyncClient, settings: Settings, tmp_path: Path, seconds: float, level: float, reason: str
) -> None:
    answer = await client.put("/api/voices/ida", params=AGREED, content=sound(tmp_path / "x.wav", seconds, level))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_voice")
    assert reason in answer.json()["error"]
    assert list(shelf_dir(settings).iterdir()) == []


async def test_what_is_no_sound_or_foreign_or_huge_is_refused(client: httpx.AsyncClient, settings: Settings) -> None:
    assert "cannot be read as audio" in (await client.put("/api/voices/ida", params=AGREED, content=b"no sound")).json()["error"]
    foreign = await client.put("/api/voices/ida", params=AGREED, content=b"x", headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert (await client.put("/api/voices/ida", params=AGREED, content=bytes(9 << 20))).status_code == 413
    assert list(shelf_dir(settings).iterdir()) == []


def test_a_sound_without_consent_is_not_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ida.wav").write_bytes(CLIP.read_bytes())
    assert VoiceShelf(tmp_path).list() == []
    for damaged in ("", "{", "[]", '{"name": "ida"}', '{"what": 1}'):
        (tmp_path / "ida.json").write_text(damaged)
        assert VoiceShelf(tmp_path).list() == []
        assert "tells no consent" in caplog.text


async def test_hours_in_a_small_file_are_not_unpacked(client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "hours.flac", np.zeros(24_000 * 600, np.float32), 24_000)
    monkeypatch.setattr("workbench.gateway.voice_sound.load_wav", lambda _path: pytest.fail("it was unpacked"))
    answer = await client.put("/api/voices/ida", params=AGREED, content=(tmp_path / "hours.flac").read_bytes())
    assert "600 s are too long" in answer.json()["error"]
