"""Two real servers on one PostgreSQL that is restarted in the middle of their talks, and one of them killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import CLIPS, SERVE, Running
from ws_talks import WsTalk

from tests.private_postgres import PrivatePostgres
from tests.waiting import until
from workbench import events
from workbench.audio.wav import load_wav
from workbench.store import queries
from workbench.store.opening import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SPEECH = load_wav(CLIPS / "goforward.wav")
"""Go forward ten meters."""


async def test_two_servers_share_their_talks_and_lose_no_row(tmp_path: Path) -> None:
    database = PrivatePostgres()
    address = database.new_database()
    environment = {"WORKBENCH_DB": address, "WORKBENCH_ASR": "pocketsphinx", "WORKBENCH_TTS": "espeak-ng"}
    servers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        servers.append(Running(tmp_path / name / "var", SERVE, environment))
    try:
        await asyncio.gather(*(asyncio.to_thread(server.wait_until_ready) for server in servers))
        await _talk(database, address, *servers)
    finally:
        for server in servers:
            server.kill()
        database.close()


async def _talk(database: PrivatePostgres, address: str, one: Running, two: Running) -> None:
    async with httpx.AsyncClient(timeout=30.0) as client:

        async def get(server: Running, path: str) -> dict[str, Any]:
            found: dict[str, Any] = (await client.get(f"{server.url}{path}")).raise_for_status().json()
            return found

        async def row(server: Running, session_id: str) -> dict[str, Any]:
            return await get(server, f"/voice/sessions/{session_id}")

        async def is_over(server: Running, session_id: str) -> bool:
            return not (await row(server, session_id))["is_active"]

        async def write(server: Running, words: str) -> dict[str, Any]:
            asked = {"message": words, "conversation_id": "shared", "want_audio": False}
            answer: dict[str, Any] = (await client.post(f"{server.url}/api/mas/voice/orchestrator", json=asked)).raise_for_status().json()
            return answer

        written = await write(one, "what is twelve times seven")

        async with WsTalk(two.url, engine="echo") as talk:
            await talk.play(SPEECH)
            assert one.url in (await row(two, written["session_id"]))["held_by"]
            assert two.url in (await row(one, talk.session_id))["held_by"]
            await asyncio.to_thread(database.stop)
            await talk.play(SPEECH)
            health = await get(two, "/health")
            assert health["status"] == "degraded"
            assert "Start the server" in str(health["faults"])
            await asyncio.to_thread(database.start)
            await talk.play(SPEECH)
        await until(lambda: "the store writes again; 0 rows were lost" in two.said)

        lost = WsTalk(one.url, engine="echo")
        async with lost:
            await lost.play(SPEECH)
            await asyncio.to_thread(one.kill)
            await until(lambda: lost.over)
        async with asyncio.timeout(60):
            while not (await is_over(two, lost.session_id) and await is_over(two, written["session_id"])):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        found = await row(two, lost.session_id)
        assert found["ended_reason"] == "crashed"
        missing = await client.get(f"{two.url}/api/sessions/{lost.session_id}/audio")
        assert (missing.status_code, missing.json()["code"]) == (404, "recording_elsewhere")

        again = await write(two, "who are you")
        assert again["session_id"] != written["session_id"]
        assert two.stop() == 0

    store = open_store(address)
    conversation = queries.list_sessions(store, conversation_id="shared")
    assert {session["session_id"] for session in conversation} == {written["session_id"], again["session_id"]}
    kept = queries.read_events(store, talk.session_id)
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    assert ticks == list(range(1, len(ticks) + 1)), "a tick is missing"
    assert talk.heard_frames <= len(ticks) <= talk.heard_frames + 2
    (seqs,) = store.query(
        "SELECT count(*) AS n, max(seq) AS last FROM (SELECT seq FROM voice_events WHERE session_id = $1 "
        "UNION ALL SELECT seq FROM voice_frame_timings WHERE session_id = $1) AS stamps",
        [talk.session_id],
    )
    assert seqs["n"] == seqs["last"] + 1, "a row is missing, or there twice"
    store.close()
