"""The notebooks as a reader runs them: on the sample, and on any other export by their one parameter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.known_talks import fill
from workbench.store.duckdb_store import DuckDbStore
from workbench.store.export import export

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ("barge_in_analysis", "latency_report", "persona_prompt_tuning")

needs_papermill = pytest.mark.skipif(
    find_spec("papermill") is None or find_spec("ipykernel") is None, reason="papermill is not installed (extra `notebooks`)"
)


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return found


def run(notebook: Path, out: Path, *parameters: str) -> list[dict[str, Any]]:
    """Runs a copy of the notebook in the folder where it lies, and gives its cells with their outputs."""
    environment = os.environ | {
        "HOME": str(out.parent),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(notebook),
        str(out),
        "--cwd",
        str(ROOT / "notebooks"),
        "--no-progress-bar",
        *parameters,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return cells(out)


def figures(found: list[dict[str, Any]]) -> int:
    return sum(
        "Plotly.newPlot" in "".join(output.get("data", {}).get("text/html", "")) for cell in found for output in cell.get("outputs", [])
    )


def test_these_are_the_notebooks() -> None:
    assert tuple(path.stem for path in NOTEBOOKS) == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_explains_itself(path: Path) -> None:
    found = cells(path)
    code = [cell for cell in found if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags") for cell in code if cell["metadata"].get("tags")] == [["parameters"]]
    assert found[0]["cell_type"] == "markdown"
    words = sum(len("".join(cell["source"]).split()) for cell in found if cell["cell_type"] == "markdown")
    assert words > 150, "text between the cells"
    assert sum("assert " in "".join(cell["source"]) for cell in code) >= 3


@needs_papermill
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_sample(path: Path, tmp_path: Path) -> None:
    assert (ROOT / "data" / "sample" / "known.json").is_file(), "the sample's own figures are what the notebooks check theirs against"
    assert figures(run(path, tmp_path / "out.ipynb")) >= 2


@needs_papermill
def test_a_notebook_runs_on_another_export(tmp_path: Path) -> None:
    store = DuckDbStore(tmp_path / "talks.duckdb")
    fill(store)
    folder = export(store, tmp_path, tmp_path / "export").folder
    store.close()
    found = run(ROOT / "notebooks" / "persona_prompt_tuning.ipynb", tmp_path / "out.ipynb", "-p", "export", str(folder))
    assert "slow" in json.dumps(found)
    assert figures(found) >= 2


@needs_papermill
def test_a_wrong_figure_stops_a_notebook(tmp_path: Path) -> None:
    """The asserts are there to fail."""
    folder = tmp_path / "sample"
    shutil.copytree(ROOT / "data" / "sample", folder)
    known = json.loads((folder / "known.json").read_text())
    known["tool_invocations"] += 1
    (folder / "known.json").write_text(json.dumps(known))
    with pytest.raises(AssertionError, match="AssertionError"):
        run(ROOT / "notebooks" / "latency_report.ipynb", tmp_path / "out.ipynb", "-p", "export", str(folder))
