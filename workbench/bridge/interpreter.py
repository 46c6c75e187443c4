"""Who reads the user's words in one talk: the classifier over the tools there are just now, and what it was given to read ahead."""

from __future__ import annotations

import time
from asyncio import Task
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.bridge.intent import Classifier, Intent
from workbench.bridge.registry import Registry
from workbench.bridge.rules import RulesClassifier
from workbench.bridge.tasks import Tasks


@dataclass(frozen=True, slots=True)
class _Reading:
    """A classification under way: of these words, while that tool waits or works."""

    text: str
    waiting: str | None
    work: Task[tuple[Intent, float]]


class Interpreter:
    """`tools` are the persona's tool names (`*` = all), `names` what the persona is called. Without a `classifier` the rules read."""

    def __init__(self, registry: Registry, tools: Sequence[str], names: Sequence[str], classifier: Classifier | None) -> None:
        self._registry = registry
        self._tools, self._names = tuple(tools), tuple(names)
        self._given = classifier
        self._ahead: _Reading | None = None
        self._learn()

    def action_words(self, tool_name: str) -> frozenset[str]:
        """Words that name what a tool does."""
        return self._rules.action_words(tool_name)

    def prepare(self, tasks: Tasks, text: str, waiting: str | None) -> None:
        """Reads words ahead that may be all; `waiting` is the tool that waits for the user or is at work."""
        if self._ahead is not None:
            if (self._ahead.text, self._ahead.waiting) == (text, waiting):
                return
            self._ahead.work.cancel()
        self._ahead = _Reading(text, waiting, tasks.spawn(self._classify(text, waiting), "intent"))

    async def read(self, text: str, waiting: str | None) -> tuple[Intent, float]:
        """The intent, and the ms that finding it took; made ready where the same words were read ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and (ahead.text, ahead.waiting) == (text, waiting):
            return await ahead.work
        if ahead is not None:
            ahead.work.cancel()
        return await self._classify(text, waiting)

    async def _classify(self, text: str, waiting: str | None) -> tuple[Intent, float]:
        began_s = time.perf_counter()
        if self._edition != self._registry.edition:
            # A provider was reached, or has other tools than before.
            self._learn()
        intent = await self._classifier.classify(text, waiting)
        return intent, (time.perf_counter() - began_s) * 1_000

    def _learn(self) -> None:
        self._edition = self._registry.edition
        self.allowed = self._registry.allowed(self._tools)
        """The registered tools that the persona may use."""
        self._rules = RulesClassifier(self._registry, self._names)
        self._classifier = self._given or self._rules
