"""The benchmark's folders as they are published, and what is said about ones that are not."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fdb_made import answer, v1_sample, v15_sample, write
from hypothesis import given
from hypothesis import strategies as st

from evaluation.fdb_folders import (
    V1_TASKS,
    V15_TASKS,
    FolderError,
    read_behaviour,
    read_benchmark,
    read_human,
    read_rating,
    read_words,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("text", "chunks", "timestamp", "rating", "1")), inner),
    max_leaves=8,
)


def test_a_whole_v1_folder_is_read_by_task_and_number(tmp_path: Path) -> None:
    for task in V1_TASKS:
        for sample_id in ("10", "2"):
            v1_sample(tmp_path, task, sample_id)
    (tmp_path / "icc_backchannel" / ".cache").mkdir()
    samples = read_benchmark("fdb-v1", tmp_path)
    assert [s.name for s in samples] == [f"{task}/{sample_id}" for task in V1_TASKS for sample_id in ("2", "10")]
    by_task = {s.task: s for s in samples}
    assert by_task["candor_pause_handling"].pauses == ((2.0, 2.5),)
    assert by_task["icc_backchannel"].event is None
    assert by_task["candor_turn_taking"].event == (2.0, 2.5)
    assert by_task["synthetic_user_interruption"].event == (2.0, 2.5)
    assert by_task["synthetic_user_interruption"].texts == {"context": "Tell me a story.", "interrupt": "Wait, stop."}


def test_the_archives_own_folders_are_found_and_tasks_may_be_chosen(tmp_path: Path) -> None:
    for task in V15_TASKS:
        v15_sample(tmp_path / "v1_5", task)
    assert [s.task for s in read_benchmark("fdb-v1.5", tmp_path)] == list(V15_TASKS)
    (chosen,) = read_benchmark("fdb-v1.5", tmp_path, ["background_speech"])
    assert chosen.inputs == ("input", "clean_input")
    assert chosen.event == (2.0, 2.5)
    assert chosen.texts["current_turn_text"] == "Wait, stop."


def _unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _text(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


V1_FAULTS = [
    ("candor_turn_taking", _unlink("input.wav"), "candor_turn_taking/1/input.wav is missing"),
    ("candor_turn_taking", _text("input.wav", "RIFF"), "input.wav is no sound file"),
    ("candor_turn_taking", _unlink("turn_taking.json"), "turn_taking.json is missing"),
    ("candor_turn_taking", _text("turn_taking.json", "[]"), "turn_taking.json should be a list of at least one"),
    ("candor_turn_taking", _text("turn_taking.json", "[{}]"), "turn_taking.json: {} has no pair of times"),
    ("candor_turn_taking", _text("turn_taking.json", '[{"timestamp": [3, 2]}]'), "3.0 to 2.0 s is no stretch of a sound of 6.00 s"),
    ("candor_turn_taking", _text("turn_taking.json", '[{"timestamp": [3, 200]}]'), "is no stretch of a sound of 6.00 s"),
    ("candor_turn_taking", _text("turn_taking.json", '[{"timestamp": [3, NaN]}]'), "has no pair of times"),
    ("candor_pause_handling", _text("pause.json", "{"), "pause.json is not JSON"),
    ("icc_backchannel", _unlink("input.wav"), "icc_backchannel/1/input.wav is missing"),
    ("synthetic_user_interruption", _text("interrupt.json", '[{"timestamp": [2, 3]}]'), "interrupt.json: 'context' should be a text"),
]


@pytest.mark.parametrize(("task", "spoil", "says"), V1_FAULTS, ids=[fault[2] for fault in V1_FAULTS])
def test_a_fault_of_a_v1_folder_names_the_file(tmp_path: Path, task: str, spoil: Callable[[Path], None], says: str) -> None:
    spoil(v1_sample(tmp_path, task))
    with pytest.raises(FolderError) as told:
        read_benchmark("fdb-v1", tmp_path)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_unlink("clean_input.wav"), "clean_input.wav is missing"),
        (_unlink("metadata.json"), "metadata.json is missing"),
        (_text("metadata.json", "[]"), "metadata.json should be an object"),
        (_text("metadata.json", '{"context_text": "a", "current_turn_text": "b"}'), "has no pair of times"),
    ],
)
def test_a_fault_of_a_v15_folder_names_the_file(tmp_path: Path, spoil: Callable[[Path], None], says: str) -> None:
    spoil(v15_sample(tmp_path, "talking_to_other"))
    with pytest.raises(FolderError, match=says):
        read_benchmark("fdb-v1.5", tmp_path)


def test_many_faults_are_told_by_the_first_and_their_number(tmp_path: Path) -> None:
    for number in range(5):
        _unlink("input.wav")(v1_sample(tmp_path, "icc_backchannel", str(number)))
    with pytest.raises(FolderError, match=r"icc_backchannel/0/input.wav is missing; .*; and 2 more faults"):
        read_benchmark("fdb-v1", tmp_path)


def test_a_folder_that_is_none_is_told_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="is not a folder"):
        read_benchmark("fdb-v1", tmp_path / "nowhere")
    with pytest.raises(FolderError, match="at least one of: user_interruption"):
        read_benchmark("fdb-v1.5", tmp_path)
    (tmp_path / "icc_backchannel").mkdir()
    with pytest.raises(FolderError, match="holds no samples"):
        read_benchmark("fdb-v1", tmp_path)
    with pytest.raises(FolderError, match="has no task 'icc'"):
        read_benchmark("fdb-v1", tmp_path, ["icc"])
    with pytest.raises(FolderError, match="candor_turn_taking is not there"):
        read_benchmark("fdb-v1", tmp_path, ["candor_turn_taking"])


def test_words_ratings_labels_and_histograms_are_checked(tmp_path: Path) -> None:
    answer(tmp_path, ("yes", 1.0, 1.2))
    (word,) = read_words(tmp_path / "output.json")
    assert (word.text, word.start_s, word.end_s) == ("yes", 1.0, 1.2)
    place = tmp_path / "given.json"
    write(place, {"text": "", "chunks": [{"text": "yes", "timestamp": [None, 1.0]}]})
    with pytest.raises(FolderError, match="has no start time"):
        read_words(place)
    write(place, {"rating": 6})
    with pytest.raises(FolderError, match="0 to 5"):
        read_rating(place)
    write(place, {"analysis": "Fits.", "rating": 4})
    assert read_rating(place) == 4
    write(place, {"behaviour": "C_RESUME"})
    assert read_behaviour(place) == ["C_RESUME"]
    write(place, {"behaviour": []})
    with pytest.raises(FolderError, match="C_RESPOND"):
        read_behaviour(place)
    write(place, {"7": [0, 1, 2]})
    assert read_human(place) == {"7": [0, 1, 2]}
    write(place, {"7": [0, 0]})
    with pytest.raises(FolderError, match="histogram of '7'"):
        read_human(place)


@given(JSON)
def test_whatever_a_file_holds_is_read_or_refused(content: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "given.json"
        place.write_text(json.dumps(content))
        for read in (read_words, read_rating, read_behaviour, read_human):
            with contextlib.suppress(FolderError):
                read(place)
