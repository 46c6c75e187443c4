"""`workbench evaluate SUITE`, as it is typed. What a sweep does is tested in `tests/evaluation/test_sweep.py`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from evaluation.run_folder import CellId, RunFolder
from workbench.cli import app
from workbench.commands.evaluate.watching import duration, watching

SCENARIO = """
id: hello
category: turn-taking
about: A greeting.
user:
  - {do: type, id: greet, text: Hello}
expect:
  - {expect: answers, after: greet, within_ms: 4000}
"""
PERSONA = """---
name: Tess
voice: NATF2
role: assistant
tools: []
sampling: {}
---
You are Tess.
"""


@pytest.fixture(autouse=True)
def _suite(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hello.yaml").write_text(SCENARIO)
    for name in ("tess", "tess-v2"):
        (tmp_path / f"{name}.md").write_text(PERSONA)


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments, "--out", "run", "--test-engines"])


def test_a_run_is_made_told_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ASR", "pocketsphinx")
    monkeypatch.setenv("WORKBENCH_TTS", "espeak-ng")
    monkeypatch.setenv("WORKBENCH_TURN_FIXED_HOLD_MS", "500")
    made = evaluate("mine", "--personas", "tess.md,tess-v2.md", "--engines", "scripted", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["talks"], told["failed"]) == (2, [])
    assert [group["persona"] for group in told["groups"]] == ["tess", "tess-v2"]
    assert (tmp_path / "run" / "export" / "schema.json").is_file()
    assert "2/2  tess-v2 on scripted, hello, seed 0: 1 of 1 expectations" in made.stderr
    account = json.loads((tmp_path / "run" / "run.json").read_text())
    assert account["handshakes"]["scripted"]["state"] == "ready"
    assert account["conditions"]["latency_model"] == "measured"
    assert account["conditions"]["versions"]["python"]
    assert not (tmp_path / "run" / ".scratch").exists()

    again = evaluate("mine", "--personas", "tess.md,tess-v2.md", "--engines", "scripted")
    assert again.exit_code == 0, again.output
    assert "all 2 cells are there already" in again.stderr
    assert "1 of 1 (100%)" in again.stdout
    assert "workbench report latency run/export" in again.stderr


def test_what_cannot_be_run_is_said_in_one_line_before_anything_is_opened(tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        result = evaluate(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1
        return result.stderr

    assert "'nowhere' is no suite" in refused("nowhere")
    assert "There is no persona 'nobody'" in refused("mine", "--personas", "nobody")
    assert "'tess' is named twice" in refused("mine", "--personas", "tess.md,./tess.md")
    (tmp_path / "mine" / "hello.yaml").write_text(SCENARIO.replace("4000", "-1"))
    assert "hello.yaml:8: expect.0" in refused("mine")
    (tmp_path / "mine" / "hello.yaml").write_text(SCENARIO)
    with RunFolder(tmp_path / "run").held():
        assert "run is being written by another sweep" in refused("mine", "--personas", "tess.md")
    RunFolder(tmp_path / "run").begin({"scenarios": {"hello": "0" * 64}}, {})
    assert "run is a run of something else: scenarios hello was 00000000…" in refused("mine", "--personas", "tess.md")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_bar_and_a_file_gets_lines(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = io.StringIO()
    cell, row = CellId("tess", "classic", "hello", 3), {"status": "failed", "error": "it fell over"}
    with watching(Path("run"), Console(file=drawn, force_terminal=terminal, width=200)) as watcher:
        watcher.begins(4, 1)
        watcher.finished(cell, row)
    told = drawn.getvalue() if terminal else capsys.readouterr().err
    assert "tess on classic, hello, seed 3: failed: it fell over" in told
    assert "2/4" in told
    assert ("━" in told) is terminal


@pytest.mark.parametrize(("seconds", "told"), [(7.4, "7 s"), (125, "2 min 05 s"), (7_260, "2 h 01 min")])
def test_time_left_is_told_in_words(seconds: float, told: str) -> None:
    assert duration(seconds) == told
