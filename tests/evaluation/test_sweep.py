"""Sweeps: killed, resumed, failing, merged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripted_sweep import Told, persona, plan_of, save_scenario, sweep_into
from typer.testing import CliRunner

from evaluation.cell_rows import RunError, read_cells, read_personas
from evaluation.hold import HeldTalk
from evaluation.hold import hold as hold_talk
from evaluation.run_folder import RunFolder
from evaluation.scenario_files import load_suite
from evaluation.sweep import Plan, merge
from evaluation.sweep_summary import groups
from workbench.analysis.source import open_export
from workbench.cli import app
from workbench.events import EngineLost

CHILD = Path(__file__).with_name("scripted_sweep.py")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    save_scenario(tmp_path / "suite", "hello")
    save_scenario(tmp_path / "suite", "hello-again")
    return tmp_path / "suite"


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, suite: Path) -> None:
    run, plan = tmp_path / "run", plan_of(suite)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    killed = subprocess.run([sys.executable, CHILD, run, suite], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert killed.stdout == "9\n9\n", "one in mid-talk, one between a talk's database rows and its row"
    before = {path.name: path.read_bytes() for path in (run / "cells").glob("*.json")}
    assert len(before) == 2
    assert len([path for path in (run / "cells").iterdir() if path.is_dir()]) == 3, "the second kill left a talk without a row"

    told = asyncio.run(sweep_into(run, plan))
    assert (told.cells, told.kept, len(told.rows)) == (4, 2, 2)
    after = {path.name: path.read_bytes() for path in (run / "cells").glob("*.json")}
    assert after.items() >= before.items(), "finished rows stay as they were"
    assert set(after) == {f"{cell.name}.json" for cell, *_ in plan.cells()}

    with RunFolder(run).held() as folder:
        assert merge(folder, lambda _message: None) == 4
    rows = [json.loads(text) for text in after.values()]
    assert {row["status"] for row in rows} == {"done"}
    source = open_export(run / "export")
    sessions = source.frame("SELECT session_id, persona, persona_hash, engine FROM sessions")
    turns = source.frame("SELECT session_id, speaker, text FROM turns")
    source.close()
    assert sorted(sessions["session_id"]) == sorted(row["session_id"] for row in rows)
    assert len(sessions) == 4
    by_id = sessions.set_index("session_id")
    for row in rows:
        assert by_id.loc[row["session_id"], "persona_hash"] == row["persona_hash"]
        kept = turns[turns["session_id"] == row["session_id"]]
        assert list(kept["text"]) == [turn["text"] for turn in row["turns"]]
    page = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["report", "persona", str(run / "export"), "--out", str(page)])
    assert result.exit_code == 0, result.output
    assert "tess-v2" in page.read_text("utf-8")


def test_rows_say_what_others_read(tmp_path: Path, suite: Path) -> None:
    save_scenario(suite, "for-others", "personas: [nora]")
    save_scenario(suite, "with-a-tool", "tools: [time_in_place]")
    run = tmp_path / "run"
    people = [persona("tess"), persona("nora-v2", tools=("time_in_place",))]
    asyncio.run(sweep_into(run, Plan("mine", load_suite(str(suite)), people, ["scripted"], [7])))
    cells = {(cell.persona, cell.scenario): cell for cell in read_cells(run)}
    assert {key for key, cell in cells.items() if cell.status == "skipped"} == {("tess", "for-others"), ("tess", "with-a-tool")}
    assert read_personas(run, list(cells.values()))["nora-v2"].tools == ("time_in_place",)
    row = json.loads((run / "cells" / "nora-v2__scripted__hello__7.json").read_text())
    assert row["scenario_hash"] == load_suite(str(suite / "hello.yaml"))[0].content_hash
    assert [(turn["speaker"], turn["text"]) for turn in row["turns"]] == [("agent", "Hello there.")]
    assert row["session_ms"] == pytest.approx(row["measures"]["duration_s"] * 1_000)
    assert [verdict["passed"] for verdict in row["verdicts"]] == [True, False]
    assert (row["error"], row["missed"], row["ended_reason"]) == (None, [], "completed")
    skipped = json.loads((run / "cells" / "tess__scripted__for-others__7.json").read_text())
    assert "only nora can be asked this" in skipped["error"]
    assert skipped.keys() == row.keys()
    tess, nora = groups(list(cells.values()))[1], groups(list(cells.values()))[0]
    assert (tess.done, tess.skipped, nora.done) == (2, 2, 4)
    assert (nora.expectations.met, nora.expectations.of) == (4, 8)
    assert nora.expectations.low == pytest.approx(0.2152, abs=1e-4)  # Wilson's formula by hand: 4 of 8, z = 1.95996


async def _broken(bench: Any, scenario: Any, **asked: Any) -> HeldTalk:
    if scenario.id == "hello":
        raise ValueError("a seam came apart")
    return await hold_talk(bench, scenario, **asked)


def test_a_failed_cell_is_a_row_and_the_sweep_goes_on(tmp_path: Path, suite: Path) -> None:
    run = tmp_path / "run"
    plan = Plan("mine", load_suite(str(suite)), [persona("tess")], ["scripted"], [0])
    asyncio.run(sweep_into(run, plan, hold=_broken))
    rows = RunFolder(run).rows()
    assert {name: row["status"] for name, row in rows.items()} == {
        "tess__scripted__hello__0": "failed",
        "tess__scripted__hello-again__0": "done",
    }
    assert rows["tess__scripted__hello__0"]["error"] == "ValueError: a seam came apart"
    assert not (run / "cells" / "tess__scripted__hello__0").exists()

    again = asyncio.run(sweep_into(run, plan))
    assert again.rows == [], "what failed is left alone"
    retried = asyncio.run(sweep_into(run, plan, retry_failed=True))
    assert [name for name, _row in retried.rows] == ["tess__scripted__hello__0"]
    assert {cell.status for cell in read_cells(run)} == {"done"}


async def _never_over(bench: Any, scenario: Any, **asked: Any) -> HeldTalk:
    await hold_talk(bench, scenario, **asked)
    await asyncio.Event().wait()
    raise AssertionError("nothing is waited for")


def test_a_talk_that_does_not_end_has_failed(tmp_path: Path, suite: Path) -> None:
    run = tmp_path / "run"
    plan = Plan("mine", load_suite(str(suite / "hello.yaml")), [persona("tess")], ["scripted"], [0])
    told = asyncio.run(sweep_into(run, plan, hold=_never_over, limit_s=0.5))
    assert [row["error"] for _name, row in told.rows] == ["the talk had not ended after 0.5 s"]


async def _interrupting(bench: Any, scenario: Any, **asked: Any) -> HeldTalk:
    if scenario.id == "hello":
        signal.raise_signal(signal.SIGINT)
    return await hold_talk(bench, scenario, **asked)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as a command has it. A worker of a test run that has several ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_drops_the_running_cell_and_keeps_the_others(tmp_path: Path, suite: Path) -> None:
    run = tmp_path / "run"
    plan = Plan("mine", load_suite(str(suite)), [persona("tess")], ["scripted"], [0])
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(sweep_into(run, plan, hold=_interrupting))
    assert set(RunFolder(run).rows()) == {"tess__scripted__hello-again__0"}, "files go by their names, `-` before `.`"
    assert not (run / ".scratch").exists()
    assert asyncio.run(sweep_into(run, plan)).kept == 1


async def _counting(bench: Any, scenario: Any, **asked: Any) -> HeldTalk:
    assert bench.store.query("SELECT count(*) AS n FROM voice_sessions") == [{"n": 0}], "a cell knows nothing of those before it"
    return await hold_talk(bench, scenario, **asked)


def test_a_cell_begins_with_an_empty_database_and_a_talk_that_broke_off_tells_nothing(tmp_path: Path, suite: Path) -> None:
    async def broken_off(bench: Any, scenario: Any, **asked: Any) -> HeldTalk:
        held = await _counting(bench, scenario, **asked)
        lost = EngineLost(at_samples=1, noticed_samples=1, engine="scripted", reason="It was unplugged.")
        changed = {0: {}, 1: {"ended_reason": "engine_failed"}, 2: {"events": (*held.events, lost)}}[asked["seed"]]
        return HeldTalk(**_fields(held) | changed)

    run = tmp_path / "run"
    plan = Plan("mine", load_suite(str(suite / "hello.yaml")), [persona("tess")], ["scripted"], [0, 1, 2])
    asyncio.run(sweep_into(run, plan, hold=broken_off))
    rows = RunFolder(run).rows()
    assert rows["tess__scripted__hello__0"]["status"] == "done"
    assert rows["tess__scripted__hello__1"]["error"] == "CellFailed: the talk ended with engine_failed"
    assert rows["tess__scripted__hello__2"]["error"] == "CellFailed: the engine scripted was lost: It was unplugged."
    with RunFolder(run).held() as folder:
        assert merge(folder, lambda _message: None) == 1


def _fields(held: HeldTalk) -> Mapping[str, Any]:
    return {name: getattr(held, name) for name in HeldTalk.__dataclass_fields__}


def test_a_changed_scenario_or_persona_is_refused(tmp_path: Path, suite: Path) -> None:
    run = tmp_path / "run"
    asyncio.run(sweep_into(run, Plan("mine", load_suite(str(suite / "hello.yaml")), [persona("tess")], ["scripted"], [0])))

    def resume(*people: Any, seeds: tuple[int, ...] = (0,)) -> Told:
        return asyncio.run(sweep_into(run, Plan("mine", load_suite(str(suite / "hello.yaml")), people, ["scripted"], seeds)))

    with pytest.raises(RunError, match=r"personas tess was [0-9a-f]{8}… and is [0-9a-f]{8}…\. Put that back"):
        resume(persona("tess", "You are somebody else."))
    with pytest.raises(RunError, match=r"personas nora was not there and is"):
        resume(persona("tess"), persona("nora"))
    with pytest.raises(RunError, match=r"seeds was \[0\] and is \[0, 1\]"):
        resume(persona("tess"), seeds=(0, 1))
    save_scenario(suite, "hello", "tools: []")
    with pytest.raises(RunError, match="scenarios hello was"):
        resume(persona("tess"))
    assert len(list((run / "cells").glob("*.json"))) == 1
