from __future__ import annotations

from workbench.bridge.intent import Intent
from workbench.bridge.policy import decide
from workbench.bridge.tool import Tool

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}}
ASK = Tool("ask", "Ask the orchestrator", SCHEMA, "write", catches=True, message_argument="message")


def test_destructive_words_are_gated_whatever_tool_answers_to_them() -> None:
    decision = decide(
        Intent("command", "ask", {"message": "wipe the disk"}, tier="destructive"),
        "wipe the disk",
        ASK,
        pending=None,
        running=False,
        allowed={"ask"},
    )
    assert (decision.act, decision.tier) == ("propose", "destructive")
    assert "irreversible" in decision.say


def test_harmless_words_do_not_make_a_tool_harmless() -> None:
    decision = decide(Intent("command", "ask", tier="read"), "look", ASK, pending=None, running=False, allowed={"ask"})
    assert (decision.act, decision.tier) == ("propose", "write")
