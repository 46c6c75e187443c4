"""`workbench intents`: rows in, figures out, and what is wrong with a row said with its line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from workbench.cli import app

ROWS = (
    {"text": "what time is it in tokyo", "expect": {"kind": "query", "tool": "time_in_place", "tier": "read"}, "why": "any other key"},
    {"text": "delete all data", "expect": {"kind": "command", "tier": "destructive"}},
    {"text": "the sunset was beautiful", "expect": {"kind": "chitchat"}},
    {"text": "yes wipe it", "pending": "wipe_disk", "expect": {"kind": "confirm"}},
    {"text": "never mind", "pending": "no_such_tool", "expect": {"kind": "abort"}},
)
TOOLS = """
[[tool]]
name = "water_plants"
description = "Water the plants"
tier = "write"
phrases = ["water the {what}"]
[tool.parameters]
type = "object"
[tool.parameters.properties.what]
type = "string"
"""


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["intents", *arguments])


def written(folder: Path, *rows: Any) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return file


def test_figures_as_json(tmp_path: Path) -> None:
    done = run(str(written(tmp_path, *ROWS)), "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["accuracy"], report["n"], report["misses"]) == (1.0, 5, [])
    assert report["per_class"]["chitchat"] == {"n": 1, "precision": 1.0, "recall": 1.0}
    assert report["destructive"] == {"n": 1, "ungated": []}
    assert report["latency_ms"]["n"] == 5


def test_a_miss_is_shown_with_what_was_found(tmp_path: Path) -> None:
    wrong = {"text": "delete all data", "expect": {"kind": "chitchat", "tier": None}}
    file = written(tmp_path, wrong, ROWS[0])
    assert json.loads(run(str(file), "--json").stdout)["misses"] == [
        {
            "line": 1,
            "text": "delete all data",
            "pending": None,
            "expect": {"kind": "chitchat", "tier": None},
            "found": {"kind": "command", "tool": None, "tier": "destructive"},
            "decision": "leave",
        }
    ]
    done = run(str(file))
    assert "accuracy 50.0% of 2" in done.stdout
    assert "miss: line 1: 'delete all data': expected chitchat -, found command - destructive" in done.stdout


def test_only_what_is_expected_is_scored(tmp_path: Path) -> None:
    done = run(str(written(tmp_path, {"text": "12 * 7", "expect": {"tier": "read", "arguments": {}}})), "--json")
    assert json.loads(done.stdout)["accuracy"] == 1.0
    assert "Not scored, because only kind, tool and tier are: arguments (1 rows)." in done.stderr


def test_tools_beside_the_file_are_added(tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(TOOLS)
    done = run(str(written(tmp_path, {"text": "water the roses", "expect": {"kind": "command", "tool": "water_plants"}})), "--json")
    assert json.loads(done.stdout)["accuracy"] == 1.0
    assert "tools.toml are added" in done.stderr


def test_a_tool_of_the_file_takes_the_place_of_a_built_in_one(tmp_path: Path) -> None:
    tools = tmp_path / "mine.toml"
    tools.write_text(TOOLS.replace("water_plants", "arithmetic"))
    row = {"text": "water the roses", "expect": {"kind": "command", "tool": "arithmetic"}}
    assert json.loads(run(str(written(tmp_path, row)), "--json", "--tools", str(tools)).stdout)["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{", "line 2: is not JSON"),
        ([1], "line 2: is a list"),
        ({"expect": {"kind": "query"}}, "line 2: text is None"),
        ({"text": "x", "expect": "query"}, "line 2: expect is 'query'"),
        ({"text": "x", "expect": {"kind": "order"}}, "line 2: kind 'order' is not one of chitchat, query"),
        ({"text": "x", "expect": {"tier": "worst"}}, "line 2: tier 'worst' is not one of read, write"),
        ({"text": "x", "expect": {"tool": 5}}, "line 2: tool is 5"),
        ({"text": "x", "expect": {}}, "line 2: expect holds none of"),
        ({"text": "x", "pending": 5, "expect": {"kind": "query"}}, "line 2: pending is 5"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: Any, fault: str) -> None:
    done = run(str(written(tmp_path, ROWS[0], row)))
    assert done.exit_code == 2
    assert fault in done.stderr


@pytest.mark.parametrize(("text", "fault"), [("", "there are no rows"), (None, "cannot be read")])
def test_a_file_that_is_none(tmp_path: Path, text: str | None, fault: str) -> None:
    file = tmp_path / "rows.jsonl"
    if text is not None:
        file.write_text(text)
    done = run(str(file))
    assert done.exit_code == 2
    assert fault in done.stderr


def test_it_loads_no_models_and_opens_no_store() -> None:
    check = (
        "import sys, workbench.commands.intents;"
        "assert not {'duckdb', 'onnxruntime', 'numpy.random', 'gradio', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_a_language_model_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_LLM_BASE_URL", raising=False)
    done = run(str(written(tmp_path, *ROWS)), "--classifier", "llm")
    assert done.exit_code == 2
    assert "set WORKBENCH_LLM_BASE_URL" in done.stderr


def test_rows_that_a_failing_language_model_left_to_the_rules_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WORKBENCH_LLM_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        done = run(str(written(tmp_path, *ROWS)), "--classifier", "llm", "--json")
    sources = json.loads(done.stdout)["sources"]
    # The two answers to a waiting action are read from the words; the model is not asked.
    assert sources.pop("rules") == 2
    assert [(source[:23], count) for source, count in sources.items()] == [("rules (endpoint failed:", 3)]


def test_declared_tools_of_the_configuration_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "workbench.toml"
    config.write_text(
        '[mas]\nurl = "http://127.0.0.1:9"\n[n8n]\nurl = "http://127.0.0.1:9/webhook"\n'
        '[[n8n.tool]]\nname = "start_backup"\ndescription = "Start the backup workflow"\ntier = "write"\nphrases = ["start the backup"]\n'
    )
    monkeypatch.setenv("WORKBENCH_TOOLS_FILE", str(config))
    done = run(str(written(tmp_path, {"text": "start the backup", "expect": {"tool": "start_backup", "tier": "write"}})), "--json")
    assert json.loads(done.stdout)["accuracy"] == 1.0
    assert "known only after connecting are left out: those of MAS." in done.stderr
