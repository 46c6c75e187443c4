"""A sweep's folder: names, refusals, what a kill leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_sweep import persona

from evaluation.cell_rows import RunError
from evaluation.made_with import commit
from evaluation.run_folder import CellId, RunFolder, check_engine
from evaluation.scenario import Scenario
from evaluation.sweep import Plan
from workbench.personas import render

CELLS = st.builds(
    CellId,
    persona=st.from_regex(r"[a-z0-9][a-z0-9-]{0,47}", fullmatch=True),
    engine=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    scenario=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,47}", fullmatch=True),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=50)
@given(CELLS)
def test_a_cell_is_found_back_from_its_name_so_no_two_share_one(cell: CellId) -> None:
    persona_id, engine, rest = cell.name.split("__", 2)
    scenario, seed = rest.rsplit("__", 1)
    assert CellId(persona_id, engine, scenario, int(seed)) == cell


@settings(max_examples=50)
@given(CELLS)
def test_a_cell_name_is_safe_as_a_file_name(cell: CellId) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", cell.name)
    assert len(f".{cell.name}.json.part") < 255


@pytest.mark.parametrize("name", ["../classic", "a__b", "", "Classic", "classic/x"])
def test_what_is_no_engine_never_becomes_a_file_name(name: str) -> None:
    with pytest.raises(RunError, match="is no engine"):
        check_engine(name)


def _plan(**changed: object) -> Plan:
    hello = Scenario.model_validate(
        {
            "id": "hello",
            "category": "turn-taking",
            "about": "A greeting.",
            "user": [{"do": "type", "id": "greet", "text": "Hello"}],
            "expect": [{"expect": "no_tool"}],
        }
    )
    whole = {"suite": "s", "scenarios": [hello], "personas": [persona("tess")], "engines": ["classic"], "seeds": [0]}
    return Plan(**(whole | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"personas": []}, "no persona to sweep over"),
        ({"personas": [persona("tess"), persona("tess", "Another.")]}, "persona 'tess' is named twice"),
        ({"engines": ["classic", "classic"]}, "engine 'classic' is named twice"),
        ({"engines": ["auto"]}, "`auto` may take any"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(RunError, match=why):
        _plan(**changed).check()


def test_two_sweeps_never_write_one_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").held():
        with pytest.raises(RunError, match="being written by another sweep"), RunFolder(tmp_path / "run").held():
            pytest.fail("the folder was held twice")
        assert (tmp_path / "run").is_dir()
    with RunFolder(tmp_path / "run").held():
        pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(RunError, match="is not empty and holds no run"), RunFolder(tmp_path).held():
        pytest.fail("the folder was taken")
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_what_a_killed_sweep_left_unfinished_is_cleared_away(tmp_path: Path) -> None:
    for half in ("cells/.a__b__c__0.json.part", "cells/.a__b__c__0.part-17/schema.json", ".run.json.part", ".scratch/workbench.duckdb"):
        (tmp_path / half).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / half).write_text("half")
    (tmp_path / "run.json").write_text(json.dumps({"layout": 1, "conditions": {}}))
    (tmp_path / "cells" / "a__b__c__1.json").write_text('{"status": "failed"}')
    with RunFolder(tmp_path).held() as folder:
        assert set(folder.rows()) == {"a__b__c__1"}
    assert {path.name for path in tmp_path.rglob("*")} == {"run.json", "cells", "a__b__c__1.json", ".lock"}


def test_a_done_row_counts_only_with_its_talk(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_row("a__b__c__0", {"status": "done"})
    assert folder.rows() == {}
    folder.talk_of("a__b__c__0").mkdir()
    assert set(folder.rows()) == {"a__b__c__0"}
    (tmp_path / "cells" / "a__b__c__2.json").write_text("{")
    with pytest.raises(RunError, match=r"a__b__c__2\.json is no row"):
        folder.rows()


def test_a_persona_changed_inside_the_run_is_refused(tmp_path: Path) -> None:
    folder, tess = RunFolder(tmp_path), persona("tess")
    folder.copy_personas([tess])
    folder.check_personas({"tess": tess.content_hash})
    (folder.personas / "tess.md").write_text(render(persona("tess", "You are somebody else.")))
    with pytest.raises(RunError, match=r"tess\.md was changed"):
        folder.check_personas({"tess": tess.content_hash})


@pytest.mark.parametrize("text", ["[]", "{", '{"layout": 1}', '{"layout": 99, "conditions": {}}'])
def test_an_account_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json (is no account|has the layout 99)"):
        RunFolder(tmp_path).agree({})


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_commit_tells_of_changed_code_and_of_nothing_else(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=Tess", "-c", "user.email=tess@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    code = tmp_path / "workbench" / "talk.py"
    code.parent.mkdir()
    assert commit(tmp_path) is None
    for path in (code, tmp_path / "README.md"):
        path.write_text("one\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = commit(tmp_path)
    assert clean is not None
    assert re.fullmatch(r"[0-9a-f]{40}", clean)
    (tmp_path / "README.md").write_text("two\n")
    assert commit(tmp_path) == clean
    code.write_text("two\n")
    second = commit(tmp_path)
    code.write_text("three\n")
    assert second is not None
    assert re.fullmatch(rf"{clean}\+[0-9a-f]{{12}}", second)
    assert commit(tmp_path) not in (second, clean, None)
