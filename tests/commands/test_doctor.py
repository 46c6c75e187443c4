"""`workbench doctor`: what works, and what is broken on purpose."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from served import clean_environment
from typer.testing import CliRunner

from workbench.cli import app
from workbench.commands.checks import kept, machine, sound
from workbench.commands.checks.finding import Check, Finding, timed
from workbench.commands.doctor import NAMES, chosen
from workbench.engines.speech import recognisers, synthesisers
from workbench.engines.speech.base import SpeechError
from workbench.settings import Settings
from workbench.testing.tts import ToneTts


@pytest.fixture
def settings(tmp_path: Path, free_port: int) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path / "var", port=free_port)


async def find(check: Check, settings: Settings) -> Finding:
    (found,) = await timed("check", check, settings)
    assert found.ms is not None
    assert bool(found.repair) is (found.state != "ok"), "a fault has a repair, and only a fault"
    return found


async def find_port(settings: Settings) -> Finding:
    """The workbench's own; the gateway's is somebody else's on a machine that runs one."""
    own, gateway = await timed("ports", machine.ports, settings)
    assert (own.name, gateway.name) == ("port", "gateway port")
    return own


@pytest.mark.slow
def test_this_machine_can_run_the_workbench() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"]) == (0, True), told
    assert [check["name"] for check in told["checks"]][:5] == ["python", "audio", "end of turn", "recogniser", "voice"]


def test_a_part_that_cannot_be_imported_is_a_finding(tmp_path: Path) -> None:
    broken = "import sys; sys.modules['sphn'] = None; from workbench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", broken, "doctor", "--json", "--only", "audio,personas,disk"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    (audio,) = [check for check in told["checks"] if check["name"] == "audio"]
    assert told["ok"] is False
    assert audio["state"] == "error"
    assert "sphn" in audio["found"]
    assert "uv sync" in audio["repair"]
    assert "Traceback" not in done.stderr
    assert [check["state"] for check in told["checks"]] == ["error", "ok", "ok"], "the other checks are still made"


async def test_no_recogniser_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_arguments: object) -> None:
        raise SpeechError("pocketsphinx cannot be started")

    monkeypatch.setattr(recognisers, "choose_recogniser", none)
    found = await find(sound.recogniser, settings)
    assert (found.state, found.found) == ("error", "pocketsphinx cannot be started")


async def test_a_voice_that_does_not_speak_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def choose(voices: list[ToneTts], *_arguments: object, **_named: object) -> list[ToneTts]:
        return voices

    def given(*voices: ToneTts) -> Any:
        return lambda *arguments, **named: choose(list(voices), *arguments, **named)

    monkeypatch.setattr(synthesisers, "choose_synthesisers", given(ToneTts("mute", fail_after_chunks=0), ToneTts("loud")))
    found = await find(sound.voice, settings)
    assert found.state == "warning"
    assert "loud (0.30 s of sound)" in found.found
    assert "mute" in found.found
    monkeypatch.setattr(synthesisers, "choose_synthesisers", given(ToneTts("mute", fail_after_chunks=0)))
    assert (await find(sound.voice, settings)).state == "error"


async def test_a_busy_port_names_a_free_one(settings: Settings) -> None:
    assert (await find_port(settings)).state == "ok"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.port))
        taken.listen()
        found = await find_port(settings)
    assert found.state == "warning"
    assert found.repair.startswith("workbench serve --port ")


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = await find(machine.disk, Settings(_env_file=None, data_dir=tmp_path / "file"))
    assert found.state == "error"
    found = await find(kept.database, Settings(_env_file=None, db=str(tmp_path / "file" / "x.duckdb")))
    assert found.state == "error"


async def test_a_database_in_use_is_a_warning(settings: Settings) -> None:
    assert (await find(kept.database, settings)).state == "ok"
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", hold, settings.database, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        found = await find(kept.database, settings)
    finally:
        await holder.communicate(b"")
    assert found.state == "warning"
    assert f"is held by process {holder.pid}" in found.found


async def test_a_file_that_is_no_database(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"not a database at all" * 1_000)
    found = await find(kept.database, settings.model_copy(update={"db": str(tmp_path / "x.duckdb")}))
    assert found.state == "error"


async def test_personas_with_faults(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("---\nname: Good\nvoice: NATF2\nrole: casual\n---\nYou are Good.\n")
    (tmp_path / "bad.md").write_text("no front matter")
    found = await find(kept.personas, Settings(_env_file=None, personas_dir=tmp_path, persona="good"))
    assert (found.state, found.repair) == ("warning", "edit bad.md")
    found = await find(kept.personas, Settings(_env_file=None, personas_dir=tmp_path, persona="myca"))
    assert found.state == "error"


def test_only_some_checks() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json", "--only", "disk,python"])
    assert done.exit_code == 0
    assert [check["name"] for check in json.loads(done.stdout)["checks"]] == ["python", "disk"]
    done = CliRunner().invoke(app, ["doctor", "--only", "gpus"])
    assert done.exit_code == 2
    assert "There is no check 'gpus'; known are python, audio," in done.stderr


def test_every_check_can_be_asked_for_with_hyphens_or_spaces() -> None:
    assert chosen(",".join(name.replace(" ", "-") for name in NAMES)) == list(NAMES)
    assert chosen(", ".join(NAMES)) == list(NAMES)


def test_warnings_fail_only_when_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert CliRunner().invoke(app, ["doctor", "--only", "gpu"]).exit_code == 0
    assert CliRunner().invoke(app, ["doctor", "--only", "gpu", "--strict"]).exit_code == 1
