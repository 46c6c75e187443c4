from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bridge.access import Access, access_of
from workbench.bridge.intent import Intent
from workbench.bridge.policy import Decision, Pending, decide
from workbench.bridge.tool import Tool

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}}
ASK = Tool("ask", "Ask the orchestrator", SCHEMA, "write", catches=True, message_argument="message")
SEND = Tool("send_report", "Send the report", tier="write")
WIPE = Tool("wipe_disk", "Wipe the disk", tier="destructive")
TIMER = Tool(
    "set_timer", "Set a timer", {"type": "object", "properties": {"run_time": {"type": "string"}}, "required": ["run_time"]}, "write"
)


def judge(intent: Intent, text: str = "", tool: Tool | None = None, *, waits: Tool | None = None, **rules: object) -> Decision:
    pending = Pending("i", "u", waits, {}, 0, waits.tier) if waits is not None else None
    allowed = {each.name for each in (ASK, SEND, WIPE, TIMER)}
    return decide(intent, text, tool, pending=pending, running=False, allowed=allowed, **rules)  # type: ignore[arg-type]


def test_destructive_words_are_gated_whatever_tool_answers_to_them() -> None:
    decision = judge(Intent("command", "ask", {"message": "wipe the disk"}, tier="destructive"), "wipe the disk", ASK)
    assert (decision.act, decision.tier) == ("propose", "destructive")
    assert "irreversible" in decision.say


def test_harmless_words_do_not_make_a_tool_harmless() -> None:
    decision = judge(Intent("command", "ask", tier="read"), "look", ASK)
    assert (decision.act, decision.tier) == ("propose", "write")


def test_a_command_that_no_tool_answers_is_left_and_says_so() -> None:
    decision = judge(Intent("command", tier="destructive"), "nuke the moon base")
    assert (decision.act, decision.reason) == ("leave", "a destructive command that no tool answers; nothing is done")
    assert judge(Intent("command", "ghost"), "haunt").reason == "a command for ghost, which does not exist"
    assert judge(Intent("chitchat"), "hello").reason == "no tool is asked for"


def test_what_is_missing_is_asked_for_before_anything_else() -> None:
    decision = judge(Intent("command", "set_timer"), "set a timer", TIMER)
    assert (decision.act, decision.say) == ("deny", "For that I also need the run time. Please ask again, and say it.")


def test_only_the_users_own_words_confirm() -> None:
    agreed = Intent("confirm", "send_report", source="llm")
    assert judge(agreed, "a story about reishi", waits=SEND).act == "ask_again"
    assert judge(agreed, "yes please", waits=SEND).act == "confirm"
    assert judge(agreed, "yes please", waits=WIPE).act == "ask_again"
    assert judge(agreed, "confirm irreversible action", waits=WIPE).act == "confirm"
    assert judge(agreed, "no", waits=SEND).act == "abort"


PHRASES = st.sampled_from(["yes", "do it", "go ahead", "wipe it", "confirm and proceed", "sure", "please", "right now", "proceed", "okay"])


@given(st.lists(PHRASES, min_size=1, max_size=5), st.sampled_from(["confirm", "command", "query", "chitchat", "abort"]))
def test_nothing_but_the_phrase_lets_a_destructive_action_run(phrases: list[str], kind: str) -> None:
    intent = Intent(kind, "wipe_disk")  # type: ignore[arg-type]
    assert judge(intent, " ".join(phrases), WIPE, waits=WIPE, action_words={"wipe", "disk"}).act not in ("run", "confirm")


@pytest.mark.parametrize(
    ("user", "tool", "act", "reason"),
    [
        ("ann", SEND, "propose", "a write action needs the user's word"),
        ("Ann", WIPE, "deny", "user Ann: wipe_disk is denied by 'wipe_*'"),
        ("bob", SEND, "deny", "user bob: send_report is not among the allowed 'set_*'"),
        ("", SEND, "propose", "a write action needs the user's word"),
        ("", WIPE, "deny", "user (without a name): wipe_disk is not among the allowed 's*'"),
        ("eve", SEND, "propose", "a write action needs the user's word"),
    ],
)
def test_rules_per_user(user: str, tool: Tool, act: str, reason: str) -> None:
    table: Mapping[str, Access] = {"ann": Access(denied=("wipe_*",)), "bob": Access(("set_*",)), "*": Access(("s*",))}
    decision = judge(Intent("command", tool.name), "", tool, user=user, access=table)
    assert (decision.act, decision.reason) == (act, reason)


def test_without_a_table_everybody_may_use_everything() -> None:
    assert access_of({}, "ann").refusal("wipe_disk") is None
    assert access_of({"ann": Access(())}, "ann").refusal("x") == "x is not among the allowed (none)"


@pytest.mark.parametrize("patterns", ["send_*", ("",), (5,)])
def test_patterns_are_a_list_of_texts(patterns: object) -> None:
    with pytest.raises(ValueError, match="give a list of patterns"):
        Access(patterns)  # type: ignore[arg-type]
