from __future__ import annotations

import ctypes.util
from contextlib import aclosing

import numpy as np
import pytest

from workbench.engines.speech import synthesisers
from workbench.engines.speech.base import SpeechError, Tts
from workbench.engines.speech.elevenlabs_tts import ElevenLabsTts
from workbench.engines.speech.pocket_tts_engine import HubFile, Weights
from workbench.engines.speech.synthesisers import FallbackTts, choose_synthesisers
from workbench.engines.speech.voice_names import voice_for
from workbench.testing.tts import WORD_SAMPLES, ToneTts

NOWHERE = HubFile("nobody/nothing", "none.bin", "0" * 40)


async def close(voices: list[Tts]) -> None:
    for tts in voices:
        await tts.close()


async def words(tts: Tts, text: str, voice: str | None = None) -> float:
    return sum([len(chunk) async for chunk in tts.stream(text, voice)]) / WORD_SAMPLES


@pytest.fixture
def no_pocket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesisers, "find_weights", lambda: Weights(NOWHERE, NOWHERE, NOWHERE))


@pytest.fixture
def no_flite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)


@pytest.mark.usefixtures("no_pocket", "no_flite")
async def test_the_last_resort_says_why_the_better_ones_were_passed_over() -> None:
    voices = await choose_synthesisers()
    await close(voices)
    assert [tts.name for tts in voices] == ["espeak-ng"]
    why = voices[0].why
    assert "ELEVENLABS_API_KEY is not set" in why
    assert "weights are not in the Hugging Face cache" in why
    assert "apt-get install libflite1" in why


@pytest.mark.usefixtures("no_pocket")
@pytest.mark.skipif(ctypes.util.find_library("flite") is None, reason="libflite1 is not installed")
async def test_order_and_one_asked_for_by_name() -> None:
    automatic = await choose_synthesisers()
    named = await choose_synthesisers("espeak-ng")
    await close([*automatic, *named])
    assert [tts.name for tts in automatic] == ["flite", "espeak-ng"]
    assert "waits behind flite" in automatic[1].why
    assert [tts.name for tts in named] == ["espeak-ng", "flite"]
    assert "was asked for" in named[0].why


@pytest.mark.usefixtures("no_pocket", "no_flite")
@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("flite", "flite was asked for.*apt-get install libflite1"),
        ("elevenlabs", "set it to use ElevenLabs"),
        ("piper", "no synthesiser 'piper'.*elevenlabs, pocket-tts, flite, espeak-ng"),
        ("../etc", "no synthesiser"),
    ],
)
async def test_one_that_cannot_be_used_is_an_error_when_asked_for(requested: str, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        await choose_synthesisers(requested)


@pytest.mark.usefixtures("no_pocket", "no_flite")
async def test_nothing_that_speaks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Tts:
        raise SpeechError("the package espeakng-loader is not installed")

    monkeypatch.setattr(synthesisers, "EspeakTts", missing)
    with pytest.raises(SpeechError, match=r"no synthesiser can be used.*libflite1.*espeakng-loader"):
        await choose_synthesisers()


@pytest.mark.usefixtures("no_pocket", "no_flite")
async def test_a_service_that_does_not_answer_is_passed_over() -> None:
    voices = await choose_synthesisers(api_key="sk_secret", base_url="http://127.0.0.1:9")
    await close(voices)
    assert [tts.name for tts in voices] == ["espeak-ng"]
    assert "elevenlabs cannot be used" in voices[0].why
    assert "sk_secret" not in voices[0].why


@pytest.mark.usefixtures("no_pocket", "no_flite")
async def test_a_service_that_answers_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answers(_self: ElevenLabsTts) -> float:
        return 12.0

    monkeypatch.setattr(ElevenLabsTts, "handshake", answers)
    voices = await choose_synthesisers(api_key="sk_secret")
    await close(voices)
    assert [tts.name for tts in voices] == ["elevenlabs", "espeak-ng"]
    assert "answered in 12 ms" in voices[0].why


async def test_before_the_first_sound_the_next_one_takes_this_and_later_texts() -> None:
    changes: list[str] = []
    first, second = ToneTts("best", fail_after_chunks=0, error="no quota"), ToneTts("plain")
    tts = FallbackTts([first, second], changes.append)
    assert tts.name == "best"
    assert await words(tts, "one two three") == 3
    assert await words(tts, "four") == 1
    assert second.said == ["one two three", "four"]
    assert first.said == ["one two three"]
    assert changes == ["best failed (no quota); plain speaks from here on"]
    assert tts.name == "plain"


async def test_after_the_first_sound_the_next_one_begins_with_the_clause_that_was_not_finished() -> None:
    changes: list[str] = []
    first, second = ToneTts("best", fail_after_chunks=3), ToneTts("plain")
    tts = FallbackTts([first, second], changes.append)
    assert await words(tts, "One two. Three four. Five.") == 3 + 2 + 1
    assert first.said == ["One two.", "Three four."]
    assert second.said == ["Three four.", "Five."]
    assert len(changes) == 1


async def test_the_last_one_that_fails_is_an_error_and_stays() -> None:
    tts = FallbackTts([ToneTts(fail_after_chunks=1)])
    assert await words(tts, "one") == 1
    for _ in range(2):
        with pytest.raises(SpeechError, match="told to fail"):
            await words(tts, "two")


async def test_two_talks_that_fail_at_once_give_up_one_synthesiser() -> None:
    changes: list[str] = []
    tts = FallbackTts([ToneTts("best", fail_after_chunks=2), ToneTts("plain"), ToneTts("last")], changes.append)
    one, two = tts.stream("a b c"), tts.stream("d e f")
    await anext(one)
    await anext(two)
    assert len([chunk async for chunk in one]) == 3
    assert len([chunk async for chunk in two]) == 3
    assert tts.name == "plain"
    assert len(changes) == 1


async def test_closing_reaches_the_one_that_speaks() -> None:
    inner = ToneTts()
    async with aclosing(FallbackTts([inner]).stream("one two three")) as stream:
        assert np.abs(await anext(stream)).max() > 0
    assert inner.closed_early == 1


async def test_a_voice_follows_to_the_next_synthesiser() -> None:
    first, second = ToneTts("best", voices=("arabella",), fail_after_chunks=0), ToneTts("plain", voices=("rms", "slt"))
    tts = FallbackTts([first, second])
    await words(tts, "one", "arabella")
    await words(tts, "two", "NATM1")
    await words(tts, "three")
    assert second.voices_used == ["slt", "rms", "rms"]
    with pytest.raises(SpeechError, match="no voice 'nobody'"):
        await words(tts, "four", "nobody")


def test_no_synthesiser_at_all() -> None:
    with pytest.raises(SpeechError, match="libflite1"):
        FallbackTts([])


@pytest.mark.parametrize(
    ("wanted", "chosen", "note"),
    [
        (None, None, None),
        ("awb", "awb", None),
        ("NATF2", "slt", "NATF2 is a PersonaPlex voice; flite speaks as slt here"),
        ("VARM0", "rms", "VARM0 is a PersonaPlex voice; flite speaks as rms here"),
        ("arabella", "slt", "arabella is a voice of another synthesiser; flite speaks as slt here"),
        ("bob", "rms", "bob is not a voice that is known here; flite speaks as rms here"),
    ],
)
def test_the_nearest_voice(wanted: str | None, chosen: str | None, note: str | None) -> None:
    assert voice_for(ToneTts("flite", voices=("rms", "slt", "awb")), wanted) == (chosen, note)
