"""The tools that exist, by name, and the phrases that ask for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from workbench.bridge.provider import Provider
from workbench.bridge.slots import slot_of
from workbench.bridge.tool import SLOT, Tool, ToolError
from workbench.bridge.words import tokens

MAX_PHRASES = 2_000
"""A closed grammar much larger than this recognises worse and loads slowly."""


class Registry:
    """Tools and who carries them out. Shared by all talks; what one persona may use is asked for by its list of names."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._providers: dict[str, Provider] = {}
        self.edition = 0
        """Counts the changes: who made something of the tools makes it anew when it differs."""

    def add(self, provider: Provider, *tools: Tool) -> None:
        """Raises ToolError for a name that is taken, or a tool that names another provider."""
        if self._providers.setdefault(provider.name, provider) is not provider:
            raise ToolError(f"two providers are called {provider.name!r}; give one of them another name")
        for tool in tools:
            if tool.provider != provider.name:
                raise ToolError(f"tool {tool.name} names the provider {tool.provider!r} but was added with {provider.name!r}")
            if tool.name in self._tools:
                raise ToolError(f"a tool called {tool.name} is registered already (by {self._tools[tool.name].provider}); rename one")
            if tool.catches and self.catching is not None:
                raise ToolError(f"{self.catching.name} and {tool.name} both want to catch commands; only one tool can")
            self._tools[tool.name] = tool
        self.edition += 1

    def refresh(self, provider: Provider, tools: Sequence[Tool]) -> None:
        """Puts `tools` in the place of all that this provider had; talks that go on see it at their next utterance. Raises ToolError
        as `add` does, and changes nothing then."""
        before = self._tools
        self._tools = {name: tool for name, tool in before.items() if tool.provider != provider.name}
        try:
            self.add(provider, *tools)
        except ToolError:
            self._tools = before
            raise

    @property
    def catching(self) -> Tool | None:
        """The tool that takes commands that fit no other's phrases."""
        return next((tool for tool in self if tool.catches), None)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __getitem__(self, name: str) -> Tool:
        """Raises ToolError for an unknown name."""
        if name not in self._tools:
            raise ToolError(f"there is no tool called {name[:80]!r}; known are {', '.join(sorted(self._tools)) or 'none'}")
        return self._tools[name]

    def provider(self, tool: Tool) -> Provider:
        return self._providers[tool.provider]

    @property
    def providers(self) -> Sequence[Provider]:
        return tuple(self._providers.values())

    def by_provider(self, name: str) -> Sequence[Tool]:
        """The tools of one provider."""
        return tuple(tool for tool in self if tool.provider == name)

    def allowed(self, names: Sequence[str]) -> frozenset[str]:
        """The registered tools among a persona's `names`; `*` stands for all."""
        return frozenset(self._tools) if "*" in names else frozenset(self._tools) & frozenset(names)

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Those of a persona's `names` that are not registered, for a notice to the user."""
        return [name for name in names if name != "*" and name not in self._tools]

    def phrases(self, names: Sequence[str] = ("*",), limit: int = MAX_PHRASES) -> list[str]:
        """Speakable phrases that ask for the tools of a persona, at most `limit`. Where they are too many, every tool gets a fair
        share, in the order of its templates and of their slots' examples."""
        allowed = self.allowed(names)
        spoken = sorted((_speakable(tool) for tool in self if tool.name in allowed), key=len)
        found: dict[str, None] = {}
        for index, own in enumerate(spoken):
            share = (limit - len(found)) // (len(spoken) - index)
            found.update(dict.fromkeys(own[:share]))
        return list(found)


def _speakable(tool: Tool) -> list[str]:
    found: dict[str, None] = {}
    for template in tool.phrases or tool.templates:
        names = SLOT.findall(template)
        for values in itertools.product(*(slot_of(tool, name).examples for name in names)):
            phrase = template
            for name, value in zip(names, values, strict=True):
                phrase = phrase.replace(f"{{{name}}}", value, 1)
            found[" ".join(tokens(phrase))] = None
            if len(found) >= MAX_PHRASES:
                return list(found)
    return list(found)
