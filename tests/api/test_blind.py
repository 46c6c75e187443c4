"""Blind trials over the API: what is hidden stays so until the vote, and the vote is a row."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from workbench.assembly import Workbench
from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.clock import FastClock
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.persona_library import PersonaLibrary
from workbench.personas import PersonaError, parse
from workbench.settings import Settings

FILE = "---\nname: Ada\nvoice: NATF0\nrole: assistant\ntools: []\nsampling: {}\n---\nYou are Ada. You know %s.\n"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    folder = tmp_path / "personas"
    folder.mkdir()
    (folder / "ada.md").write_text(FILE % "sums")
    return settings.model_copy(update={"personas_dir": folder, "persona": "ada"})


@pytest.fixture
async def versions(client: httpx.AsyncClient) -> list[str]:
    """Two versions that were saved, the older one first."""
    before = (await client.get("/api/personas/ada")).json()["version"]
    after = (await client.put("/api/personas/ada", json={"text": FILE % "stars", "expected": before})).json()["version"]
    return [before, after]


async def talk(bench: Workbench, persona: str) -> str:
    request = TalkRequest(persona=persona, engine="scripted", transport="clip")
    live = await bench.sessions.open(request, clip=ClipInput(silence(SAMPLE_RATE)), clock=FastClock())
    await live.hang_up("hung_up")
    bench.store.flush()
    return live.session_id


async def test_a_trial_from_the_draw_to_the_vote(client: httpx.AsyncClient, bench: Workbench, versions: list[str]) -> None:
    begun = (await client.post("/api/blind", json={"persona_id": "ada", "versions": versions})).json()
    trial = f"/api/blind/{begun['trial_id']}"
    assert not any(version[:8] in str(begun) for version in versions)
    early = await client.post(f"{trial}/vote", json={"preferred": "A", "rater": "me"})
    assert (early.status_code, early.json()["code"]) == (409, "not_talked")
    sessions = {"A": await talk(bench, begun["personas"]["A"])}
    assert (await client.get(trial)).json()["talked"] == {"A": True, "B": False}
    sessions["B"] = await talk(bench, begun["personas"]["B"])
    nameless = await client.post(f"{trial}/vote", json={"preferred": "A", "rater": " "})
    assert nameless.status_code == 400
    voted = (await client.post(f"{trial}/vote", json={"preferred": "B", "rater": "me", "note": "warmer"})).json()
    assert voted["sessions"] == sessions
    assert set(voted["versions"].values()) == set(versions)
    rows = {row["session_id"]: row for row in bench.store.query("SELECT * FROM voice_ratings")}
    assert {arm: rows[session]["preferred"] for arm, session in sessions.items()} == {"A": False, "B": True}
    assert {row["trial_id"] for row in rows.values()} == {begun["trial_id"]}
    spoken = {row["session_id"]: row["persona_hash"] for row in bench.store.query("SELECT * FROM voice_sessions")}
    assert {arm: spoken[session] for arm, session in sessions.items()} == voted["versions"]
    kept = (await client.get("/api/personas/ada")).json()["versions"]
    assert {one["version"]: (one["trials"], one["won"]) for one in kept} == {
        voted["versions"]["A"]: (1, 0),
        voted["versions"]["B"]: (1, 1),
    }


async def test_what_cannot_be_tried_says_why(client: httpx.AsyncClient, versions: list[str]) -> None:
    for wanted, status in (([versions[0]] * 2, 400), ([versions[0], "0" * 64], 404)):
        assert (await client.post("/api/blind", json={"persona_id": "ada", "versions": wanted})).status_code == status
    assert (await client.get("/api/blind/none")).status_code == 404
    body = {"persona_id": "ada", "versions": versions}
    foreign = await client.post("/api/blind", json=body, headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403


async def test_the_draw_is_one(client: httpx.AsyncClient, versions: list[str], bench: Workbench) -> None:
    drawn = set()
    for _ in range(40):
        begun = (await client.post("/api/blind", json={"persona_id": "ada", "versions": versions})).json()
        drawn.add(bench.personas.get(begun["personas"]["A"]).content_hash)
    assert drawn == set(versions)


def test_a_lent_name_is_no_file_and_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.persona_library.MOST_LENT", 2)
    library = PersonaLibrary(tmp_path)
    ada = parse("ada", FILE % "sums")
    names = [library.lend(ada) for _ in range(3)]
    assert library.get(names[2]) == ada
    assert library.list() == []
    with pytest.raises(PersonaError, match="is not a persona id"):
        library.get(names[0])
