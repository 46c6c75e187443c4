"""`workbench gateway` and `workbench offline` on the tiny checkpoint."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from served import CLI, clean_environment
from typer.testing import CliRunner

from workbench.audio.frames import FRAME_SAMPLES, Pcm
from workbench.audio.wav import load_wav
from workbench.cli import app
from workbench.engines.personaplex.engine import PersonaPlexEngine
from workbench.events import AgentText, EngineChosen, EngineLost, Event
from workbench.testing.asr import ScriptedAsr
from workbench.testing.engines import ScriptedEngine
from workbench.testing.talks import run_talk, spoken

TINY = Path(__file__).parents[1] / "data" / "personaplex"
INPUT = TINY / "inputs" / "user.flac"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    return number


@contextmanager
def gateway(port: int, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The command as a process that is ready for talks."""
    flags = ["gateway", "--checkpoint", str(TINY), "--device", "cpu", "--slots", "2", "--port", str(port)]
    process = subprocess.Popen([*CLI, *flags], stderr=subprocess.PIPE, text=True, env=clean_environment(), cwd=cwd)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if "is ready for 2 talks" in line:
                break
        else:
            pytest.fail("the gateway ended: " + "".join(told))
        yield process
    finally:
        process.kill()
        process.communicate()


class KillAtFrame:
    """An observer that kills a process when the talk reaches a frame."""

    def __init__(self, frame: int, process: subprocess.Popen[str]) -> None:
        self._left = frame
        self._process = process

    def on_event(self, event: Event) -> None:
        """Only frames matter."""

    def on_frame(self, start_samples: int, user: Pcm, agent: Pcm) -> None:
        self._left -= 1
        if self._left == 0:
            self._process.kill()


async def test_a_gateway_that_is_killed_in_mid_talk(tmp_path: Path) -> None:
    port = free_port()
    with gateway(port, tmp_path) as process:
        engine = PersonaPlexEngine(f"ws://127.0.0.1:{port}")
        answer = await engine.probe()
        while answer.state != "ready":  # it says that it is ready just before it listens
            answer = await engine.probe()
        assert answer.capacity == 2
        result = await run_talk(
            np.concatenate([spoken(3.0), np.zeros(12 * FRAME_SAMPLES, np.float32)]),
            engines=[engine, ScriptedEngine(["I take over."])],
            asr=ScriptedAsr(["hello"]),
            tones=True,
            max_s=20,
            observers=[KillAtFrame(15, process)],
        )
        gone = await engine.probe()
    (lost,) = result.of(EngineLost)
    assert lost.engine == "personaplex"
    assert [chosen.engine for chosen in result.of(EngineChosen)] == ["personaplex", "scripted"]
    assert "".join(text.text for text in result.of(AgentText)).endswith("I take over. ")
    assert gone.state == "unavailable"
    assert "workbench gateway" in gone.repair


def invoke(*arguments: object) -> Result:
    """The command in this process: torch is loaded once for all of them."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_offline_writes_sound_text_and_tokens(tmp_path: Path) -> None:
    files = ["--output-wav", tmp_path / "a.wav", "--output-text", tmp_path / "a.json", "--output-tokens", tmp_path / "a.npz"]
    own = ["--moshi-weight", TINY / "model.safetensors", "--voice-prompt", "TINYW1.wav"]
    done = invoke("offline", "--checkpoint", TINY, "--input-wav", INPUT, "--greedy", "--device", "cpu", *own, *files)
    assert done.exit_code == 0, done.stderr
    assert load_wav(tmp_path / "a.wav").size == load_wav(INPUT).size
    assert len(json.loads((tmp_path / "a.json").read_text())) == 120
    with np.load(tmp_path / "a.npz") as tokens:
        assert tokens["out"].shape == (120, 17)
    assert "real-time factor" in done.stdout


def test_smaller_models_tell_what_they_take_and_how_far_they_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONAPLEX_CPU_OFFLOAD", "1")
    soundfile.write(tmp_path / "user.wav", load_wav(INPUT)[: 12 * FRAME_SAMPLES], 24_000)
    files = ["--input-wav", tmp_path / "user.wav", "--output-wav", tmp_path / "a.wav", "--output-text", tmp_path / "a.json"]
    made = ["--weights", "int8", "--kv", "fp8", "--context", 250, "--greedy", "--compare", "bfloat16"]
    done = invoke("offline", "--checkpoint", TINY, "--device", "cpu", "--voice-prompt", "TINYW1", "--text-prompt", "Hi.", *files, *made)
    assert done.exit_code == 0, done.stderr
    assert "layers in host memory 0.0" in done.stderr
    assert "A step of 1 slots takes" in done.stderr
    assert "int8 weights, fp8 keys and values, context 250, layers in host memory beside the full model in bfloat16" in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("| agent ")]) == 8


OFFLINE = ["offline", "--voice-prompt", "X", "--output-wav", "b.wav", "--output-text", "b.json", "--input-wav", INPUT]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gateway", "--checkpoint", "no such thing"], "neither a folder nor a repository"),
        (["gateway", "--host", "0.0.0.0"], "give --token"),
        (["gateway", "--checkpoint", "."], "no model.safetensors"),
        ([*OFFLINE, "--checkpoint", TINY, "--device", "cpu"], "there is no voice 'X'"),
        ([*OFFLINE, "--checkpoint", TINY, "--temp-text", "9"], "text_temperature is 9"),
        ([*OFFLINE, "--output-tokens", "gone/b.npz"], "its folder does not exist"),
        ([*OFFLINE, "--checkpoint", TINY, "--tokenizer", "gone"], "gone: no such file"),
        ([*OFFLINE[:-1], "gone.wav"], "no such sound file"),
        (["gateway", "--weights", "int4"], "break the coherence of what PersonaPlex says; take --weights int8"),
        ([*OFFLINE, "--kv", "int8"], "choose full or fp8"),
        ([*OFFLINE, "--context", "9"], "give at least 250"),
        ([*OFFLINE, "--checkpoint", TINY, "--device", "cpu", "--context", "4000"], "more than the 3000"),
        ([*OFFLINE, "--compare", "bfloat16", "--parity"], "do not go together"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "gateway":
        arguments = [*arguments, "--port", free_port()]
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_told_before_the_model_is_loaded() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = invoke("gateway", "--checkpoint", TINY, "--port", other.getsockname()[1])
    assert done.exit_code == 2
    assert "cannot be listened on" in done.stderr
    assert "Loading" not in done.stderr


@pytest.mark.parametrize("arguments", [["gateway"], OFFLINE])
def test_without_its_packages_there_is_one_line(monkeypatch: pytest.MonkeyPatch, arguments: list[object]) -> None:
    monkeypatch.setattr("workbench.commands.gateway.find_spec", lambda _name: None)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "workbench: torch and moshi must be installed for the PersonaPlex model: uv sync --extra personaplex"
    ]


def test_help_does_not_load_the_model(tmp_path: Path) -> None:
    code = "import sys\nfrom workbench.cli import main\ntry:\n    main()\nfinally:\n    assert not {'torch', 'moshi'} & sys.modules.keys()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, env=clean_environment(), cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "offline" in done.stdout


def test_it_writes_json_where_it_is_asked_to(tmp_path: Path, free_port: int) -> None:
    done = CliRunner().invoke(app, ["gateway", "--checkpoint", str(tmp_path), "--port", str(free_port), "--log-format", "json"])
    assert done.exit_code == 2
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[0]["message"] == f"Opening {tmp_path}."
    assert (lines[-1]["level"], lines[-1]["logger"]) == ("error", "workbench")
    assert str(tmp_path) in lines[-1]["message"]
