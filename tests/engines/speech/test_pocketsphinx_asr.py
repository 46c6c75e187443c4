import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from workbench.audio.frames import Pcm
from workbench.engines.speech import pocketsphinx_asr
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.pocketsphinx_asr import PocketsphinxAsr, PocketsphinxSession
from workbench.engines.speech.pocketsphinx_worker import NICENESS

CLIPS = Path(__file__).parents[2] / "data" / "audio"
CHUNK = 1_280


def clip(name: str) -> Pcm:
    sound, rate = soundfile.read(CLIPS / name, dtype="float32")
    assert rate == 16_000
    return np.concatenate([np.zeros(4_800, np.float32), sound, np.zeros(3_200, np.float32)])


@asynccontextmanager
async def opened(*phrases: str, answer_timeout_s: float = 30.0) -> AsyncIterator[PocketsphinxSession]:
    session = await PocketsphinxAsr(answer_timeout_s=answer_timeout_s).open(phrases)
    try:
        yield session
    finally:
        await session.close()


async def feed(session: PocketsphinxSession, sound: Pcm) -> None:
    for first in range(0, len(sound), CHUNK):
        await session.feed(sound[first : first + CHUNK])


def pid_of(session: PocketsphinxSession) -> int:
    assert session.worker_pid is not None
    return session.worker_pid


async def test_words_are_heard_and_guessed_on_the_way() -> None:
    async with opened() as session:
        sound = clip("goforward.wav")
        await feed(session, sound[: len(sound) * 3 // 4])
        assert session.partial.startswith("go forward")
        await feed(session, sound[len(sound) * 3 // 4 :])
        transcript = await session.finish()
        assert transcript.text == "go forward ten meters"
        assert transcript.command is None
        assert transcript.decode_ms > 0
        assert session.partial == ""
        assert (await session.finish()).text == ""
        assert session.restarts == 0


async def test_a_spoken_command_is_known_and_an_unspoken_one_is_not() -> None:
    async with opened("Go forward ten meters", "go backward five meters", "turn left") as session:
        await feed(session, clip("goforward.wav"))
        assert (await session.finish()).command == "Go forward ten meters"
        await feed(session, clip("librivox_0880.wav"))
        transcript = await session.finish()
        assert "young man" in transcript.text
        assert transcript.command is None


async def test_phrases_that_cannot_be_heard_are_left_out_with_a_reason() -> None:
    async with opened("turn left", "qqqqqqqqq now") as session:
        assert list(session.left_out) == ["qqqqqqqqq now"]


async def test_a_killed_worker_is_replaced_and_hears_the_utterance_again() -> None:
    async with opened() as session:
        sound = clip("goforward.wav")
        await feed(session, sound[:25_600])
        os.kill(pid_of(session), signal.SIGKILL)
        await feed(session, sound[25_600:])
        assert (await session.finish()).text == "go forward ten meters"
        assert session.restarts == 1
        os.kill(pid_of(session), signal.SIGKILL)
        assert (await session.finish()).text == ""
        assert session.restarts == 2


async def test_a_hung_worker_is_ended_and_replaced() -> None:
    # Long enough for a live worker on a busy machine, and no longer waited for than once.
    async with opened(answer_timeout_s=3.0) as session:
        hung = pid_of(session)
        await session.feed(np.zeros(CHUNK, np.float32))
        os.kill(hung, signal.SIGSTOP)
        await session.feed(np.zeros(CHUNK, np.float32))
        assert session.restarts == 1
        assert not psutil.pid_exists(hung)
        assert psutil.Process(pid_of(session)).is_running()


async def test_a_worker_that_cannot_be_replaced_is_an_error_and_the_next_utterance_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as session:
        os.kill(pid_of(session), signal.SIGKILL)
        with monkeypatch.context() as broken:
            broken.setattr(pocketsphinx_asr.sys, "executable", "/bin/false")
            with pytest.raises(SpeechError, match="say it once more, or type it"):
                await session.finish()
        assert session.worker_pid is None
        await feed(session, clip("goforward.wav"))
        assert (await session.finish()).text == "go forward ten meters"
        assert session.restarts == 2


async def test_a_recogniser_that_does_not_start_names_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("/bin/false", "/no/such/python"):
        monkeypatch.setattr(pocketsphinx_asr.sys, "executable", program)
        with pytest.raises(SpeechError, match=r"pocketsphinx does not start: .*; run `uv sync`"):
            await PocketsphinxAsr().open()


async def test_a_cancelled_feed_does_not_put_question_and_answer_out_of_step() -> None:
    async with opened() as session:
        os.kill(pid_of(session), signal.SIGSTOP)
        feeding = asyncio.ensure_future(session.feed(clip("fw_left.wav")))
        await asyncio.sleep(0)
        assert not feeding.done()
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding
        assert session._worker is not None
        await asyncio.wait_for(session._worker._process.wait(), 10)
        await session.finish()
        await feed(session, clip("goforward.wav"))
        assert (await session.finish()).text == "go forward ten meters"


async def test_the_worker_is_nice_and_ends_with_its_session() -> None:
    async with opened() as session:
        worker = psutil.Process(pid_of(session))
        assert worker.nice() == psutil.Process().nice() + NICENESS
    assert not worker.is_running()
    with pytest.raises(SpeechError, match="is closed"):
        await session.feed(np.zeros(CHUNK, np.float32))


async def test_only_the_end_of_a_long_utterance_is_kept_for_a_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_asr, "REPLAY_S", 1.0)
    async with opened() as session:
        await feed(session, np.zeros(4 * 16_000, np.float32))
        assert 0.9 * 32_000 < session._kept <= 32_000


async def test_a_chunk_of_any_length_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_asr, "CHUNK_S", 0.5)
    async with opened() as session:
        await session.feed(np.zeros(0, np.float32))
        await session.feed(clip("goforward.wav"))
        assert (await session.finish()).text == "go forward ten meters"
