"""Many talks at once over the WebSocket, against a real server process: nobody's sound is lost, and the one too many is told."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from servers import CLIPS, SCRIPTED, opened_store, running
from ws_talks import WsTalk, check_whole, found_share

from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.opus import OpusReader, OpusWriter
from workbench.audio.wav import load_wav
from workbench.wire_client import ChatClient, ChatError

TALKS = 8
SECONDS = 6.0


def user_of(number: int) -> Pcm:
    """Another stretch of real speech for every user, `SECONDS` long, with a pause in which an utterance can end."""
    clips = itertools.cycle(sorted(json.loads((CLIPS / "alignment.json").read_text())["clips"]))
    said = [load_wav(CLIPS / name) for name in itertools.islice(clips, number, number + 3)]
    spoken: Pcm = np.concatenate([silence(SAMPLE_RATE // 2), *(np.concatenate([clip, silence(SAMPLE_RATE)]) for clip in said)])
    return spoken[: round(SECONDS * SAMPLE_RATE)]


async def say_it_all(url: str, sound: Pcm) -> WsTalk:
    async with WsTalk(url, engine="scripted") as talk:
        await talk.play(np.concatenate([sound, silence(2 * SAMPLE_RATE)]))
        await talk.until(lambda: talk.words)
    return talk


@pytest.mark.slow
async def test_eight_talks_at_once_lose_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    users = [user_of(number) for number in range(TALKS)]
    # The end-of-turn model is left out: eight copies of it are a load of their own, and no part of what is proved here.
    with running(data_dir, SCRIPTED, WORKBENCH_TURN_FIXED_HOLD_MS="500") as server:
        talks = await asyncio.gather(*(say_it_all(server.url, sound) for sound in users))
        assert server.health()["store"]["lost_rows"] == 0
        assert server.metric("workbench_audio_lost_samples_total") == 0
        assert server.stop() == 0, server.said
    assert len({talk.session_id for talk in talks}) == TALKS
    for talk in talks:
        assert talk.dropped_samples == 0
        assert not talk.errors
        assert talk.words[0] == "Hello "
        assert np.abs(talk.heard).max() > 0.1
    with opened_store(data_dir) as store:
        for talk, sound in zip(talks, users, strict=True):
            check_whole(store, data_dir, talk, sound)


def test_the_search_for_lost_sound_can_fail() -> None:
    said = user_of(0)
    writer, reader = OpusWriter(), OpusReader()
    heard = np.concatenate(
        [silence(5_000), *(reader.append(writer.append(said[at : at + FRAME_SAMPLES])) for at in range(0, said.size, FRAME_SAMPLES))]
    )
    assert found_share(said, heard) == 1.0
    heard[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + 3 * FRAME_SAMPLES] = 0
    assert found_share(said, heard) < 1.0


@pytest.mark.slow
async def test_the_talk_over_the_classic_engines_capacity_is_told_busy(tmp_path: Path) -> None:
    with running(tmp_path / "var", SCRIPTED, WORKBENCH_CLASSIC_SESSIONS="2") as server:
        async with WsTalk(server.url, engine="classic") as first, WsTalk(server.url, engine="classic"):
            with pytest.raises(ChatError, match="2") as refused:
                await ChatClient.connect(server.url, engine="classic")
            assert refused.value.code == "busy"
            assert server.health()["engines"]["classic"]["state"] == "busy"
            # Those who are inside are not disturbed.
            before = first.heard_frames
            await first.until(lambda: first.heard_frames > before + 5)
        async with WsTalk(server.url, engine="classic") as next_one:
            await next_one.until(lambda: next_one.heard_frames)
