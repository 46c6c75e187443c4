"""What may be done: reading runs, changing asks once, destroying needs the irreversible phrase, and a no beats everything.

The words that let an action run are read here from the user's own text. A classifier, a language model among them, can propose an
action but can neither confirm a destructive one nor overrule a refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.bridge.access import AccessTable, access_of
from workbench.bridge.intent import Intent
from workbench.bridge.named import by_danger
from workbench.bridge.replies import CONFIRM_PHRASE, IRREVERSIBLE_PHRASE, read_reply
from workbench.bridge.tool import Tool
from workbench.events import Tier

Act = Literal["leave", "run", "propose", "confirm", "ask_again", "abort", "deny"]


@dataclass(frozen=True, slots=True)
class Pending:
    """The one action of a talk that waits for the user's word."""

    invocation_id: str
    utterance_id: str
    tool: Tool
    arguments: Mapping[str, Any]
    deadline_samples: int
    tier: Tier
    utterance: str = ""
    """The user's own words that asked for it."""
    asked_samples: int = 0
    """When its question was decided on, in session time. Words that ended before it answer something else."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about one utterance, and why."""

    act: Act
    reason: str
    tool: Tool | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    say: str = ""
    tier: Tier = "read"
    """The tool's tier, or that of the words where they are worse."""


NOT_ALLOWED = "I am not allowed to do that."


def gate(tool: Tool, intent: Intent) -> Tier:
    """How dangerous it is to do what was said with this tool: the worse of the two."""
    return max(tool.tier, intent.tier or "read", key=by_danger)


def decide(
    intent: Intent,
    text: str,
    tool: Tool | None,
    *,
    pending: Pending | None,
    running: bool,
    allowed: Collection[str],
    action_words: Collection[str] = (),
    said_samples: int | None = None,
    changed: bool = False,
    user: str = "",
    access: AccessTable | None = None,
) -> Decision:
    """One utterance, one decision. `tool` is what `intent.tool` names, `allowed` what this persona may use; `action_words` name the
    pending action; `said_samples` is when the words ended (None: now); `changed`: the pending tool is no longer what it was
    when the question was asked; `access` says what `user` may use."""
    reply = read_reply(text, action_words) if pending or running else None
    if reply == "abort" or (intent.kind == "abort" and (pending or running)):
        return Decision("abort", "the user called it off")
    if pending and (reply or intent.kind == "confirm"):
        if said_samples is not None and said_samples < pending.asked_samples:
            reason = "the words ended before the question was asked"
            return Decision("ask_again", reason, pending.tool, say=_ask(pending.tier), tier=pending.tier)
        return _confirm(pending, reply, changed)
    if intent.kind in ("confirm", "abort"):
        return Decision("leave", "nothing waits for an answer")
    if tool is None:
        return Decision("leave", _unanswered(intent), tier=intent.tier or "read")
    tier = gate(tool, intent)
    refusal = _refusal(tool, allowed, user, access or {})
    if refusal is not None:
        return Decision("deny", refusal, tool, intent.arguments, "" if tier == "read" else NOT_ALLOWED, tier)
    missing = [name.replace("_", " ") for name in tool.required if name not in intent.arguments]
    if missing:
        return Decision("deny", f"{tool.name} was asked for without {', '.join(missing)}", tool, intent.arguments, _needs(missing), tier)
    if tier == "read":
        return Decision("run", "reading needs no confirmation", tool, intent.arguments)
    reason = f"a {tier} action needs the user's word"
    return Decision("propose", reason, tool, intent.arguments, f"{_plan(tool, intent.arguments)} {_ask(tier)}", tier)


def _unanswered(intent: Intent) -> str:
    """Why nothing is done where no tool is named. What is not done must not sound done: the engine is told nothing but the words."""
    if intent.kind == "chitchat":
        return "no tool is asked for"
    if intent.tool is not None:
        return f"a {intent.kind} for {intent.tool}, which does not exist"
    return f"a {intent.tier or 'read'} {intent.kind} that no tool answers; nothing is done"


def _refusal(tool: Tool, allowed: Collection[str], user: str, access: AccessTable) -> str | None:
    if tool.name not in allowed:
        return f"this persona may not use {tool.name}"
    why = access_of(access, user).refusal(tool.name)
    return None if why is None else f"user {user or '(without a name)'}: {why}"


def _needs(missing: Sequence[str]) -> str:
    return f"For that I also need the {' and the '.join(missing)}. Please ask again, and say it."


def _confirm(pending: Pending, reply: str | None, changed: bool) -> Decision:
    if reply is None:
        return Decision("ask_again", "the words themselves are no plain yes", pending.tool, say=_ask(pending.tier), tier=pending.tier)
    if pending.tier == "destructive" and reply != "irreversible":
        return Decision(
            "ask_again", "a plain yes does not allow what cannot be undone", pending.tool, say=_ask(pending.tier), tier=pending.tier
        )
    if changed:
        # A provider can withdraw a tool, or call it more dangerous, after the question: the yes was to another one.
        reason = "the tool changed after it was asked about; it must be asked for again"
        return Decision("abort", reason, pending.tool, tier=pending.tier)
    phrase = IRREVERSIBLE_PHRASE if reply == "irreversible" else CONFIRM_PHRASE
    return Decision("confirm", f"the user agreed ({phrase})", pending.tool, pending.arguments, tier=pending.tier)


def agrees(phrase: str, tier: Tier) -> bool:
    """Whether a person's own words let an action of this tier run: what a talk would take for the user's word."""
    reply = read_reply(phrase)
    return reply == "irreversible" or (reply == "confirm" and tier != "destructive")


def _plan(tool: Tool, arguments: Mapping[str, Any]) -> str:
    description = tool.description.rstrip(".")
    plan = f"I am about to {description[:1].lower()}{description[1:]}"
    # The user's own words need no name before them.
    named = ("" if name == tool.message_argument else f"{name.replace('_', ' ')} " for name in arguments)
    values = ", ".join(f"{name}{value}" for name, value in zip(named, arguments.values(), strict=True))
    return f"{plan}: {values}." if values else f"{plan}."


def _ask(tier: Tier) -> str:
    if tier == "destructive":
        return f"This cannot be undone. Say {IRREVERSIBLE_PHRASE}, or cancel that."
    return f"Say {CONFIRM_PHRASE}, or cancel that."
