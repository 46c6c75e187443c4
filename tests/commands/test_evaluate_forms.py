"""How `workbench evaluate` finds what is meant."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from workbench.cli import app
from workbench.commands.evaluate import Forms


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


def test_every_form_can_be_loaded_and_has_help() -> None:
    listed = evaluate("--help")
    for form in Forms.places:
        assert form in listed.stdout
        told = evaluate(form, "--help")
        assert told.exit_code == 0, told.output
        assert told.stdout.count("\n") > 5


@pytest.mark.parametrize("words", [("nowhere", "--out", "run"), ("--out", "run", "nowhere"), ("suite", "nowhere", "--out", "run")])
def test_a_first_word_that_is_no_form_is_a_suite(words: tuple[str, ...]) -> None:
    result = evaluate(*words)
    assert result.exit_code == 2
    assert "'nowhere' is no suite" in result.stderr
