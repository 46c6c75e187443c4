"""Playing the benchmark's inputs: answers on the input's clock, whole or not at all, and only the engine's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fdb_made import TimedEngine, alignment, clip, track, v1_sample, v15_sample, voiced

from evaluation.engines_alone import engines_alone
from evaluation.fdb_folders import read_benchmark, read_words
from evaluation.fdb_run import Played, run_samples
from evaluation.fdb_run_folder import CONVERSATION, TEACHER, Conditions, RunError
from evaluation.fdb_score import score
from evaluation.word_times import WordSource, engine_words, recognised
from workbench.clock import fixed
from workbench.engines.base import Engine
from workbench.events import AgentText
from workbench.sessions import Sessions
from workbench.settings import Settings
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import DyingEngine
from workbench.testing.talks import CHARGES, spoken
from workbench.testing.tts import ToneTts

SILERO_S = 0.2
"""How far silero's two edges together may lie from those of an alignment: 0.05 s at the start and 0.1 s at the end, with room."""
ONE, TWO, THREE, FOUR = ((float(n), word) for n, word in enumerate(("one", "two", "three", "four"), start=1))


@asynccontextmanager
async def engines(tmp_path: Path, timed: Engine) -> AsyncIterator[Sessions]:
    """Classic, echo and `timed`, with a recogniser that understands the same in everything."""
    settings = Settings(data_dir=tmp_path / "var", test_engines=True, _env_file=None)  # type: ignore[call-arg]
    asr = ScriptedAsr(lambda _seconds: "tell me a story")
    async with engines_alone(
        settings, lambda _said: None, recogniser=asr, synthesisers=[ToneTts(voices=("slt",))], personaplex=timed
    ) as sessions:
        yield sessions
    assert not (tmp_path / "var").exists()


async def play(
    sessions: Sessions, data: Path, out: Path, benchmark: Any = "fdb-v1", engine: str = "timed", words: WordSource = "engine-text"
) -> Played:
    conditions = Conditions(benchmark, engine, words, latency_model="test")
    return await run_samples(read_benchmark(benchmark, data), sessions, conditions, out, charge=fixed(CHARGES))


def times(path: Path) -> list[tuple[str, float, float]]:
    return [(word.text, word.onset_s, word.offset_s) for word in read_words(path)]


async def test_a_v1_run_keeps_the_layout_and_scores_to_the_worked_values(tmp_path: Path) -> None:
    """The agent says four words at 1, 2, 3 and 4 s of every talk, 0.25 s each, in inputs of 6 s."""
    data, out = tmp_path / "data", tmp_path / "run"
    v1_sample(data, "candor_pause_handling")
    v1_sample(data, "candor_turn_taking", span=(0.4, 0.5))
    v1_sample(data, "synthetic_user_interruption", span=(1.0, 2.1))
    engine = TimedEngine(dict([ONE, TWO, THREE, FOUR]))
    async with engines(tmp_path, engine) as sessions:
        done = await play(sessions, data, out)
    assert done.played == ("candor_pause_handling/1", "candor_turn_taking/1", "synthetic_user_interruption/1")
    assert [spec.persona.prompt for spec in engine.opened] == [CONVERSATION, CONVERSATION, TEACHER]

    sound, rate = soundfile.read(out / "candor_pause_handling" / "1" / "output.wav")
    assert (rate, len(sound)) == (24_000, 6 * 24_000)
    assert np.flatnonzero(np.abs(sound) > 0.01)[0] == pytest.approx(24_000, abs=10)
    whole = times(out / "candor_pause_handling" / "1" / "output.json")
    assert [(text, onset) for text, onset, _end in whole] == [("one", 1.0), ("two", 2.0), ("three", 3.0), ("four", 4.0)]
    assert [end - onset for _text, onset, end in whole] == pytest.approx([0.25] * 4, abs=0.02)
    # What was said in the interruption does not count; the word at its end begins with what is left of it.
    after = times(out / "synthetic_user_interruption" / "1" / "output.json")
    assert [(text, onset) for text, onset, _end in after] == [("two", 2.1), ("three", 3.0), ("four", 4.0)]

    found = score(read_benchmark("fdb-v1", data), out, "fdb-v1", words="engine text")
    values = {(task.task, m.key): m.value for task in found.tasks for m in task.measures}
    assert values == {
        ("candor_pause_handling", "tor"): 1.0,
        ("candor_turn_taking", "tor"): 1.0,
        ("candor_turn_taking", "latency_s"): pytest.approx(0.6),
        ("synthetic_user_interruption", "tor"): 1.0,
        ("synthetic_user_interruption", "latency_s"): pytest.approx(0.0),
        ("synthetic_user_interruption", "rating"): None,
    }

    account = json.loads((out / "run.json").read_text())
    assert account["conditions"]["engine"] == "timed"
    assert "no recogniser heard" in account["words"]
    assert account["versions"]["numpy"] == np.__version__
    talk = json.loads((out / "candor_turn_taking" / "1" / "talk.json").read_text())
    assert (talk["talks"]["input"]["engine"], talk["talks"]["input"]["seconds"]) == ("timed", 6.0)


