"""Scores of outputs in the benchmark's layout: the reference values in that layout, values worked by hand, and what is not known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fdb_made import answer, clip, track, v1_sample, v15_sample, voiced, write

from evaluation.fdb_folders import FolderError, Sample, read_benchmark
from evaluation.fdb_published import V1_ROWS, V15_ROWS, rows_for
from evaluation.fdb_score import Measure, Scores, score
from evaluation.fdb_table import tables

REFERENCE = Path(__file__).parents[1] / "data" / "evaluation"
FEW = 200
"""Resamples: the intervals are the business of `statistics`, and tested there."""


def scored(samples: list[Sample], outputs: Path, **given: Any) -> Scores:
    benchmark = "fdb-v1.5" if samples[0].kind == "overlap" else "fdb-v1"
    return score(samples, outputs, benchmark, words="Parakeet", resamples=FEW, **given)


def measures(scores: Scores, task: str) -> dict[str, Measure]:
    (found,) = (t for t in scores.tasks if t.task == task)
    return {m.key: m for m in found.measures}


@pytest.mark.parametrize(
    ("file", "task", "event"),
    [
        ("pause_handling.json", "candor_pause_handling", None),
        ("smooth_turn_taking.json", "candor_turn_taking", "turn_taking.json"),
        ("user_interruption.json", "synthetic_user_interruption", "interrupt.json"),
    ],
)
def test_the_reference_cases_in_their_own_layout(tmp_path: Path, file: str, task: str, event: str | None) -> None:
    """Each case becomes a sample; the published script's value of each must come out."""
    document = json.loads((REFERENCE / "fdb_v1" / file).read_text())
    for number, case in enumerate(document["cases"], start=1):
        folder = v1_sample(tmp_path, task, str(number), sound=track(60.0))
        if event is not None:
            write(folder / event, case["inputs"][event])
        (transcript,) = (case["inputs"][key] for key in case["inputs"] if key.startswith("output.json"))
        for chunk in transcript["chunks"]:
            # The pause script alone forgives a word without an end.
            chunk["timestamp"] = [chunk["timestamp"][0], chunk["timestamp"][1]]
        write(folder / "output.json", transcript)
        if case["inputs"].get("stub_judge_rating") is not None:
            write(folder / "rating.json", {"analysis": "", "rating": case["inputs"]["stub_judge_rating"]})
    found = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path), task)
    for number, case in enumerate(document["cases"], start=1):
        expected = case["expected"]
        assert found["tor"].by_sample[str(number)] == (expected["TOR"],), case["id"]
        for key, theirs in (("latency_s", "latency_s"), ("rating", "rating")):
            if theirs in expected and key in found:
                value = found[key].by_sample.get(str(number), (None,))[0]
                assert value == (None if expected[theirs] is None else pytest.approx(expected[theirs])), case["id"]


@pytest.mark.parametrize(
    ("script", "key"),
    [("fixed", "expected_fixed_script_3e799c4"), ("original", "expected_original_script_d7336bd_no_resampling")],
)
def test_backchannels_of_both_script_versions(tmp_path: Path, script: Any, key: str) -> None:
    document = json.loads((REFERENCE / "fdb_v1" / "backchannel_wav.json").read_text())
    human, expected = {}, {}
    for number, case in enumerate(document["cases"], start=1):
        folder = v1_sample(tmp_path, "icc_backchannel", str(number))
        shutil.copy(REFERENCE / "fdb_v1" / case["wav"], folder / "output.wav")
        write(folder / "output.json", case["inputs"]["output.json"])
        human[str(number)] = case["inputs"]["human_distribution"]
        expected[str(number)] = case[key]
    found = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path, human=human, script=script), "icc_backchannel")
    for number, values in expected.items():
        assert found["tor"].by_sample[number] == (values["TOR"],)
        assert found["frequency_per_s"].by_sample[number] == pytest.approx((values["frequency_per_s"],))
        assert found["distance"].by_sample[number] == pytest.approx((values["JSD"],), abs=0.05)
    alone = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path, script=script), "icc_backchannel")["distance"]
    assert (alone.value, alone.unknown) == (None, "no human listeners to compare with")


def test_means_are_over_what_was_answered_and_say_so(tmp_path: Path) -> None:
    """Three of four answered: a turn at +0.3 s, one at +0.5 s, an acknowledgement. Rate 2/3, latency 0.4 s over the two."""
    folders = [v1_sample(tmp_path, "candor_turn_taking", str(number), span=(2.0, 2.1)) for number in (1, 2, 3, 4)]
    answer(folders[0], ("well", 2.3, 2.6), ("it", 2.7, 2.8), ("depends", 2.8, 3.5))
    answer(folders[1], ("no", 2.5, 3.6))
    answer(folders[2], ("mhm", 2.2, 2.5))
    scores = scored(read_benchmark("fdb-v1", tmp_path), tmp_path)
    assert scores.missing == ("candor_turn_taking/4",)
    assert (scores.tasks[0].files, scores.tasks[0].scored) == (4, 3)
    found = measures(scores, "candor_turn_taking")
    assert found["tor"].value == pytest.approx(2 / 3)
    assert found["latency_s"].value == pytest.approx(0.4)
    assert (found["latency_s"].n, found["latency_s"].files) == (2, 2)
    low, high = found["latency_s"].low, found["latency_s"].high
    assert low is not None
    assert high is not None
    assert low < 0.4 < high
    told = tables(scores, "mine")
    assert "Samples without an answer, in no mean: 1 (candor_turn_taking/4)." in told
    assert "this run, 3 of 4 files" in told
    assert "| PersonaPlex-7b-v1 (released) | 0.908 | 0.170 | published: model card of nvidia/personaplex-7b-v1 |" in told


