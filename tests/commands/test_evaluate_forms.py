"""How `workbench evaluate` finds what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from workbench.cli import app
from workbench.commands.evaluate import Forms

SCENARIO = """
id: hello
category: turn-taking
about: A greeting.
user:
  - {do: type, id: greet, text: Hello}
expect:
  - {expect: answers, after: greet, within_ms: 4000}
"""


@pytest.fixture(autouse=True)
def _suite(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hello.yaml").write_text(SCENARIO)


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


def test_every_form_can_be_loaded_and_has_help() -> None:
    listed = evaluate("--help")
    for form in Forms.places:
        assert form in listed.stdout
        told = evaluate(form, "--help")
        assert told.exit_code == 0, told.output
        assert told.stdout.count("\n") > 5


@pytest.mark.parametrize("words", [("mine",), ("suite", "mine")])
def test_a_first_word_that_is_no_form_is_a_suite(words: tuple[str, ...]) -> None:
    result = evaluate(*words)
    assert result.exit_code == 0, result.output
    assert "hello" in result.stdout