async def test_a_v15_run_answers_both_inputs_and_is_timed_from_their_sound(tmp_path: Path) -> None:
    """The user speaks at 1 s and again at 5.5 s; the agent, a recording, from 4.5 s until after the user's second turn."""
    data, out = tmp_path / "data", tmp_path / "run"
    user, agent = clip("goforward"), clip("librivox_0880")
    v15_sample(data, "user_interruption", sound=track(12.0, (1.0, user), (5.5, clip("digit_five"))))
    engine = TimedEngine({4.5: "he"}, sound=track(12.0, (4.5, agent)))
    async with engines(tmp_path, engine) as sessions:
        done = await play(sessions, data, out, "fdb-v1.5")
    assert done.played == ("user_interruption/1",)
    assert sorted(path.name for path in (out / "user_interruption" / "1").iterdir()) == [
        *("clean_output.json", "clean_output.wav", "output.json", "output.wav", "talk.json")
    ]
    assert len(engine.opened) == 2
    (task,) = score(read_benchmark("fdb-v1.5", data), out, "fdb-v1.5", words="engine text").tasks
    values = {m.key: m for m in task.measures}
    # "five" is spoken while the agent speaks, from its first sound to its last, so how long the agent would have needed is not known.
    five = voiced("digit_five")
    assert values["stop_s"].value == pytest.approx(five[1] - five[0], abs=SILERO_S)
    assert "1 of 1 stop intervals are censored" in task.notes[0]
    assert values["stop_uncensored_s"].value is None
    # From the last word of the first turn to the agent's first.
    assert values["response_s"].value == pytest.approx(4.5 + voiced("librivox_0880")[0] - (1.0 + voiced("goforward")[1]), abs=SILERO_S)
    assert "no judge" in values["C_RESPOND"].unknown


