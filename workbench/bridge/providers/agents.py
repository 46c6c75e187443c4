"""The agents of a MAS registry as tools: how they are asked for, and how dangerous they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.bridge.replies import read_reply
from workbench.bridge.spoken import short_form
from workbench.bridge.tool import Tool, ToolError
from workbench.bridge.words import tokens
from workbench.events import Tier

MAX_AGENTS = 200
_MAX_PHRASES = 20
_MAX_PHRASE_WORDS = 12
_ONLY_READ = frozenset({"read", "analyze", "search", "query"})
"""Capabilities that change nothing. Any other (`notify` sends something out, `execute` and `control` act) is a change."""
_DESTROYS = frozenset({"delete", "remove", "destroy", "erase", "wipe", "purge", "security"})

MESSAGE: Mapping[str, Any] = {"type": "string", "description": "the user's request in full", "minLength": 1, "maxLength": 2_000}


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent that can be asked."""

    agent_id: str
    tool: Tool
    requires_confirmation: bool


class _Entry(BaseModel):
    """The fields of an entry that are used; others may be there."""

    model_config = ConfigDict(extra="ignore")
    agent_id: str
    display_name: str | None = None
    name: str | None = None
    description: str | None = None
    category: str | None = None
    capabilities: list[str] = []
    voice_triggers: list[str] = []
    requires_confirmation: bool = False
    is_active: bool = True


def read_agents(listing: Any, provider: str, timeout_s: float) -> tuple[list[Agent], list[str]]:
    """The active agents of `GET /agents/registry/`, and what was wrong with those that were left out. Everything in the listing is
    data of another system: names and triggers become words, nothing else. Raises ToolError when it is no listing at all."""
    entries = listing.get("agents") if isinstance(listing, Mapping) else None
    if not isinstance(entries, list):
        raise ToolError("the agent registry sent something that is no list of agents")
    agents: dict[str, Agent] = {}
    faults = [f"{len(entries) - MAX_AGENTS} agents beyond the first {MAX_AGENTS}"] if len(entries) > MAX_AGENTS else []
    for raw in entries[:MAX_AGENTS]:
        try:
            entry = _Entry.model_validate(raw)
            if entry.is_active:
                agent = _agent(entry, provider, timeout_s)
                if agents.setdefault(agent.tool.name, agent).agent_id != agent.agent_id:
                    faults.append(f"a second agent that would be called {agent.tool.name}")
        except ValidationError as error:
            fault = error.errors()[0]
            faults.append(f"an agent whose {'.'.join(map(str, fault['loc'])) or 'entry'} is wrong: {fault['msg']}")
        except ToolError as error:
            faults.append(str(error))
    return list(agents.values()), faults


def tier_of(category: str, capabilities: Sequence[str], requires_confirmation: bool) -> Tier:
    """How dangerous an agent is, by what it says it can do. One that says nothing may be able to do anything."""
    able = {capability.strip().lower() for capability in capabilities}
    if _DESTROYS & {category.strip().lower(), *able}:
        return "destructive"
    return "read" if able and able <= _ONLY_READ and not requires_confirmation else "write"


def _agent(entry: _Entry, provider: str, timeout_s: float) -> Agent:
    shown = short_form(entry.display_name or entry.name or entry.agent_id)[:60].strip() or entry.agent_id[:60]
    spoken = [word for word in tokens(shown) if word.isalpha()]
    while spoken and spoken[-1] == "agent":
        spoken.pop()
    about = short_form(entry.description or "")[:300]
    named = f"ask the {' '.join(spoken)} agent" if spoken else ""
    tool = Tool(
        "agent_" + re.sub(r"[^A-Za-z0-9_-]", "_", entry.agent_id)[:58],
        f"Ask the {' '.join(spoken).title() or shown} agent",
        {"type": "object", "properties": {"message": {**MESSAGE, "description": f"the user's request in full. {about}".strip()}}},
        tier_of(entry.category or "", entry.capabilities, entry.requires_confirmation),
        timeout_s,
        _phrases(entry.voice_triggers),
        (named, f"{named} {{message}}") if named else (),
        provider=provider,
        message_argument="message",
    )
    return Agent(entry.agent_id, tool, entry.requires_confirmation)


def _phrases(triggers: Sequence[str]) -> tuple[str, ...]:
    """Triggers of two words and more; a single word would be found in any talk, and an answer to a question is no request."""
    said = dict.fromkeys(" ".join(words) for trigger in triggers[:_MAX_PHRASES] if _is_phrase(words := tokens(trigger)))
    return tuple(phrase for phrase in said if read_reply(phrase) is None)


def _is_phrase(words: Sequence[str]) -> bool:
    return 2 <= len(words) <= _MAX_PHRASE_WORDS and all(word[0].isalnum() for word in words)
