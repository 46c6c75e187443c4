from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audio.frames import SAMPLE_RATE, Pcm
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.espeak_tts import EspeakTts
from workbench.engines.speech.voice_pipe import HEADER, MAX_PAYLOAD, Kind, pack, read_message, unpack_header
from workbench.engines.speech.worker_tts import WorkerDied, WorkerTts

PIECE = SAMPLE_RATE // 10
"""What the child says to one clause, resampled."""


def worker(tmp_path: Path, *arguments: str, stall_s: float = 30) -> WorkerTts:
    command = (sys.executable, str(Path(__file__).with_name("voice_child.py")), str(tmp_path / "marker"), *arguments)
    return WorkerTts("fake", "it is a test", ("low", "high"), command, start_s=60, stall_s=stall_s)


@pytest.fixture
async def tts(tmp_path: Path) -> AsyncIterator[WorkerTts]:
    tts = worker(tmp_path)
    yield tts
    await tts.close()


async def samples(tts: WorkerTts, text: str, voice: str | None = None) -> int:
    return sum([len(chunk) async for chunk in tts.stream(text, voice)])


async def test_one_child_serves_all_texts(tts: WorkerTts) -> None:
    lengths = await asyncio.gather(*(samples(tts, text) for text in ("yes", "first clause. second clause.", "print", "...")))
    assert [round(length / PIECE) for length in lengths] == [1, 2, 1, 0]
    assert tts.restarts == 0


async def test_closing_a_stream_stops_the_child_and_drops_what_was_under_way(tts: WorkerTts) -> None:
    async with aclosing(tts.stream("long")) as stream:
        await anext(stream)
    assert round(await samples(tts, "yes") / PIECE) == 1


async def test_a_text_closed_before_its_turn_is_never_spoken(tts: WorkerTts) -> None:
    async with aclosing(tts.stream("long")) as first:
        await anext(first)
        waiting = asyncio.ensure_future(anext(tts.stream("die")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert round(await samples(tts, "yes") / PIECE) == 1
    assert tts.restarts == 0


async def test_a_child_that_dies_before_the_first_sound_is_started_again(tts: WorkerTts) -> None:
    assert round(await samples(tts, "once") / PIECE) == 1
    assert tts.restarts == 1


async def test_a_child_that_is_killed_between_texts_is_started_again(tts: WorkerTts) -> None:
    await samples(tts, "yes")
    child = tts._child
    assert child is not None
    os.kill(child._process.pid, signal.SIGKILL)
    assert round(await samples(tts, "yes") / PIECE) == 1
    assert tts.restarts == 1


async def test_a_child_that_always_dies_is_an_error_and_not_a_loop(tts: WorkerTts) -> None:
    with pytest.raises(WorkerDied, match="exit code 3"):
        await samples(tts, "die")
    assert round(await samples(tts, "yes") / PIECE) == 1


async def test_a_death_in_mid_clause_is_an_error_after_the_sound(tts: WorkerTts) -> None:
    stream = tts.stream("half")
    heard = len(await anext(stream))
    with pytest.raises(WorkerDied, match="exit code 4"):
        await anext(stream)
    assert heard > 0


async def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    tts = worker(tmp_path, stall_s=0.3)
    with pytest.raises(SpeechError, match=r"no answer for 0\.3 s"):
        await samples(tts, "hang")
    assert round(await samples(tts, "yes") / PIECE) == 1
    await tts.close()


async def test_a_child_that_sends_no_messages_is_ended(tts: WorkerTts) -> None:
    with pytest.raises(WorkerDied, match="exit code -9"):
        await samples(tts, "garbage")
    assert round(await samples(tts, "yes") / PIECE) == 1


async def test_a_child_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    tts = worker(tmp_path, "broken")
    with pytest.raises(SpeechError, match=r"did not start.*exit code 5"):
        await tts.start()
    await tts.close()


async def test_a_command_that_is_not_there_is_an_error() -> None:
    tts = WorkerTts("fake", "it is a test", ("low",), ("/nonexistent/voice",))
    with pytest.raises(SpeechError, match="cannot be started"):
        await samples(tts, "yes")
    await tts.close()


async def test_what_the_child_raises_is_told(tts: WorkerTts) -> None:
    with pytest.raises(SpeechError, match="no such word as fail"):
        await samples(tts, "fail now")
    assert round(await samples(tts, "yes") / PIECE) == 1


async def test_an_unknown_voice_is_an_error(tts: WorkerTts) -> None:
    with pytest.raises(SpeechError, match="low, high"):
        await samples(tts, "yes", "NATF2")


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(Kind), st.binary(max_size=200))
def test_messages_survive_the_pipe(request: int, kind: Kind, payload: bytes) -> None:
    assert read_message(io.BytesIO(pack(request, kind, payload))) == (request, kind, payload)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_the_end_or_an_error(data: bytes) -> None:
    try:
        message = read_message(io.BytesIO(data))
    except ValueError:
        return
    assert message is None or pack(*message) == data[: HEADER.size + len(message[2])]


def test_a_length_out_of_step_is_refused() -> None:
    with pytest.raises(ValueError, match="lost step"):
        unpack_header(HEADER.pack(1, Kind.SOUND, MAX_PAYLOAD + 1))


async def test_espeak_speaks_from_its_own_process() -> None:
    tts = EspeakTts()
    before = set(sys.modules)
    mapped = Path("/proc/self/maps")

    async def say(voice: str) -> list[Pcm]:
        return [chunk async for chunk in tts.stream("It is ten thirty.", voice)]

    both = await asyncio.gather(*map(say, tts.voices))
    await tts.close()
    for chunks in both:
        pcm = np.concatenate(chunks)
        assert 0.8 < len(pcm) / SAMPLE_RATE < 3
        assert np.abs(pcm).max() > 0.1
    assert "espeakng_loader" not in set(sys.modules) - before
    assert "espeak" not in await asyncio.to_thread(mapped.read_text)
