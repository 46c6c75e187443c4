"""The labelled suite of `evaluation/intents`, with the thresholds that the embedded rules must reach. Time is not asserted: the command
prints it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from workbench.bridge.declared import declared_tool
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.suite import Score, read_rows, score
from workbench.commands.intents import suite_registry

SUITE = Path(__file__).parents[2] / "evaluation" / "intents"


def judged(file: str, registry: Registry) -> Score:
    rows, unscored = read_rows((SUITE / file).read_text(encoding="utf-8"))
    assert not unscored
    return asyncio.run(score(rows, RulesClassifier(registry, ["Myca"]), registry, ["Myca"]))


@pytest.mark.parametrize(("file", "n"), [("blind.jsonl", 400), ("own.jsonl", 400)])
def test_the_rules_reach_their_thresholds(file: str, n: int) -> None:
    found = judged(file, suite_registry(SUITE / "tools.toml"))
    assert found.n >= n
    assert found.accuracy >= 0.95, [each.row.text for each in found.misses]
    assert len(found.destructive) > 50
    assert [each.row.text for each in found.ungated] == []
    assert [each.row.text for each in found.called_on_chitchat] == []


def test_danger_is_seen_without_any_tool_that_does_it() -> None:
    """With nothing but the built-in tools, and with one that catches whatever is asked for."""
    bare = suite_registry(None)
    schema = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    table = {
        "name": "ask_myca", "description": "Ask", "tier": "write", "parameters": schema, "catches": True, "message_argument": "message",
    }  # fmt: skip
    catching = suite_registry(None)
    catching.add(catching.provider(next(iter(catching))), declared_tool(table, next(iter(catching)).provider))
    for registry in (bare, catching):
        found = judged("own.jsonl", registry)
        assert [each.row.text for each in found.ungated] == []
        assert [each.row.text for each in found.called_on_chitchat] == []
        assert not any(each.decision.act == "run" and each.row.expect["kind"] == "command" for each in found.judged)
