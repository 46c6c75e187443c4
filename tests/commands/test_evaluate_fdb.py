"""`workbench evaluate fdb-v1` and `fdb-v1.5`, as somebody calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judge_stub import judge_stub
from served import CLIPS
from typer.testing import CliRunner

from workbench import assembly
from workbench.audio.wav import load_wav, write_wav
from workbench.cli import app
from workbench.engines.speech.base import Asr, Tts
from workbench.testing.asr import ScriptedAsr
from workbench.testing.tts import ToneTts


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def recogniser(*_arguments: object) -> Asr:
        return ScriptedAsr(lambda _seconds: "go forward ten metres")

    async def synthesisers(*_arguments: object, **_named: object) -> list[Tts]:
        return [ToneTts(voices=("slt",))]

    monkeypatch.setattr(assembly, "choose_recogniser", recogniser)
    monkeypatch.setattr(assembly, "choose_synthesisers", synthesisers)


def call(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def given(folder: Path, **files: Any) -> Path:
    folder.mkdir(parents=True)
    write_wav(folder / "input.wav", load_wav(CLIPS / "goforward.wav"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_played_scored_resumed_and_scored_again() -> None:
    for number in (1, 2):
        given(Path("fdb/candor_turn_taking") / str(number), turn_taking=[{"text": "[TURN-TAKING]", "timestamp": [0.1, 0.2]}])
    asked = ("--data", "fdb", "--engine", "echo", "--test-engines", "--words", "engine-text", "--out", "run", "--data-dir", "var")
    code, out, err = call("fdb-v1", *asked, "--limit", 1)
    assert code == 0, err
    assert "1 of 1: candor_turn_taking/1 played." in err
    # An echo has no text of its own, so by its text it takes no turn.
    assert "| **echo** | 0.000 n=1 | unknown | this run, 1 of 1 files |" in out
    assert "latency s: unknown, no turn was taken." in out
    assert "published: model card of nvidia/personaplex-7b-v1" in out
    assert "80 ms later" in out
    assert "Answered by echo (asr scripted, end_of_turn" in out

    code, out, err = call("fdb-v1", *asked, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["played"]["kept"], told["played"]["played"]) == (["candor_turn_taking/1"], ["candor_turn_taking/2"])
    assert told["account"]["conditions"]["words"] == "engine-text"
    assert told["scores"]["tasks"][0]["measures"][0]["by_sample"] == {"1": [0.0], "2": [0.0]}

    code, again, err = call("fdb-v1", "--data", "fdb", "--score", "run", "--json")
    assert code == 0, err
    assert json.loads(again)["scores"] == told["scores"]
    assert json.loads(again)["played"] is None

    # Another recogniser goes over the run: its words are named, and never mixed with the run's own.
    parakeet = '{"text": "go", "chunks": [{"text": "go", "timestamp": [0.5, 2.0]}]}'
    Path("run/candor_turn_taking/1/output.json").write_text(parakeet)
    code, _out, err = call("fdb-v1", "--data", "fdb", "--score", "run", "--words-by", "Parakeet")
    assert (code, "Two sources give no table" in err) == (2, True)
    Path("run/candor_turn_taking/2/output.json").write_text(parakeet)
    code, _out, err = call("fdb-v1", "--data", "fdb", "--score", "run")
    assert (code, "Say whose they are with --words-by" in err) == (2, True)
    code, out, err = call("fdb-v1", "--data", "fdb", "--score", "run", "--words-by", "Parakeet")
    assert code == 0, err
    assert "Words: Parakeet." in out
    assert "| **echo** | 1.000 n=2 | 0.400 n=2 |" in out


def test_somebody_elses_outputs_are_timed_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = given(Path("fdb/v1_5/user_interruption/1"), metadata={"context_text": "", "current_turn_text": "", "timestamps": [0.2, 1.0]})
    write_wav(folder / "clean_input.wav", load_wav(CLIPS / "goforward.wav"))
    write_wav(folder / "output.wav", load_wav(CLIPS / "goforward.wav"))
    (folder / "output.json").write_text('{"text": "go", "chunks": [{"text": "go", "timestamp": [0.5, 2.0]}]}')
    with judge_stub(lambda _body: '{"behaviour": "C_RESUME", "analysis": ""}') as stub:
        monkeypatch.setenv("WORKBENCH_LLM_BASE_URL", stub.url)
        code, out, err = call("fdb-v1.5", "--data", "fdb", "--score", "fdb/v1_5", "--words-by", "nobody", "--judge", "--json")
    assert code == 0, err
    assert "1 answers judged by default at 127.0.0.1" in err
    told = json.loads(out)
    assert (told["system"], told["account"], told["parts"], told["scores"]["words"]) == ("v1_5", None, [], "nobody")
    (stops,) = (m for m in told["scores"]["tasks"][0]["measures"] if m["key"] == "stop_s")
    assert (stops["n"], stops["files"]) == (1, 1)
    (resumed,) = (m for m in told["scores"]["tasks"][0]["measures"] if m["key"] == "C_RESUME")
    assert resumed["value"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give --engine and --out to play the benchmark, or --score"),
        (("--engine", "echo"), "give --engine and --out"),
        (("--engine", "auto", "--out", "run"), "name it, since `auto` may take another"),
        (("--engine", "echo", "--out", "run", "--score", "run"), "Give one or the other"),
        (("--score", "nowhere"), "nowhere is not a folder"),
        (("--score", "fdb"), "holds no answer to the 1 samples"),
        (("--task", "naps", "--score", "fdb"), "has no task 'naps'"),
        (("--human", "people.json", "--score", "fdb"), "people.json is missing"),
        (("--engine", "personaplex", "--out", "run"), "Set PERSONAPLEX_URL"),
        (("--score", "fdb", "--judge"), "There is no language model to judge with"),
        (("--engine", "echo", "--test-engines", "--out", "fdb"), "is not empty and holds no run"),
    ],
)
def test_a_fault_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    given(Path("fdb/icc_backchannel/1"))
    code, out, err = call("fdb-v1", "--data", "fdb", *arguments)
    assert code == 2
    assert out == ""
    assert says in err.splitlines()[-1]
