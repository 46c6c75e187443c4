"""`python -m evaluation.check DIR`: agreement, every kind of disagreement, and folders with nothing to check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evaluation.check.__main__ import main
from evaluation.check.compare import Failed, Tolerance, differences

DATA = Path(__file__).parents[1] / "data" / "evaluation"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "values"))


def change(path: Path, edit: Any) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def test_every_shipped_case_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(DATA)]) == 0
    printed = capsys.readouterr().out
    assert "differs" not in printed
    assert "hotato/ami_real.json" in printed
    (total,) = [line.split()[1].strip(",") for line in printed.splitlines() if line.startswith("all ")]
    agree, of = total.split("/")
    assert agree == of
    assert int(of) > 100


@pytest.mark.parametrize(
    ("file", "edit", "named"),
    [
        ("fdb_v1/pause_handling.json", lambda d: d["cases"][0]["expected"].update(TOR=1), "v1_pause_01: TOR"),
        ("fdb_v1/backchannel_injected_vad.json", lambda d: d["cases"][1]["expected"].update(JSD=0.68), "v1_bc_02: JSD"),
        ("fdb_v1/backchannel_injected_vad.json", lambda d: d["constants"].update(window_s=0.1), "constants: window_s"),
        ("fdb_v1/backchannel_wav.json", lambda d: d["cases"][0]["expected_fixed_script_3e799c4"].update(JSD=0.39), "bc_wav_1 fixed"),
        ("fdb_v15/timing_injected_vad.json", lambda d: d["cases"][1]["expected"]["latency_stop_list"].pop(), "latency_stop_list"),
        ("fdb_v15/paired_t.json", lambda d: d["expected"][1].update(p_t=0.05), "outliers mad: p_t"),
        ("fdb_v2/judge_parsing_and_scores.json", lambda d: d["score_rows"][0].update(n_events="4"), "n_events"),
        ("fdb_v3/tool_calls.json", lambda d: d["cases"][0]["expected"].update(passed=False), "v3_tool_01: passed"),
        (
            "tau_voice/synthetic_ticks.json",
            lambda d: d["cases"][0]["expected"]["panel"].update(response_rate=0.5),
            "tau_01: panel.response",
        ),
        ("mtr/scenarios.json", lambda d: d["cases"][0]["expected"].update(latency_s=0.7), "mtr_smooth_01: latency_s"),
        ("fto/scikit_talk_fto.json", lambda d: d["cases"][0]["expected_fto_ms"].__setitem__(1, 201), "fto_01"),
        ("ipu/definitions_worked.json", lambda d: d["cases"][0]["expected"]["totals_s"].update(gap=1.2), "ipu_01: totals_s.gap"),
        ("tool_latency/worked_event_logs.json", lambda d: d["cases"][0]["expected"].update(tool_s=4.1), "tool_lat_02: tool_s"),
        ("hotato/ami_real.json", lambda d: d["clips"][0]["hotato"].update(time_to_yield_s=0.31), "time_to_yield_s"),
        ("hotato/vapi_real.json", lambda d: d["clips"][0]["silero_fdb"]["silero_ch1_s"][0].__setitem__(0, 0.2), "silero_ch1_s[0][0]"),
    ],
)
def test_a_wrong_value_is_named_and_fails(folder: Path, capsys: pytest.CaptureFixture[str], file: str, edit: Any, named: str) -> None:
    for other in folder.rglob("*.json"):
        if other != folder / file:
            other.unlink()
    change(folder / file, edit)
    assert main([str(folder)]) == 1
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "differs" in line]
    assert named in line


def test_other_cases_of_the_same_layout_are_computed(folder: Path) -> None:
    def add(document: dict[str, Any]) -> None:
        words = [{"text": "no", "timestamp": [4.0, 4.2]}, {"text": "wait", "timestamp": [4.2, 5.4]}]
        document["cases"] = [{"id": "mine", "inputs": {"output.json": {"text": "no wait", "chunks": words}}, "expected": {"TOR": 1}}]

    change(folder / "fdb_v1" / "pause_handling.json", add)
    assert main([str(folder / "fdb_v1")]) == 0


def test_a_value_that_nothing_computes_is_a_difference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / "fdb_v1" / "pause_handling.json", lambda d: d["cases"][0]["expected"].update(loudness=3))
    assert main([str(folder)]) == 1
    assert "nothing computes 'loudness'" in capsys.readouterr().out


def test_an_input_that_is_not_what_the_metric_takes_is_a_difference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / "fdb_v15" / "timing_injected_vad.json", lambda d: d["cases"][0]["inputs"].update(user_vad_s=[[3.0, 1.0]]))
    assert main([str(folder)]) == 1
    assert "the computation failed: ValueError: a span runs from 3.0 to 1.0 s" in capsys.readouterr().out


def test_unknown_files_and_keys_and_missing_sound_are_named_and_not_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fdb_v9").mkdir()
    (folder / "fdb_v9" / "new.json").write_text("{}")
    change(folder / "mtr" / "scenarios.json", lambda d: d.update(moods=[1]))
    next((folder / "hotato" / "wav_ami").glob("*.wav")).unlink()
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "no metric reads a file of this name" in printed
    assert "the key 'moods' is not known" in printed
    assert printed.count("is not in the folder wav_ami") == 2
    assert "hotato/ami_real.json                  1/1" in printed


def test_another_recording_under_the_same_name_is_a_difference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = next((folder / "hotato" / "wav_ami").glob("*.wav"))
    wav.write_bytes(wav.read_bytes()[:-2] + b"\x01\x01")
    assert main([str(folder)]) == 1
    assert "SHA-256 differs" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["mtr/scenarios.json", "hotato/ami_real.json", "fdb_v2/segmentation.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"cases": [{"id": "x"}], "clips": [[]]}'])
def test_a_file_that_cannot_be_read_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(content)
    assert main([str(tmp_path)]) == 1
    assert "the file cannot be read" in capsys.readouterr().out


def test_a_folder_with_nothing_to_check_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note.json").write_text("{}")
    assert main([str(tmp_path)]) == 1
    assert "nothing was checked" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 2


def test_json_output_is_the_same_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / "mtr" / "scenarios.json", lambda d: d["cases"][0]["expected"].update(success=0))
    assert main([str(folder), "--json"]) == 1
    reports = {report["name"]: report for report in json.loads(capsys.readouterr().out)}
    assert reports["mtr/scenarios.json"]["agree"] == reports["mtr/scenarios.json"]["total"] - 1
    assert len(reports["mtr/scenarios.json"]["differences"]) == 1


def test_the_comparison_sees_types_lengths_and_errors() -> None:
    exact = Tolerance()
    assert not list(differences({"a": 1}, {"a": 1.0, "more": 2}, exact))
    assert not list(differences({"a": True}, {"a": 1}, exact))
    assert not list(differences({"error": "x"}, Failed("y"), exact))
    assert list(differences({"error": "x"}, {"TOR": 1}, exact)) == ["value: expected the error 'x', computed {'TOR': 1}"]
    assert list(differences({"a": None}, {"a": 0}, exact)) == ["a: expected None, computed 0"]
    assert list(differences({"a": [1]}, {"a": [1, 2]}, exact)) == ["a: expected [1], computed [1, 2]"]
    assert list(differences({"a": "1"}, {"a": 1}, exact)) == ["a: expected '1', computed 1"]
    near = Tolerance(by_key={"s": 0.1})
    assert not list(differences({"s": [[1.0]]}, {"s": [[1.05]]}, near))
    assert len(list(differences({"t": [[1.0]]}, {"t": [[1.05]]}, near))) == 1
