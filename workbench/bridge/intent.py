"""What an utterance asks for, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workbench.events import Tier

IntentKind = Literal["chitchat", "query", "command", "confirm", "abort"]
"""`query` asks for a tool that only reads, `command` for one that changes something."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The meaning of one utterance. A classifier proposes; only `policy` decides."""

    kind: IntentKind
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 1.0
    """0 to 1, on the classifier's own scale; for the rules 1 - cost / 2 of the phrase that fitted (see `templates`)."""
    source: str = "rules"
    tier: Tier | None = None
    """How dangerous the *words* are ("wipe the disk" is destructive, whatever tool answers to it); None = as its tool is."""


class Classifier(Protocol):
    """Rules, or a language model behind an API."""

    name: str

    async def classify(self, text: str, pending: str | None) -> Intent:
        """`pending` is the tool that waits for a yes or is at work; only then are agreement and refusal looked for. Never raises
        for anything a user can say."""
        ...
