"""Two workbenches on one PostgreSQL, each with sound of its own: what one sees of the talks of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from deaf_asr import DeafAsr

from tests.private_postgres import PrivatePostgres
from tests.store.talk_script import closed, opened, play
from workbench.api.app import create_app
from workbench.api.context import Context
from workbench.assembly import Workbench, assemble
from workbench.settings import Settings
from workbench.testing.tts import ToneTts


@pytest.fixture
def address(postgres: PrivatePostgres) -> Iterator[str]:
    with postgres.lent_store_database() as address:
        yield address


class Side:
    """One of them: its parts, and a client of its API."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        app = create_app(bench)
        self.context: Context = app.state.context
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    async def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(path)).raise_for_status().json()
        return found

    async def topology(self) -> dict[str, Any]:
        """As soon as the store has answered: it is given 4 s, which is not much beside other tests."""
        for _ in range(20):
            told = await self.get("/api/topology")
            if told["elsewhere"] is not None:
                return told
        raise AssertionError(told["unknown"])

    async def write(self, text: str, **more: str) -> dict[str, Any]:
        answer = await self.client.post("/api/mas/voice/orchestrator", json={"message": text, "want_audio": False, **more})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def stop(self) -> None:
        await self.client.aclose()
        await self.context.text_talks.close()
        await self.bench.close()


@pytest.fixture
async def sides(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sequence[Side]]:
    monkeypatch.delenv("PERSONAPLEX_URL", raising=False)
    made = []
    for name in ("one", "two"):
        settings = Settings(_env_file=None, data_dir=tmp_path / name, db=address, test_engines=True, turn_fixed_hold_ms=500.0)
        made.append(Side(await assemble(settings, recogniser=DeafAsr(), synthesisers=[ToneTts()], address=f"http://{name}.lan:7860")))
    yield made
    for side in made:
        await side.stop()


async def test_a_live_talk_is_live_there_too_and_says_who_holds_it(sides: Sequence[Side]) -> None:
    one, two = sides
    talk = (await one.write("what is twelve times seven"))["session_id"]
    one.bench.store.flush()
    for side, holder in ((one, None), (two, "http://one.lan:7860")):
        (row,) = (await side.get("/api/sessions"))["sessions"]
        detail = await side.get(f"/voice/sessions/{talk}")
        replay = await side.get(f"/api/sessions/{talk}/replay")
        for told in (row, detail, replay["row"]):
            assert (told["session_id"], told["is_active"]) == (talk, True)
            assert told["held_by"] is None if holder is None else holder in told["held_by"]
        assert detail["turns"][0]["text"] == "what is twelve times seven"
    topology = await two.topology()
    assert topology["talks"] == []
    assert [(one["session_id"], one["turns"], one["tools"]) for one in topology["elsewhere"]] == [(talk, 2, 1)]
    assert (await one.topology())["elsewhere"] == []
    refused = await two.client.delete(f"/voice/sessions/{talk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "held_elsewhere")
    assert "http://one.lan:7860" in refused.json()["error"]
    assert (await two.client.delete(f"/api/sessions/{talk}")).json()["code"] == "going_on"
    assert (await one.client.delete(f"/voice/sessions/{talk}")).status_code == 200
    one.bench.store.flush()
    assert (await two.client.delete(f"/voice/sessions/{talk}")).status_code == 404


async def test_a_conversation_goes_on_in_another_process_with_what_was_said(sides: Sequence[Side]) -> None:
    one, two = sides
    first = await one.write("my name is Ada", persona="assistant", conversation_id="c-1")
    one.bench.store.flush()
    shown: list[tuple[str, str]] = []
    responder_for = two.bench.responder_for

    def watched(persona: Any) -> Any:
        responder = responder_for(persona)
        respond = responder.respond

        def seen(text: str, history: Sequence[tuple[str, str]]) -> Any:
            shown.extend(history)
            return respond(text, history)

        responder.respond = seen  # type: ignore[method-assign]
        return responder

    two.context.text_talks._responder_for = watched
    second = await two.write("who are you", conversation_id="c-1")
    assert shown == [("user", "my name is Ada"), ("agent", first["response_text"])]
    assert second["conversation_id"] == first["conversation_id"]
    assert second["session_id"] != first["session_id"]
    two.bench.store.flush()
    rows = (await one.get("/voice/sessions?all=true"))["sessions"]
    assert {(row["conversation_id"], row["persona"]) for row in rows} == {("c-1", "assistant")}


async def test_sound_that_lies_with_another_process_is_told_and_not_orphaned(sides: Sequence[Side]) -> None:
    one, two = sides
    play(one.bench.recorder.observer(), opened(), closed(1.0), frames=12)
    await one.stop()
    assert (await two.client.get("/api/sessions/talk-1/audio")).json()["code"] == "recording_elsewhere"
    refused = await two.client.delete("/api/sessions/talk-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "recording_elsewhere")
    assert str(one.bench.settings.audio_dir.resolve()) in refused.json()["error"]
    two.bench.settings.audio_dir.mkdir(parents=True)
    (one.bench.settings.audio_dir / "talk-1.flac").rename(two.bench.settings.audio_dir / "talk-1.flac")
    assert (await two.client.get("/api/sessions/talk-1/audio")).status_code == 200
    assert (await two.client.delete("/api/sessions/talk-1")).status_code == 200
    assert two.bench.store.query("SELECT * FROM voice_sessions") == []


async def test_reports_exports_and_rescoring_work_on_it(sides: Sequence[Side]) -> None:
    one, two = sides
    play(one.bench.recorder.observer(), opened(), closed(1.0), frames=12)
    one.bench.store.flush()
    assert (await two.get("/api/latency"))["total"] == 1
    exported = await two.client.post("/api/export", json={})
    assert exported.status_code == 200
    assert b"sessions/day=" in exported.content
    scored = await two.client.post("/api/rescore", json={"every": True})
    assert scored.json()["without_speech"] == 1
    assert (await two.get("/health"))["store"]["ok"] is True