async def test_an_echo_is_heard_by_the_recogniser_a_frame_after_the_user(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    v1_sample(data, "candor_turn_taking", sound=track(4.0, (1.0, clip("one_two_three"))), span=(0.9, 1.0))
    async with engines(tmp_path, TimedEngine()) as sessions:
        await play(sessions, data, out, engine="echo", words="pocketsphinx")
    heard = times(out / "candor_turn_taking" / "1" / "output.json")
    assert [text for text, *_ in heard] == ["one", "two", "three"]
    aligned = [1.0 + 0.08 + onset for _text, onset, _end in alignment("one_two_three")]
    assert [onset for _text, onset, _end in heard] == pytest.approx(aligned, abs=0.1)
    assert json.loads((out / "run.json").read_text())["words"].startswith("pocketsphinx")


async def test_the_classic_engine_answers_after_the_user(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    said = clip("goforward")
    v1_sample(data, "candor_turn_taking", sound=track(10.0, (0.5, said)), span=(0.5 + len(said) / 24_000, 9.0))
    async with engines(tmp_path, TimedEngine()) as sessions:
        await play(sessions, data, out, engine="classic")
    words = times(out / "candor_turn_taking" / "1" / "output.json")
    assert len(words) > 3
    assert words[0][1] > 0.5
    assert words[-1][2] <= 10.0
    (task,) = score(read_benchmark("fdb-v1", data), out, "fdb-v1", words="engine text").tasks
    assert task.measures[0].value == 1.0


async def test_an_interrupted_run_goes_on_without_playing_twice(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    folders = [v1_sample(data, "icc_backchannel", str(number), sound=track(1.0)) for number in (1, 2, 3)]
    engine = TimedEngine({0.5: "mhm"})
    async with engines(tmp_path, engine) as sessions:

        class Interrupt(Exception):
            pass

        def interrupt(message: str) -> None:
            if message.startswith("2 of 3"):
                raise Interrupt

        conditions = Conditions("fdb-v1", "timed", "engine-text", latency_model="test")
        with pytest.raises(Interrupt):
            await run_samples(read_benchmark("fdb-v1", data), sessions, conditions, out, tell=interrupt)
        # What a process that was killed while it wrote leaves behind.
        (out / "icc_backchannel" / ".3.part").mkdir()
        (out / "icc_backchannel" / ".3.part" / "output.wav").write_bytes(b"RIFF")
        resumed = await play(sessions, data, out)
        assert (resumed.played, resumed.kept) == (("icc_backchannel/3",), ("icc_backchannel/1", "icc_backchannel/2"))
        assert len(engine.opened) == 3
        assert sorted(path.name for path in (out / "icc_backchannel").iterdir()) == ["1", "2", "3"]

        # A damaged answer, and an answer to another input, are none.
        (out / "icc_backchannel" / "1" / "output.json").write_text("{}")
        soundfile.write(folders[1] / "input.wav", track(2.0), 24_000)
        mended = await play(sessions, data, out)
        assert mended.played == ("icc_backchannel/1", "icc_backchannel/2")
        assert len(soundfile.read(out / "icc_backchannel" / "2" / "output.wav")[0]) == 48_000
        assert (await play(sessions, data, out)).played == ()

        with pytest.raises(RunError, match=r"under other conditions \(words 'engine-text', now 'pocketsphinx'\)"):
            await play(sessions, data, out, words="pocketsphinx")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "thesis.txt").write_text("mine")
        with pytest.raises(RunError, match="is not empty and holds no run"):
            await play(sessions, data, tmp_path / "full")


async def test_a_talk_whose_engine_was_lost_is_no_answer(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    v1_sample(data, "icc_backchannel", sound=track(2.0))
    async with engines(tmp_path, DyingEngine(frames=10)) as sessions:
        done = await play(sessions, data, out, engine="dying")
    assert "the engine dying was lost" in done.failed["icc_backchannel/1"]
    assert not (out / "icc_backchannel").exists()


def test_pieces_become_words_that_end_where_the_sound_does() -> None:
    def piece(text: str, at_s: float) -> AgentText:
        return AgentText(at_samples=round(at_s * 24_000), noticed_samples=0, text=text)

    pieces = [piece(" Hel", 1.0), piece("lo", 1.16), piece(" there", 1.4), piece(".", 1.6), piece(" Yes", 3.0), piece(" never", 9.5)]
    said = engine_words(pieces, [(1.0, 1.9), (3.0, 3.4)], length_s=8.0)
    assert [(w.text, w.start_s, w.end_s) for w in said] == [("Hello", 1.0, 1.4), ("there.", 1.4, 1.9), ("Yes", 3.0, 3.4)]
    # A recogniser that is given the sound from 1.5 s on hears the rest of a word.
    assert [(w.text, w.start_s) for w in engine_words(pieces, [(1.0, 1.9), (3.0, 3.4)], 8.0, from_s=1.5)] == [("there.", 1.5), ("Yes", 3.0)]
    assert engine_words([], [], 8.0) == []


def test_the_recogniser_hears_the_same_again_and_nothing_in_silence() -> None:
    assert recognised(track(2.0)) == []
    sound = track(2.5, (1.0, clip("digit_five")))
    first = recognised(sound)
    assert [word.text for word in first] == ["five"]
    recognised(clip("digit_eight"))
    assert recognised(sound) == first
    assert recognised(sound, from_s=2.2) == []
    assert recognised(spoken(0.5)[:0]) == []
