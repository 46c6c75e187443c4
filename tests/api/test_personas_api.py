"""The persona library over the API, on a real store."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from workbench.assembly import Workbench
from workbench.audio.frames import SAMPLE_RATE, silence
from workbench.clock import FastClock
from workbench.conversation.inputs import ClipInput
from workbench.conversation.port import TalkRequest
from workbench.personas import parse
from workbench.settings import Settings

FILE = "---\nname: Ada\nvoice: NATF0\nrole: assistant\ntools: []\nsampling: {}\n---\nYou are Ada. You know %s.\n"
SCRIPT = "<script>document.title = 1</script>"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    folder = tmp_path / "personas"
    folder.mkdir()
    (folder / "ada.md").write_text(FILE % "sums")
    (folder / "bad.md").write_text("no front matter")
    return settings.model_copy(update={"personas_dir": folder, "persona": "ada"})


async def held(bench: Workbench) -> None:
    """One talk with Ada, from open to closed."""
    live = await bench.sessions.open(
        TalkRequest(persona="ada", engine="scripted", transport="clip"), clip=ClipInput(silence(SAMPLE_RATE)), clock=FastClock()
    )
    await live.hang_up("hung_up")
    bench.store.flush()


async def test_the_library_with_its_uses(client: httpx.AsyncClient, bench: Workbench) -> None:
    told = (await client.get("/api/personas")).json()
    assert [one["persona_id"] for one in told["personas"]] == ["ada"]
    assert told["standard"] == "ada"
    assert "no front matter" in told["faults"]["bad.md"]
    assert (told["personas"][0]["talks"], told["personas"][0]["last_talk"], told["personas"][0]["versions"]) == (0, None, 0)
    await held(bench)
    await held(bench)
    (ada,) = (await client.get("/api/personas")).json()["personas"]
    assert (ada["talks"], ada["versions"]) == (2, 1)
    assert ada["last_talk"] is not None


async def test_an_edit_is_checked_saved_and_becomes_a_version(client: httpx.AsyncClient, bench: Workbench, tmp_path: Path) -> None:
    await held(bench)
    before = (await client.get("/api/personas/ada")).json()
    assert before["versions"][0]["current"] is True
    draft = FILE % SCRIPT
    checked = (await client.post("/api/personas/ada/check", json={"text": draft})).json()
    assert checked["error"] is None
    assert f"+You know {SCRIPT}." in checked["diff"].splitlines()
    assert checked["version"] == parse("ada", draft).content_hash
    assert (checked["tokens"], checked["ready"]) == (None, "Tokens and the time to be ready are unknown: no PersonaPlex gateway answers.")
    answer = await client.put("/api/personas/ada", json={"text": draft, "expected": before["version"]})
    assert answer.status_code == 200
    assert (tmp_path / "personas" / "ada.md").read_text() == draft
    after = (await client.get("/api/personas/ada")).json()
    assert [(one["current"], one["talks"]) for one in after["versions"]] == [(True, 0), (False, 1)]
    assert parse("ada", after["versions"][1]["text"]).content_hash == before["version"]
    late = await client.put("/api/personas/ada", json={"text": FILE % "stones", "expected": before["version"]})
    assert (late.status_code, late.json()["code"]) == (409, "changed")


async def test_what_an_edit_replaced_is_kept_though_nobody_talked_to_it(client: httpx.AsyncClient) -> None:
    before = (await client.get("/api/personas/ada")).json()
    assert before["versions"] == []
    await client.put("/api/personas/ada", json={"text": FILE % "stars", "expected": before["version"]})
    after = (await client.get("/api/personas/ada")).json()
    assert {one["version"]: one["current"] for one in after["versions"]} == {before["version"]: False, after["version"]: True}


async def test_a_draft_that_would_not_load_says_why_and_is_not_saved(client: httpx.AsyncClient, tmp_path: Path) -> None:
    text = "---\nname: Ada\n---\nYou are Ada."
    checked = (await client.post("/api/personas/ada/check", json={"text": text})).json()
    assert "voice: Field required" in checked["error"]
    answer = await client.put("/api/personas/ada", json={"text": text, "expected": None})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_persona")
    assert (tmp_path / "personas" / "ada.md").read_text() == FILE % "sums"
    empty = (await client.post("/api/personas/ada/check", json={"text": text.replace("Ada\n", "Ada\nvoice: NATF0\nrole: nurse\n")})).json()
    assert [note["code"] for note in empty["notes"]][:1] == ["role-unknown"]


async def test_scores_are_those_of_the_report(client: httpx.AsyncClient, bench: Workbench) -> None:
    nothing = await client.get("/api/personas/ada/scores")
    assert (nothing.status_code, nothing.json()) == (200, [])
    await held(bench)
    found = (await client.get("/api/personas/ada/scores")).json()
    assert {row["version"] for row in found} == {f"ada {bench.personas.get('ada').content_hash[:8]}"}
    assert "reply_ms" in {row["measure"] for row in found}
    assert all(row["value"] is None or row["talks"] for row in found)
    other = await client.get("/api/personas/ada/scores", params={"engine": "none"})
    assert other.status_code == 404
    assert "no spoken talk" in other.json()["error"]


@pytest.mark.parametrize("persona_id", ["nobody", "..", "Ada"])
async def test_who_is_not_there_is_404(client: httpx.AsyncClient, persona_id: str) -> None:
    for path in (persona_id, f"{persona_id}/scores"):
        assert (await client.get(f"/api/personas/{path}")).status_code == 404


async def test_the_voice_says_whose_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/personas/ada/voice", json={"text": "Hello there."})
    assert answer.content[:4] == b"RIFF"
    assert len(answer.content) > 1_000
    assert "NATF0" in answer.headers["x-voice"]
    assert (await client.post("/api/personas/nobody/voice", json={"text": "Hello."})).status_code == 404


async def test_a_foreign_page_saves_nothing(client: httpx.AsyncClient, tmp_path: Path) -> None:
    body = {"text": FILE % "stars", "expected": None}
    answer = await client.put("/api/personas/eve", json=body, headers={"origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert not (tmp_path / "personas" / "eve.md").exists()
