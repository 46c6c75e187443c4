"""Gateway, recogniser, tool provider and database are killed at random: every talk goes on or ends with its reason, every row is there.

Longer, with its counts shown:
`KILLS_FOR_S=600 KILLS_EVERY_S=30 KILLS_SEED=2 pytest --log-cli-level=INFO tests/faults/test_random_kills.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kills
import pytest
import soundfile
from private_postgres import PrivatePostgres
from servers import SERVE, Running, running
from ws_talks import WsTalk

from workbench import events
from workbench.audio.frames import FRAME_SAMPLES
from workbench.store import queries
from workbench.store.opening import open_store

log = logging.getLogger(__name__)
FOR_S = float(os.environ.get("KILLS_FOR_S", "60"))
EVERY_S = float(os.environ.get("KILLS_EVERY_S", "5"))
SEED = int(os.environ.get("KILLS_SEED", "1"))
BACK_WITHIN_S = 240.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(FOR_S + 600)]


@pytest.fixture
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, PrivatePostgres | None]]:
    """The database of the run and, where it is a server, what can be killed. Without PostgreSQL it is a file, and the log says so."""
    try:
        server: PrivatePostgres = request.getfixturevalue("postgres")
    except pytest.skip.Exception as why:
        log.warning("the database is a DuckDB file and is not killed: %s", why)
        yield str(tmp_path / "talks.duckdb"), None
    else:
        yield server.new_database(), server


async def healthy(server: Running, well: Callable[[dict[str, Any]], bool]) -> None:
    """Waits until `/health` is as it should be. Asked seldom: the answer costs the server a handshake with every engine."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while not well(await asyncio.to_thread(server.health)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(1.0)


async def test_every_talk_goes_on_or_ends_with_its_reason_and_every_row_is_there(
    tmp_path: Path, database: tuple[str, PrivatePostgres | None]
) -> None:
    data_dir = tmp_path / "var"
    address, postgres = database
    with running(data_dir, SERVE, **kills.environment(tmp_path, address)) as server:
        await healthy(server, lambda now: now["engines"]["personaplex"]["state"] == "ready")
        told = await kills.run(server, database=postgres, seconds=FOR_S, every_s=EVERY_S, visitors=3, seed=SEED)

        await healthy(server, lambda now: now["status"] == "ok" and now["sessions_live"] == 0)
        await healthy(server, lambda now: now["engines"]["personaplex"]["state"] == "ready")
        assert server.health()["store"]["lost_rows"] == 0
        async with WsTalk(server.url, engine="personaplex") as after:
            await after.client.send_text("how warm is the greenhouse")
            await after.until(lambda: after.of(events.ToolFinished), BACK_WITHIN_S)
        assert "21 degrees" in after.of(events.ToolFinished)[0].spoken
        assert "Traceback" not in server.said, server.said
        assert server.stop() == 0

    assert not told.hangs
    assert set(told.killed) == {"gateway", "recogniser", "provider"} | ({"database"} if postgres else set())
    assert len(told.visits) >= 3
    ends: Counter[str] = Counter()
    with contextlib.closing(open_store(address)) as store:
        faults = []
        for visit in told.visits:
            session = queries.get_session(store, visit.talk.session_id)
            kept = queries.read_events(store, visit.talk.session_id) if session else []
            faults += kills.faults_of(visit, kept, session)
            if session is not None:
                ends[f"{session['ended_reason']} {session['ended_detail'] or ''}".strip()] += 1
                ticks = sum(isinstance(event, events.FrameTiming) for event in kept)
                info = soundfile.info(data_dir / "audio" / f"{visit.talk.session_id}.flac")
                if info.frames != ticks * FRAME_SAMPLES:
                    faults.append(f"{visit.talk.session_id}: {info.frames} samples of sound for {ticks} ticks")
        calls = store.query("SELECT status, count(*) AS n FROM voice_tool_invocations GROUP BY 1")
    log.info("%g s, killed %s, refused %s, ended %s, tool calls %s", FOR_S, dict(told.killed), dict(told.refused), dict(ends), calls)
    assert not faults
    assert {call["status"] for call in calls} <= {"success", "error", "timeout", "cancelled"}
