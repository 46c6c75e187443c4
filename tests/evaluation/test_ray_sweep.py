"""Cells on Ray: the same rows as in one process, whatever is killed; what travels, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from scripted_sweep import plan_of, save_scenario
from typer.testing import CliRunner
from waiting import until

from evaluation.cargo import Cargo, pack, settings_of, unpack
from evaluation.cell_rows import RunError
from evaluation.held_cell import Introduction
from evaluation.made_with import code
from evaluation.on_ray import OnRay
from evaluation.ray_cluster import PREFIX, Cluster
from evaluation.sweep import Result
from evaluation.worker import Delivery, introduce_worker
from workbench.cli import app
from workbench.engines.base import EngineError
from workbench.settings import Settings

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed")
OWN = {"session_id", "wall_s"}
"""Columns that no two talks share."""
LONG_S = 240.0
"""Ray alone takes 40 s to start on two busy cores."""
PARTS = {"WORKBENCH_ASR": "pocketsphinx", "WORKBENCH_TTS": "espeak-ng", "WORKBENCH_TURN_FIXED_HOLD_MS": "500"}
SEEDS = 3


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in PARTS.items():
        monkeypatch.setenv(name, value)
    save_scenario(tmp_path / "suite", "hello")
    save_scenario(tmp_path / "suite", "hello-again")
    return tmp_path / "suite"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for temporary files whose name leaves room for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="wb", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _arguments(run: Path, suite: Path) -> list[str]:
    return ["evaluate", "suite", str(suite), f"--out={run}", "--engines=scripted", "--test-engines", f"--seeds={SEEDS}", "--fixed-charges"]


def _on_ray(run: Path, suite: Path, short: Path, told: Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own, with what it says in the file `told`."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": path, "TMPDIR": str(short), "HOME": str(short / "home")}
    with told.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *_arguments(run, suite), "--on=ray", "--at-once=2"],
            env=environment,
            stderr=file,
            stdout=file,
            # Ctrl-C as a command has it: a test run in the background ignores it, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def _in_process(run: Path, suite: Path) -> None:
    result = CliRunner().invoke(app, _arguments(run, suite))
    assert result.exit_code == 0, result.output


def _rows(run: Path) -> dict[str, dict[str, Any]]:
    rows = {path.stem: json.loads(path.read_text("utf-8")) for path in (run / "cells").glob("*.json")}
    return {name: {key: value for key, value in row.items() if key not in OWN} for name, row in rows.items()}


def _talks(run: Path) -> set[str]:
    return {json.loads(path.read_text("utf-8"))["session_id"] for path in (run / "cells").glob("*.json")}


def _holding(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Workers with a cell under way; Ray names its processes by what they do."""
    return [worker for worker in _descendants(driver) if _title(worker) == "ray::hold_in_worker"]


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline()[:1])
    except psutil.Error:
        return ""


