"""The rehearsal of an image: its files are laid out as the Dockerfile says, and its `uv` steps are run there. The real thing fetches more
than a gigabyte and is done by hand; what it installs is held against the lock in `test_dockerfiles`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from compose_file import ROOT

from deploy import dockerfile, rehearse

STEPS = dockerfile.read(ROOT / "deploy" / "workbench.Dockerfile")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `uv` that only writes down how it was called, where, and what lay there."""
    tool, told = tmp_path / "bin" / "uv", tmp_path / "calls"
    tool.parent.mkdir()
    program = (
        f"import json, os, sys; open({str(told)!r}, 'a').write(json.dumps([sys.argv[1:], os.getcwd(), sorted(os.listdir()), "
        "'VIRTUAL_ENV' in os.environ]) + '\\n')"
    )
    tool.write_text(f"#!{sys.executable}\n{program}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    return told


def test_steps_run_in_their_order_on_the_copied_files(tmp_path: Path, calls: Path) -> None:
    app = tmp_path / "image" / "app"
    rehearse.build(STEPS, app)
    first, second = [json.loads(line) for line in calls.read_text().splitlines()]
    packages = ["LICENSE", "NOTICE", "README.md", "pyproject.toml", "uv.lock"]
    assert (first[1], first[2]) == (str(app), packages), "the packages are installed before the code is there"
    assert "--no-install-project" in first[0]
    assert second[2] == sorted([*packages, "evaluation", "migrations", "personas", "workbench"])
    assert "--no-editable" in second[0]
    assert [first[3], second[3]] == [False, False], "whoever rehearses has an environment of their own, which is no part of the image"
    assert (app / "workbench" / "cli.py").read_bytes() == (ROOT / "workbench" / "cli.py").read_bytes()
    assert not list(app.rglob("__pycache__"))


def test_a_dockerfile_is_read_as_docker_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        '# a note\nFROM a AS b\nRUN one \\\n  # in between\n  two\n\nFROM c\nENV X=1 Y=2\nCOPY --from=b /x /x\nCMD ["a b", "c"]\n'
    )
    steps = dockerfile.read(file)
    assert [(step.kind, step.stage) for step in steps] == [("FROM", 0), ("RUN", 0), ("FROM", 1), ("ENV", 1), ("COPY", 1), ("CMD", 1)]
    assert steps[1].words == ["one", "two"]
    assert dockerfile.copied(steps[4]) is None
    assert steps[5].words == ["a b", "c"]
    assert dockerfile.variables(steps) == {"X": "1", "Y": "2"}
