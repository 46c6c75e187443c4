"""The real library where it is installed."""

from __future__ import annotations

import asyncio
import ctypes.util
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest

from workbench.audio.frames import SAMPLE_RATE, Pcm, ms_to_samples
from workbench.engines.speech.base import SpeechError
from workbench.engines.speech.flite_library import FliteLibrary, Take, plain_ascii
from workbench.engines.speech.flite_tts import FliteTts
from workbench.engines.speech.shaping import SILENCE_LEVEL

needs_flite = pytest.mark.skipif(ctypes.util.find_library("flite") is None, reason="libflite1 is not installed")


async def collect(tts: FliteTts, text: str, voice: str | None = None) -> Pcm:
    chunks = [chunk async for chunk in tts.stream(text, voice)]
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)


@pytest.fixture
async def flite() -> AsyncIterator[FliteTts]:
    tts = FliteTts()
    yield tts
    await tts.close()


@needs_flite
async def test_every_voice_speaks(flite: FliteTts) -> None:
    assert flite.voices[0] == "rms"
    for voice in flite.voices:
        pcm = await collect(flite, "It is ten thirty in Tokyo.", voice)
        assert pcm.dtype == np.float32
        assert 1.2 < len(pcm) / SAMPLE_RATE < 3.0
        assert 0.1 < float(np.abs(pcm).max()) <= 1.0
        assert np.flatnonzero(np.abs(pcm) >= SILENCE_LEVEL)[0] <= ms_to_samples(10)


@needs_flite
async def test_sound_comes_in_chunks_and_closing_stops_the_work(flite: FliteTts) -> None:
    async with aclosing(flite.stream("This is a rather long sentence about nothing at all. And there is another one.")) as stream:
        first = await anext(stream)
        assert len(first) < SAMPLE_RATE // 10
    # The thread is free again: another text is spoken.
    assert len(await collect(flite, "Yes.")) > 0


@needs_flite
async def test_talks_at_once_get_their_own_words_and_the_same_words_are_the_same_sound(flite: FliteTts) -> None:
    alone = [await collect(flite, text, voice) for text, voice in (("one two three", "rms"), ("yes", "slt"), ("four. five.", "kal16"))]
    together = await asyncio.gather(
        collect(flite, "one two three", "rms"), collect(flite, "yes", "slt"), collect(flite, "four. five.", "kal16")
    )
    assert [np.array_equal(one, other) for one, other in zip(together, alone, strict=True)] == [True] * 3


@needs_flite
async def test_a_voice_it_has_not_is_an_error_that_names_those_it_has(flite: FliteTts) -> None:
    with pytest.raises(SpeechError, match=r"'NATF2'.*rms, slt"):
        await collect(flite, "Hello", "NATF2")


@needs_flite
@pytest.mark.parametrize("text", ["", "   ", "...", "😀", "***", "?!"])
async def test_nothing_to_say_is_no_sound(flite: FliteTts, text: str) -> None:
    assert len(await collect(flite, text)) == 0


@needs_flite
@pytest.mark.parametrize(
    "text", ["a" * 500, "%s%n%s " * 40, "Ünïcödé — “quoted”", "12345678901234567890 $3.50 10:30 2026-01-31", "say\x00 '\"\\;|&"]
)
async def test_odd_texts_are_spoken(flite: FliteTts, text: str) -> None:
    assert len(await collect(flite, text)) > 0


def test_a_missing_library_is_an_error_with_its_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(SpeechError, match="apt-get install libflite1"):
        FliteTts()


class BrokenLibrary(FliteLibrary):
    """Gives one chunk, then fails; waits to be told to stop when it is slow."""

    def __init__(self, *, slow: bool = False) -> None:
        self.voices = ("rms",)
        self.slow = slow
        self.stopped = threading.Event()

    def say(self, text: str, voice: str, take: Take) -> None:
        going = take(np.full(1_600, 9_000, dtype=np.int16), 16_000)
        while self.slow and going:
            going = take(np.full(160, 9_000, dtype=np.int16), 16_000)
        if not going:
            self.stopped.set()
            return
        raise SpeechError("flite could not speak")


async def test_a_failure_comes_after_the_sound_before_it() -> None:
    tts = FliteTts(library=BrokenLibrary())
    stream = tts.stream("Hello there.")
    assert len(await anext(stream)) == 2_400
    with pytest.raises(SpeechError, match="could not speak"):
        await anext(stream)
    await tts.close()


async def test_closing_tells_the_library_to_stop() -> None:
    library = BrokenLibrary(slow=True)
    tts = FliteTts(library=library)
    stream = tts.stream("Hello there.")
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(library.stopped.wait, 10)
    await tts.close()


def test_text_is_made_plain() -> None:
    assert plain_ascii("Café – “Ærø” …\x00\n") == 'Cafe - "r" .'