def test_files_that_are_all_alike_have_no_interval(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        answer(v1_sample(tmp_path, "candor_pause_handling", str(number)), ("no", 2.5, 3.6))
    tor = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path), "candor_pause_handling")["tor"]
    assert (tor.value, tor.n, tor.low, tor.high) == (1.0, 3, None, None)


def test_what_nobody_has_judged_is_unknown(tmp_path: Path) -> None:
    folder = v1_sample(tmp_path, "synthetic_user_interruption")
    answer(folder, ("of", 2.6, 2.8), ("course", 2.8, 4.0))
    rating = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path), "synthetic_user_interruption")["rating"]
    assert (rating.value, rating.n) == (None, 0)
    told = tables(scored(read_benchmark("fdb-v1", tmp_path), tmp_path), "mine")
    assert "rating 0-5: unknown, no judge has rated these answers" in told
    write(folder / "rating.json", {"analysis": "Fits.", "rating": 4})
    rating = measures(scored(read_benchmark("fdb-v1", tmp_path), tmp_path), "synthetic_user_interruption")["rating"]
    assert (rating.value, rating.low) == (4.0, None)


def test_v15_counts_the_labels_of_a_judge_and_marks_censored_stops(tmp_path: Path) -> None:
    """One user over an agent that goes on (censored), one agent that stops first and answers."""
    user, agent = clip("digit_five"), clip("librivox_0880")
    first = v15_sample(tmp_path, "talking_to_other", "1", sound=track(8.0, (2.0, user)))
    answer(first, sound=track(8.0, (1.0, agent)))
    write(first / "content_tag.json", {"behaviour": ["C_RESUME"]})
    second = v15_sample(tmp_path, "talking_to_other", "2", sound=track(9.0, (2.0, agent)))
    answer(second, sound=track(9.0, (1.7, user), (7.0, user)))
    write(second / "content_tag.json", {"behaviour": "C_RESPOND"})
    scores = scored(read_benchmark("fdb-v1.5", tmp_path), tmp_path)
    found = measures(scores, "talking_to_other")
    assert found["C_RESUME"].value == found["C_RESPOND"].value == 0.5
    assert found["C_RESUME"].better == "higher"
    assert found["stop_s"].n == 2
    assert (found["stop_uncensored_s"].n, set(found["stop_uncensored_s"].by_sample)) == (1, {"2"})
    labelled, censored = scores.tasks[0].notes
    assert labelled == "2 of 2 answers are labelled, by whom is not told"
    assert "1 of 2 stop intervals are censored" in censored
    # From the user's last word to the agent's second turn; two edges of silero, 0.2 s at most together.
    expected_s = 7.0 + voiced("digit_five")[0] - (2.0 + voiced("librivox_0880")[1])
    assert found["response_s"].by_sample["2"] == pytest.approx((expected_s,), abs=0.2)
    assert "| GPT-4o-realtime | 0.180 | – | 1.160 |" in tables(scores, "mine")


def test_published_rows_of_another_script_are_in_no_table(tmp_path: Path) -> None:
    fixed = {row.system for row in rows_for("icc_backchannel", V1_ROWS, "fixed")}
    original = {row.system for row in rows_for("icc_backchannel", V1_ROWS, "original")}
    assert "PersonaPlex, reproduced" in fixed
    assert "PersonaPlex-7b-v1 (released)" in original
    assert not fixed & original
    assert not any(system.startswith("Gemini 3.1") for system in fixed | original)
    assert len(rows_for("user_interruption", V15_ROWS)) == 3


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "output.json").unlink(), "output.json is missing"),
        (lambda folder: (folder / "output.json").write_text("{}"), "output.json should be"),
        (lambda folder: (folder / "output.wav").write_bytes(b"no"), "output.wav is no sound file"),
    ],
)
def test_an_answer_that_cannot_be_read_is_named(tmp_path: Path, spoil: Any, says: str) -> None:
    folder = v1_sample(tmp_path, "icc_backchannel")
    answer(folder, ("mhm", 1.0, 1.2), sound=track(6.0))
    spoil(folder)
    with pytest.raises(FolderError, match=says):
        scored(read_benchmark("fdb-v1", tmp_path), tmp_path)


def test_a_folder_without_any_answer_is_no_zero(tmp_path: Path) -> None:
    v1_sample(tmp_path, "icc_backchannel")
    with pytest.raises(FolderError, match="holds no answer to the 1 samples"):
        scored(read_benchmark("fdb-v1", tmp_path), tmp_path)
    with pytest.raises(FolderError, match="is not a folder"):
        scored(read_benchmark("fdb-v1", tmp_path), tmp_path / "nowhere")
