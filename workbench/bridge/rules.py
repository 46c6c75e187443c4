"""The embedded classifier: the registered tools' own phrases, laid over the utterance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from workbench.bridge.intent import Intent
from workbench.bridge.registry import Registry
from workbench.bridge.replies import read_reply
from workbench.bridge.templates import FILLERS, Match, Template
from workbench.bridge.words import MAX_TEXT, close, phrase_list, sentences, tokens

CHITCHAT = Intent("chitchat")

_REQUESTS = phrase_list(
    "can you please tell me", "could you please tell me", "can you tell me", "could you tell me", "would you tell me", "will you tell me",
    "do you know", "do you happen to know", "please tell me", "i want to know", "i would like to know", "i need to know", "i wonder",
    "i was wondering", "let me know", "by the way", "let me think", "tell me", "can you", "could you", "would you", "will you",
    "i want you to", "i would like you to", "i need you to", "excuse me", "good morning", "good evening", "thank you", "one more thing",
)  # fmt: skip
"""Ways to begin a request that say nothing about which one."""


class RulesClassifier:
    """Rules over tokens. Made once per set of tools and persona names; asks nobody, remembers nothing."""

    name = "rules"

    def __init__(self, registry: Registry, names: Sequence[str] = ()) -> None:
        """`names`: what the persona is called, so that "hey Myca" may go before any request."""
        self._templates = [Template(tool, text) for tool in registry for text in tool.templates]
        self._vocabulary = frozenset(word for template in self._templates for word in template.content)
        self._names = frozenset(word for name in names for word in tokens(name))
        self._action_words = {
            tool.name: frozenset(word for text in (*tool.templates, tool.description, tool.name.replace("_", " ")) for word in tokens(text))
            for tool in registry
        }

    async def classify(self, text: str, pending: str | None) -> Intent:
        if len(text) > MAX_TEXT:
            return CHITCHAT
        if pending is not None:
            reply = read_reply(text, self.action_words(pending))
            if reply is not None:
                return Intent("abort", pending) if reply == "abort" else Intent("confirm", pending)
        found = [match for sentence in reversed(sentences(text)) if (match := self._match(tokens(sentence))) is not None]
        if not found:
            return CHITCHAT
        last = found[0]
        return Intent("query" if last.tool.tier == "read" else "command", last.tool.name, last.arguments, confidence=1 - last.cost / 2)

    def action_words(self, tool_name: str) -> frozenset[str]:
        return self._action_words.get(tool_name, frozenset())

    def _match(self, said: list[str]) -> Match | None:
        heard = {*said, *map("".join, pairwise(said))}
        there = {word for word in self._vocabulary if any(close(other, word) for other in heard)}
        templates = [template for template in self._templates if template.content <= there]
        starts = [said]
        while (shorter := self._without_lead(starts[-1])) is not None:
            starts.append(shorter)
        for start in starts:
            found = [match for template in templates if (match := template.match(start)) is not None]
            if found:
                return min(found, key=lambda match: (match.cost, -match.literals))
        return None

    def _without_lead(self, said: list[str]) -> list[str] | None:
        if len(said) > 1 and (said[0] in FILLERS or said[0] in self._names):
            return said[1:]
        for request in _REQUESTS:
            if len(said) > len(request) and tuple(said[: len(request)]) == request:
                return said[len(request) :]
        return None
