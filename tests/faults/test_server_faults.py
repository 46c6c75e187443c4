"""What breaks around a live talk: the server, the recogniser's process, the disk, the database's lock."""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from servers import CLI, CLIPS, ROOT, SCRIPTED, clean_environment, opened_store, running
from ws_talks import WsTalk, found_share

from workbench import events
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, from_int16, silence
from workbench.audio.wav import load_wav
from workbench.store import queries

pytestmark = pytest.mark.slow
SPEECH = load_wav(CLIPS / "goforward.wav")
"""Go forward ten meters."""
LOST_AT_MOST_S = 2.0


async def test_kill_9_in_mid_talk_loses_at_most_two_seconds(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    sound = np.concatenate([SPEECH, silence(SAMPLE_RATE), SPEECH, SPEECH])
    with running(data_dir, SCRIPTED) as server:
        async with WsTalk(server.url) as talk:
            playing = asyncio.create_task(talk.play(sound))
            await talk.until(lambda: talk.heard_frames >= 75)
            lived = talk.heard_frames
            await asyncio.to_thread(server.kill)
            await asyncio.gather(playing, return_exceptions=True)
    promised = lived * FRAME_SAMPLES - round(LOST_AT_MOST_S * SAMPLE_RATE)

    with running(data_dir, SCRIPTED) as server:
        assert server.health()["status"] == "ok"
        assert server.stop() == 0
    with opened_store(data_dir) as store:
        session = queries.get_session(store, talk.session_id)
        kept = queries.read_events(store, talk.session_id)
    assert session is not None
    assert (session["ended_reason"], session["is_active"], session["engine"]) == ("crashed", False, "scripted")
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    assert ticks == list(range(1, len(ticks) + 1)), "a prefix of the talk, without a hole"
    assert len(ticks) * FRAME_SAMPLES >= promised
    told = [event for event in talk.events if event.noticed_samples <= promised]
    assert told, "something happened before the last two seconds"
    stored = [event for event in kept if not isinstance(event, events.FrameTiming)]
    assert [event for event in stored if event.noticed_samples <= promised][-len(told) :] == told, "an event that was told is not stored"
    assert isinstance(kept[-1], events.SessionClosed)
    assert kept[-1].reason == "crashed"
    stereo, _rate = soundfile.read(data_dir / "audio" / f"{talk.session_id}.flac", dtype="int16")
    assert len(stereo) >= promised
    assert found_share(sound[: promised - SAMPLE_RATE], from_int16(stereo[:, 0])) == 1.0
    assert not [path for path in (data_dir / "audio").rglob("*") if path.suffix != ".flac"], "nothing half-written is left"


async def test_a_recogniser_killed_in_mid_utterance_is_started_again_and_still_understands(tmp_path: Path) -> None:
    with running(tmp_path / "var", WORKBENCH_ASR="pocketsphinx") as server:
        async with WsTalk(server.url) as talk:
            playing = asyncio.create_task(talk.play(np.concatenate([SPEECH, silence(3 * SAMPLE_RATE)])))
            # Partial words: the worker is in the middle of this very utterance.
            await talk.until(lambda: talk.of(events.UserText))
            assert not talk.of(events.UserText)[-1].final
            (worker,) = server.workers("pocketsphinx_worker")
            worker.kill()
            await talk.until(lambda: any(event.final for event in talk.of(events.UserText)))
            await talk.until(lambda: talk.words)
            await playing
            (successor,) = server.workers("pocketsphinx_worker")
            assert successor.pid != worker.pid
            assert server.metric("workbench_asr_restarts_total") == 1
    words = next(event.text for event in talk.of(events.UserText) if event.final)
    assert words.split()[:2] == ["go", "forward"], "what was said before the death was heard again"
    assert not talk.errors
    assert talk.of(events.SessionClosed)[-1].reason == "hung_up"


def test_a_database_that_another_process_holds_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with running(data_dir, SCRIPTED) as server:
        refused = subprocess.run(
            [*CLI, "serve", "--port", "65000", "--data-dir", str(data_dir)],
            capture_output=True,
            text=True,
            env=clean_environment({"PYTHONPATH": str(ROOT)}),
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        assert refused.returncode == 2
        faults = [line for line in refused.stderr.splitlines() if line.startswith("workbench: ")]
        assert len(faults) == 1
        assert f"is held by process {server.process.pid}" in faults[0]
        assert "--db" in faults[0]
        assert "Traceback" not in refused.stderr
        assert server.health()["status"] == "ok", "the one that holds it is not disturbed"


async def test_a_full_disk_is_told_once_and_the_talk_goes_on(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with running(data_dir, SCRIPTED) as server:
        async with WsTalk(server.url) as talk:
            playing = asyncio.create_task(talk.play(np.concatenate([SPEECH, silence(2 * SAMPLE_RATE), SPEECH, silence(3 * SAMPLE_RATE)])))
            await talk.until(lambda: talk.heard_frames > 10)
            server.limit_files(4_096)
            health = await server.health_when(status="degraded")
            frames = talk.heard_frames
            await talk.until(lambda: talk.heard_frames > frames + 25 and talk.words)
            server.limit_files(resource.RLIM_INFINITY)
            await playing
        (fault,) = health["faults"]
        assert "The disk is full: free some space; writing goes on by itself." in fault
        assert len(re.findall(r"workbench\.duckdb cannot be written", server.said)) == 1, "told once, not with every batch"
        assert "Traceback" not in server.said
        assert (await server.health_when(status="ok"))["store"]["lost_rows"] == 0
        assert server.stop() == 0
    with opened_store(data_dir) as store:
        kept = queries.read_events(store, talk.session_id)
    ticks = [event.frame for event in kept if isinstance(event, events.FrameTiming)]
    assert ticks == list(range(1, len(ticks) + 1)), "what waited in memory was written when there was space again"
    assert len(ticks) >= talk.heard_frames
    assert isinstance(kept[-1], events.SessionClosed)
    assert kept[-1].reason == "hung_up"
    stereo, _rate = soundfile.read(data_dir / "audio" / f"{talk.session_id}.flac", dtype="int16")
    assert len(stereo) == len(ticks) * FRAME_SAMPLES, "lost sound is silence of its length"
