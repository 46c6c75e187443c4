"""`workbench tools` with a real MCP server of its own, one that is not there, and no workbench running."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from servers import ROOT
from typer.testing import CliRunner

from workbench.cli import app

SECRET = "geheimnis-des-befehls"
BOX = f"""
[[mcp]]
name = "box"
command = {json.dumps(sys.executable)}
args = [{json.dumps(str(ROOT / "tests" / "bridge" / "tools_server.py"))}]
env = ["BOX_TOKEN", "TOOLS_SECRET"]
timeout_s = 5.0
tiers = {{ slow = "read" }}
"""
FAR = """
[[mcp]]
name = "far"
url = "http://127.0.0.1:9/mcp"
"""


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["tools", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def _box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOX_TOKEN", "another-secret")
    monkeypatch.setenv("TOOLS_SECRET", SECRET)
    (tmp_path / "workbench.toml").write_text(BOX)


def test_without_a_file_there_are_the_tools_of_this_process() -> None:
    code, out, _err = run("list", "--json")
    told = json.loads(out)
    assert code == 0
    assert [provider["name"] for provider in told["providers"]] == ["local"]
    assert {tool["name"] for tool in told["tools"]} == {"arithmetic", "time_in_place", "session_statistics"}


@pytest.mark.usefixtures("_box")
def test_list_asks_every_provider(tmp_path: Path) -> None:
    (tmp_path / "both.toml").write_text(BOX + FAR)
    code, out, _err = run("list", "--tools-file", "both.toml")
    assert code == 1, "one provider is not ready"
    assert "ready     box (mcp, " in out
    assert "breaker closed): listed 12 tools" in out
    assert "destructive wipe: Delete all notes" in out
    assert "NOT READY far (mcp, breaker closed): mcp server far is not connected: nothing answers at" in out
    assert "repair: See that the MCP server far runs" in out


@pytest.mark.usefixtures("_box")
def test_a_read_is_called() -> None:
    code, out, err = run("call", "lookup_slots", '{"day": "Mon", "limit": 1}')
    assert code == 0
    assert out.splitlines()[0] == "day: Mon; free: 09:00."
    assert json.loads(out[out.index("{") :])["structured"] == {"day": "Mon", "free": ["09:00"]}
    assert "box answered lookup_slots (read) in " in err


@pytest.mark.usefixtures("_box")
def test_what_changes_something_is_only_told_without_yes() -> None:
    code, out, err = run("call", "wipe")
    assert (code, out) == (3, "")
    assert "I am about to delete all notes. This cannot be undone." in err
    assert "Add --yes" in err
    code, out, _err = run("call", "wipe", "--json")
    assert (code, json.loads(out)["status"]) == (3, "unconfirmed")
    code, out, _err = run("call", "wipe", "--yes", "--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["status"], told["spoken"]) == (0, "success", "All gone.")
    assert told["latency_ms"] > 0


@pytest.mark.usefixtures("_box")
def test_a_tool_that_fails_and_no_secret() -> None:
    code, out, err = run("call", "leak")
    assert (code, out) == (1, "")
    assert "upstream said 401 for [hidden]" in err
    code, out, json_err = run("call", "leak", "--json")
    assert (code, json.loads(out)["status"]) == (1, "error")
    assert not [secret for secret in (SECRET, "geheim@", "abcdefgh12345678") if secret in err + out + json_err]


@pytest.mark.usefixtures("_box")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("call",), "Name the tool to call"),
        (("call", "lookup_slots", "{"), "are not JSON"),
        (("call", "lookup_slots", "[1]"), "but no object"),
        (("call", "lookup_slots", '{"day": 3}'), "arguments.day: expected string"),
        (("list", "--tools-file", "missing.toml"), "missing.toml"),
    ],
)
def test_a_fault_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_an_unknown_tool_says_who_might_have_it(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text(FAR)
    code, _out, err = run("call", "elsewhere")
    assert code == 2
    assert "there is no tool called 'elsewhere'" in err
    assert "Not ready: far (" in err


def test_figures_of_the_store_are_the_servers() -> None:
    code, _out, err = run("call", "session_statistics")
    assert code == 1
    assert "kept by the server" in err
