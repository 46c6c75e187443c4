"""What a tool is: its name, what it takes, how dangerous it is, and the words that ask for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.bridge.schema import Checker, SchemaError
from workbench.events import Tier

SLOT = re.compile(r"\{(\w+)\}")
"""A place in a phrase where an argument is spoken."""


class ToolError(Exception):
    """A tool was described wrongly, called wrongly, or could not do its work. The message goes into a row, never into speech."""


@dataclass(frozen=True, slots=True)
class SlotValue:
    """What some words mean as an argument."""

    value: Any
    cost: float = 0.0
    """0 = certain; a guess costs more, and leaves less room for other faults in the phrase (see `templates`)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """How an argument is spoken."""

    parse: Callable[[Sequence[str]], SlotValue | None]
    """Words (as `words.tokens` gives them) to an argument; None when they cannot be one."""
    examples: tuple[str, ...] = ()
    """Values as they are spoken, for recognisers with a closed grammar."""
    max_words: int = 6


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered."""

    spoken: str
    """The short form to be said; it is data, whatever it says."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The whole answer as plain JSON values, for the card and the row."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing that can be done for the user. Raises ToolError when the description contradicts itself."""

    name: str
    description: str
    """One sentence in the imperative; read out when the user must confirm: "Start the backup workflow"."""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    tier: Tier = "read"
    timeout_s: float = 10.0
    phrases: tuple[str, ...] = ()
    """Templates such as "what time is it in {place}"; understood, and given to recognisers with a closed grammar."""
    wordings: tuple[str, ...] = ()
    """Further templates that are understood but not put into a closed grammar, which must stay small."""
    slots: Mapping[str, Slot] = field(default_factory=dict)
    """How the arguments in the templates are spoken; those left out follow from their schema."""
    provider: str = "local"
    catches: bool = False
    """Commands that fit no tool's phrases go to this one (an orchestrator that understands by itself). At most one of a registry."""
    message_argument: str | None = None
    """The argument that gets the user's whole utterance."""
    _checker: Checker = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}", self.name):
            raise ToolError(f"tool name {self.name[:80]!r} must be a letter and up to 63 letters, digits, '_', '.' or '-'")
        if self.timeout_s <= 0:
            raise ToolError(f"tool {self.name}: timeout_s is {self.timeout_s}; give a number of seconds above 0")
        if self.parameters.get("type") != "object":
            raise ToolError(f"tool {self.name}: parameters must be a JSON schema of type 'object'")
        try:
            object.__setattr__(self, "_checker", Checker(self.parameters))
        except SchemaError as error:
            raise ToolError(f"tool {self.name}: {error}") from error
        if self.message_argument is not None and self.message_argument not in self.properties:
            raise ToolError(f"tool {self.name}: message_argument {self.message_argument!r} is not in its parameters")
        if self.catches and self.message_argument is None:
            raise ToolError(f"tool {self.name}: a tool that catches commands needs a message_argument to get their words")
        for template in self.templates:
            for slot in SLOT.findall(template):
                if slot not in self.properties:
                    raise ToolError(f"tool {self.name}: phrase {template!r} has a slot {slot!r} that is not in its parameters")

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """Argument name to its schema."""
        found: Mapping[str, Mapping[str, Any]] = self.parameters.get("properties", {})
        return found

    @property
    def unchecked_formats(self) -> tuple[str, ...]:
        """Formats in the schema that nobody here can check; whoever carries out the tool may."""
        return self._checker.unchecked

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.parameters.get("required", ()))

    @property
    def templates(self) -> tuple[str, ...]:
        """All templates. A tool without any, and without required arguments, is asked for by its name and its description."""
        own = self.phrases + self.wordings
        if own or self.required:
            return own
        return tuple(dict.fromkeys((re.sub(r"[_.\-]+", " ", self.name), self.description.split(". ")[0].rstrip("."))))

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises ToolError when `arguments` do not fit the schema."""
        try:
            self._checker.check(dict(arguments))
        except SchemaError as error:
            raise ToolError(f"tool {self.name}: {error}") from error
