"""What our recogniser understands of a delivery, beside the words asked for, measured beside the talk and kept in its row."""

from __future__ import annotations

import asyncio
import ctypes.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk_stage import Left, Words, held, result_out, told

from workbench.audio.frames import LISTEN_RATE, Pcm, silence
from workbench.bridge.fidelity import word_error_rate
from workbench.bridge.numbers import say_number
from workbench.engines.base import Engine
from workbench.engines.classic.engine import ClassicEngine
from workbench.engines.speech.base import SpeechError, Tts
from workbench.engines.speech.flite_tts import FliteTts
from workbench.engines.speech.pocketsphinx_asr import PocketsphinxAsr
from workbench.engines.speech.second_ear import SecondEar
from workbench.events import FidelityMeasured, ResultDelivered
from workbench.testing.asr import Script as Heard
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import EchoEngine
from workbench.testing.responder import ScriptedResponder
from workbench.testing.tools import Script
from workbench.testing.tts import ToneTts
from workbench.testing.user import Line, ScriptedUser

RESULT = "It rains in Ghent."
WEATHER = Line("how is the weather")


def classic(tts: Tts) -> ClassicEngine:
    return ClassicEngine(tts, lambda _persona: ScriptedResponder(("Fine.",)), lambda _tts, _voice: (None, None), max_sessions=1)


async def measured(
    folder: Path, heard: Heard, *, user: ScriptedUser | None = None, result: str = RESULT, linger_s: float = 1.0
) -> tuple[Left, ScriptedAsr]:
    asr = ScriptedAsr(heard)
    user = user or ScriptedUser(WEATHER, until=result_out, linger_s=linger_s)
    return await held(folder, [classic(ToneTts())], user, {"weather": Script(result)}, hearer=SecondEar(asr)), asr


@pytest.mark.parametrize(
    ("reference", "transcript", "wer"),
    [
        ("It is 84.", "it is eighty four", 0.0),
        ("It's 21.5 degrees", "it is twenty one point five degrees", 0.0),
        ("minus 5 percent", "-5%", 0.0),
        ("It rains in Ghent.", "it rains in spain", 0.25),
        ("one two", "", 1.0),
        ("one", "one two three", 2.0),
        ("...", "one", None),
        ("9" * 40, "x", 1.0),
    ],
)
def test_word_error_rate(reference: str, transcript: str, wer: float | None) -> None:
    assert word_error_rate(reference, transcript) == wer


@given(st.integers(-(10**12), 10**12))
def test_a_number_is_the_words_it_is_said_with(number: int) -> None:
    assert word_error_rate(f"it is {number}", f"It is {say_number(number)}.") == 0


@given(st.text(max_size=200))
def test_what_is_heard_as_it_was_written_has_no_errors(text: str) -> None:
    assert word_error_rate(text, text) in (0, None)


async def test_it_is_kept_in_the_row_and_follows_the_delivery(tmp_path: Path) -> None:
    left, asr = await measured(tmp_path, ["it rains in spain"])
    (row,) = left.tools
    assert row["fidelity_wer"] == 0.25
    (event,) = left.talk.of(FidelityMeasured)
    assert (event.reference, event.transcript, event.recogniser) == (RESULT, "it rains in spain", "scripted")
    kinds = [found.kind for found in left.talk.events]
    assert kinds.index("FidelityMeasured") > kinds.index("ResultDelivered")
    # Four words of 300 ms, 200 ms before them and up to 650 ms after them: the delivery and no other sound of the talk.
    (session,) = asr.sessions
    assert session.closed
    assert 1.2 * LISTEN_RATE <= session.fed_samples[0] <= 2.1 * LISTEN_RATE


async def test_of_an_interrupted_delivery_the_words_that_were_heard_are_asked_for(tmp_path: Path) -> None:
    user = ScriptedUser(WEATHER, Line("thank you", Words(3), after_s=0.08), until=result_out, linger_s=1.0)
    left, _asr = await measured(tmp_path, ["it will rain"], user=user, result="It will rain all day long and all night long.")
    (row,) = left.tools
    assert row["interrupted"]
    (event,) = left.talk.of(FidelityMeasured)
    assert len(event.reference.split()) == row["words_heard"] < row["words_asked"]


async def test_a_talk_that_ends_at_once_waits_for_what_is_under_way(tmp_path: Path) -> None:
    left, _asr = await measured(tmp_path, ["it rains in ghent"], linger_s=0.0)
    assert left.tools[0]["fidelity_wer"] == 0