def _descendants(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(driver.pid).children(recursive=True)
    except psutil.Error:
        return []


def _left(folder: Path) -> list[Path]:
    """What started clusters have left there."""
    return list(folder.glob(f"{PREFIX}*"))


def _gone(processes: list[psutil.Process]) -> bool:
    def alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return not any(map(alive, processes))


@needs_ray
@pytest.mark.timeout(900)
async def test_rows_are_the_same_whoever_holds_the_cells_and_whatever_is_killed(tmp_path: Path, suite: Path, short: Path) -> None:
    whole, run, told = tmp_path / "whole", tmp_path / "run", tmp_path / "told"
    await asyncio.to_thread(_in_process, whole, suite)
    wanted = _rows(whole)
    assert len(wanted) == 2 * SEEDS
    assert {row["status"] for row in wanted.values()} == {"done"}

    # As if it had been killed after its first cell.
    shutil.copytree(whole, run)
    first, *others = sorted(wanted)
    for name in others:
        (run / "cells" / f"{name}.json").unlink()
        shutil.rmtree(run / "cells" / name)
    shutil.rmtree(run / "export")
    kept = (run / "cells" / f"{first}.json").read_bytes()

    driver = _on_ray(run, suite, short, told)
    try:
        while "the worker was lost" not in told.read_text():
            await until(lambda: _holding(driver) or driver.poll() is not None, LONG_S)
            assert driver.poll() is None, told.read_text()
            victim = _holding(driver)[:1]
            for worker in victim:
                worker.kill()
            await until(lambda: _gone(victim), LONG_S)  # noqa: B023 - awaited here
        await until(lambda: len(_rows(run)) > 2 or driver.poll() is not None, LONG_S)
        assert driver.poll() is None, told.read_text()
        family = _descendants(driver)
    finally:
        driver.kill()
        driver.wait()
    assert family
    await until(lambda: _gone(family), LONG_S)
    from_ray = _rows(run)
    assert len(from_ray) > 2
    assert (run / "cells" / f"{first}.json").read_bytes() == kept
    assert "1 of 3 times" in told.read_text()

    await asyncio.to_thread(_in_process, run, suite)
    assert _rows(run) == wanted
    assert len(_talks(run)) == len(wanted)
    assert not _left(short), "what the killed one left is cleared away"
    assert not (short / "home" / ".ray").exists(), "no token is left in the home folder"


@needs_ray
@pytest.mark.timeout(900)
async def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path, suite: Path, short: Path) -> None:
    run, told = tmp_path / "run", tmp_path / "told"
    driver = _on_ray(run, suite, short, told)
    try:
        await until(lambda: _holding(driver) or driver.poll() is not None, LONG_S)
        assert driver.poll() is None, told.read_text()
        family = _descendants(driver)
        driver.send_signal(signal.SIGINT)
        await until(lambda: driver.poll() is not None, LONG_S)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 130, told.read_text()
    assert "Interrupted; what was under way is dropped." in told.read_text()
    await until(lambda: _gone(family), LONG_S)
    assert not _left(short)
    assert not (run / ".scratch").exists()


class TaskFault(Exception):
    """As Ray's own for what a task raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("a long trace")
        self.cause = cause


class Lost(Exception):
    """As Ray's own for what it lost."""


class StandIn:
    """The part of Ray that an executor uses, in this process: `held` says what becomes of the n-th task."""

    exceptions = SimpleNamespace(RayTaskError=TaskFault, RayError=Lost)

    def __init__(self, *held: Delivery | Exception | None) -> None:
        self.held = list(held)
        self.cancelled: list[Any] = []
        self.most = self._now = 0

    def put(self, cargo: Cargo) -> Cargo:
        return cargo

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **_options: Any) -> Any:
        return lambda function: SimpleNamespace(remote=self._introduced if function is introduce_worker else self._begun)

    def _introduced(self, *_arguments: Any) -> Any:
        answer: Future[Introduction] = Future()
        answer.set_result(Introduction({"recogniser": "one"}, {}, {}))
        return SimpleNamespace(future=lambda: answer)

    def _begun(self, *_arguments: Any) -> Any:
        answer: Future[Delivery] = Future()
        became = self.held.pop(0)
        match became:
            case Delivery():
                answer.set_result(became)
            case Exception():
                answer.set_exception(became)
        self._now += 1
        self.most = max(self.most, self._now)
        answer.add_done_callback(lambda _answer: setattr(self, "_now", self._now - 1))
        return SimpleNamespace(future=lambda: answer)

    def cancel(self, reference: Any, *, force: bool) -> None:
        assert force
        self.cancelled.append(reference)


def _delivery(talk: dict[str, bytes] | None = None, recogniser: str = "one") -> Delivery:
    return Delivery({"status": "done", "error": None}, talk, {"recogniser": recogniser})


async def _results(ray: StandIn, suite: Path, folder: Path, at_once: int | None = None) -> tuple[list[Result], list[str]]:
    """What comes of as many cells as the plan has, and what was told."""
    told: list[str] = []
    plan = plan_of(suite)
    executor = OnRay(Cluster(ray, None), pack(plan, Settings(_env_file=None)), folder, at_once=at_once, tell=told.append)
    await executor.introduce()
    return [result async for result in executor.results(plan.cells())], told


async def test_a_cell_that_loses_three_workers_has_failed_and_the_others_go_on(tmp_path: Path, suite: Path) -> None:
    gone = Lost("The node died.")
    ray = StandIn(gone, *[_delivery({"sessions/part-0.parquet": b"rows"})] * 3, gone, gone)
    results, told = await _results(ray, suite, tmp_path / "talks", at_once=1)
    assert [row["status"] for _cell, row, _talk in results] == ["done"] * 3 + ["failed"]
    assert results[-1][1]["error"] == "3 workers were lost with it, the last: The node died."
    assert results[-1][1]["scenario"] == "hello-again"
    assert len(told) == 3
    assert ray.most == 1
    talk = results[0][2]
    assert talk is not None
    assert (talk / "sessions" / "part-0.parquet").read_bytes() == b"rows"