async def test_unknown_is_unknown_and_never_zero(tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    failing, _asr = await measured(folder("failing"), [SpeechError("the test recogniser was told to fail")])
    assert failing.tools[0]["fidelity_wer"] is None
    nobody = await held(folder("nobody"), [classic(ToneTts())], ScriptedUser(WEATHER, until=result_out), {"weather": Script(RESULT)})
    assert nobody.tools[0]["fidelity_wer"] is None
    ear = SecondEar(ScriptedAsr(["never asked"]))
    card = await held(
        folder("card"), [EchoEngine()], ScriptedUser(WEATHER, until=result_out, linger_s=1.0), {"weather": Script(RESULT)}, hearer=ear
    )
    assert (card.tools[0]["delivered_how"], card.tools[0]["fidelity_wer"]) == ("card", None)
    apology = await held(
        folder("apology"),
        [classic(ToneTts())],
        ScriptedUser(WEATHER, until=told("apology"), linger_s=1.0),
        {"weather": Script(error="no")},
        hearer=ear,
    )
    assert apology.tools[0]["fidelity_wer"] is None


async def test_the_host_voice_is_measured_too(tmp_path: Path) -> None:
    user = ScriptedUser(WEATHER, until=result_out, linger_s=1.0)
    ear = SecondEar(ScriptedAsr(["it rains in ghent"]))
    left = await held(tmp_path, [EchoEngine()], user, {"weather": Script(RESULT)}, hearer=ear, host_tts=ToneTts())
    assert (left.tools[0]["delivered_how"], left.tools[0]["fidelity_wer"]) == ("host", 0)


@pytest.mark.parametrize("engine", ["personaplex"], indirect=True)
async def test_the_personas_own_voice_is_measured(engine: Engine, tmp_path: Path) -> None:
    user = ScriptedUser(WEATHER, until=result_out, linger_s=1.0)
    left = await held(tmp_path, [engine], user, {"weather": Script(RESULT)}, hearer=SecondEar(ScriptedAsr(["it reigns"])))
    assert left.tools[0]["fidelity_wer"] == 0.75


class SlowAsr(ScriptedAsr):
    """Opens only when it is let."""

    def __init__(self) -> None:
        super().__init__(["one", "two", "three"])
        self.go = asyncio.Event()

    async def open(self, phrases: object = ()) -> object:
        await self.go.wait()
        return await super().open()


async def test_the_backlog_is_bounded_and_what_is_too_much_is_not_heard() -> None:
    asr = SlowAsr()
    ear = SecondEar(asr, max_waiting=2)
    stretch: Pcm = silence(48_000)
    asked = [asyncio.ensure_future(ear.transcribe(stretch)) for _ in range(3)]
    await asyncio.sleep(0)
    assert await asked[2] is None
    assert ear.refused == 1
    asr.go.set()
    assert [await asked[0], await asked[1]] == ["one", "two"]
    assert len(asr.sessions) == 1, "one session for all that wait"
    assert asr.sessions[0].closed


async def test_a_stretch_that_is_given_up_is_no_part_of_the_next() -> None:
    asr = SlowAsr()
    ear = SecondEar(asr)
    first = asyncio.ensure_future(ear.transcribe(silence(48_000)))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    asr.go.set()
    assert await ear.transcribe(silence(24_000)) == "one"
    assert asr.sessions[-1].fed_samples == [16_000 + 4_000]


@pytest.mark.slow
@pytest.mark.skipif(ctypes.util.find_library("flite") is None, reason="libflite1 is not installed")
async def test_with_real_voice_and_ears_the_right_words_are_nearer_than_wrong_ones(tmp_path: Path) -> None:
    """Real flite, real pocketsphinx in free dictation, which is wrong in four words of ten: the bound is loose and can fail."""
    text = "The weather is very cold today and it will be dark before dinner."
    tts = FliteTts()
    user = ScriptedUser(WEATHER, until=lambda event: isinstance(event, FidelityMeasured), linger_s=0.1)
    left = await held(tmp_path, [classic(tts)], user, {"weather": Script(text)}, hearer=SecondEar(PocketsphinxAsr()))
    await tts.close()
    (event,) = left.talk.of(FidelityMeasured)
    (delivered,) = left.talk.of(ResultDelivered)
    assert delivered.words_heard == 13
    wrong = word_error_rate("Please send my brother three small boxes of old books on Friday", event.transcript)
    assert wrong is not None
    assert event.wer < 0.7 < wrong
    assert left.tools[0]["fidelity_wer"] == event.wer