@pytest.mark.parametrize(
    ("became", "why"),
    [
        (TaskFault(EngineError("The engine scripted is not there.")), "EngineError: The engine scripted is not there. What was finished"),
        (_delivery(recogniser="another"), "recogniser is another on one and one on another"),
        (_delivery({"../../cells/x.json": b"{}"}), "which is no file of a talk"),
    ],
    ids=["fault", "unlike", "outside"],
)
async def test_what_makes_a_run_untrue_ends_the_sweep_and_drops_what_is_under_way(
    tmp_path: Path, suite: Path, became: Any, why: str
) -> None:
    ray = StandIn(became, None, None, None)
    with pytest.raises(RunError, match=re.escape(why)):
        await _results(ray, suite, tmp_path / "talks")
    assert len(ray.cancelled) == 1, "the cluster has two processors"
    assert not (tmp_path / "cells").exists()


def test_what_travels_is_whole_and_holds_no_secret(tmp_path: Path, suite: Path) -> None:
    (suite / "clips").mkdir()
    (suite / "clips" / "hi.wav").write_bytes(b"RIFF")
    text = (suite / "hello.yaml").read_text("utf-8").replace("do: type, id: greet, text: Hello", "do: clip, id: greet, clip: clips/hi.wav")
    (suite / "hello.yaml").write_text(text, "utf-8")
    tools = tmp_path / "mine.toml"
    tools.write_text("[web]\nhosts = []\n")
    plan = plan_of(suite)
    settings = Settings(llm_api_key="sk-1", password="pw-1", turn_cap_ms=900, tools_file=tools, data_dir=tmp_path, _env_file=None)
    cargo = pickle.loads(pickle.dumps(pack(plan, settings)))
    assert not any(secret in pickle.dumps(cargo) for secret in (b"sk-1", b"pw-1", str(tmp_path).encode()))
    assert cargo.differing() == []

    personas, scenarios = unpack(cargo, tmp_path / "there")
    assert list(personas.values()) == list(plan.personas)
    assert {scenario.content_hash for scenario in scenarios.values()} == {scenario.content_hash for scenario in plan.scenarios}
    assert (scenarios["hello"].folder / "clips" / "hi.wav").read_bytes() == b"RIFF"
    there = settings_of(cargo, tmp_path / "there")
    assert (there.turn_cap_ms, there.data_dir, there.recording) == (900, tmp_path / "there", False)
    assert there.tools_file is not None
    assert there.tools_file.read_text() == "[web]\nhosts = []\n"

    other = dataclasses.replace(cargo, code="0" * 64, versions=cargo.versions | {"numpy": "1.0"})
    with pytest.raises(RunError, match=r"numpy is 2\.\S+ and was 1\.0; the code of workbench and evaluation is another\. Install the same"):
        introduce_worker(other, str(tmp_path))


def test_the_code_is_told_apart_by_what_is_in_it(tmp_path: Path) -> None:
    for package in ("workbench", "evaluation"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    before = code(tmp_path)
    assert before == code(tmp_path)
    (tmp_path / "evaluation" / "more.py").write_text("")
    assert code(tmp_path) != before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--on=ray"], "Ray is not installed (import of ray halted; None in sys.modules). Install the extra: uv sync --extra ray"),
        (["--at-once=2"], "--ray-address and --at-once are for cells on Ray; add --on ray, or leave them out."),
        (["--realtime"], "Fixed charges are for session time that stands still"),
    ],
    ids=["missing", "without", "charges"],
)
def test_what_cannot_be_is_told_with_its_mend(
    tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], why: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = CliRunner().invoke(app, [*_arguments(tmp_path / "run", suite), *more])
    assert result.exit_code == 2
    assert why in result.stderr.replace("\n", " ")


@needs_ray
def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path, suite: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(app, [*_arguments(tmp_path / "run", suite), "--on=ray", f"--ray-address={address}"])
    assert result.exit_code == 2
    assert f"No Ray cluster answers at {address} (ConnectionRefusedError" in result.stderr
    assert "ray start --head" in result.stderr
