"""The embedded classifier: the registered tools' own phrases laid over the utterance, then a general reading of orders and questions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from workbench.bridge.finding import Finder, arguments_of
from workbench.bridge.hearing import corrected, mended, plainly
from workbench.bridge.intent import Intent
from workbench.bridge.lexicon import THINGS, VERBS, base
from workbench.bridge.named import action_words, by_danger, named_tool
from workbench.bridge.questions import SPEAKS, in_some_state, is_live, names_live, question_words
from workbench.bridge.reading import Order, Reader
from workbench.bridge.registry import Registry
from workbench.bridge.replies import read_reply
from workbench.bridge.templates import FILLERS, Match, Template
from workbench.bridge.tool import Tool
from workbench.bridge.words import MAX_TEXT, close, phrase_list, sentences, tokens, word_set

CHITCHAT = Intent("chitchat")

_REQUESTS = phrase_list(
    "can you please tell me", "could you please tell me", "can you tell me", "could you tell me", "would you tell me", "will you tell me",
    "do you know", "do you happen to know", "please tell me", "i want to know", "i would like to know", "i need to know", "i wonder",
    "i was wondering", "let me know", "by the way", "let me think", "tell me", "can you", "could you", "would you", "will you",
    "i want you to", "i would like you to", "i need you to", "excuse me", "good morning", "good evening", "thank you", "one more thing",
)  # fmt: skip
"""Ways to begin a request that say nothing about which one."""
_JOINT = re.compile(r" (?:and then|and also|and|but|then|instead|just) ")
_REMEMBERED = 20_000
"""Words whose neighbours are remembered; nobody uses more."""
_ALSO_NOUNS = word_set("order book record list report schedule log note")
"""Verbs with which a name can begin: "order status"."""
_NAMES_WITHIN = 6
"""Words; a longer utterance is a sentence."""
_FOUND_BY_WORDS = 0.6
_READ_IN_GENERAL = 0.5


class RulesClassifier:
    """Rules over tokens. Made once per registry and persona names; asks nobody, remembers nothing that was said."""

    name = "rules"

    def __init__(self, registry: Registry, names: Sequence[str] = ()) -> None:
        """`names`: what the persona is called, so that "hey Myca" may go before any request."""
        self._registry = registry
        self._names = frozenset(word for name in names for word in tokens(name))
        self._learn(tuple(registry))

    def _learn(self, tools: tuple[Tool, ...]) -> None:
        self._tools = tools
        # Of two phrases that fit alike, that of the tool added last is meant: who adds one that does the same wants it used.
        self._templates = [Template(tool, text) for tool in reversed(tools) for text in tool.templates]
        self._vocabulary = frozenset(word for template in self._templates for word in template.content)
        self._heard: dict[str, frozenset[str]] = {}
        self._action_words = {tool.name: action_words(tool) for tool in tools}
        self._finder = Finder(tools)
        self._reader = Reader(self._finder.nouns, self._names)
        words = THINGS | self._vocabulary | self._finder.nouns | frozenset(word for verb in VERBS for word in verb.split())
        # "Have the server shut down": a verb of two words is not its noun in two pieces.
        self._compounds = words - {"shutdown", "poweroff"}
        self._catching = self._registry.catching

    def _know_the_tools(self) -> None:
        """Learns anew when a provider's tools were replaced while the talk goes on."""
        tools = tuple(self._registry)
        if len(tools) != len(self._tools) or any(new is not old for new, old in zip(tools, self._tools, strict=True)):
            self._learn(tools)

    async def classify(self, text: str, pending: str | None) -> Intent:
        if len(text) > MAX_TEXT:
            return CHITCHAT
        self._know_the_tools()
        if pending is not None:
            reply = read_reply(text, self.action_words(pending))
            if reply is not None:
                return Intent("abort", pending) if reply == "abort" else Intent("confirm", pending)
        found = [intent for sentence in sentences(text) if (intent := self._sentence(sentence, text)) is not None]
        return _most_dangerous(found) if found else CHITCHAT

    def action_words(self, tool_name: str) -> frozenset[str]:
        """The words that name a tool, known or not."""
        known = self._action_words.get(tool_name)
        return self._names | (known if known is not None else action_words(named_tool(tool_name)))

    def _sentence(self, sentence: str, utterance: str) -> Intent | None:
        said = corrected(mended(tokens(sentence), self._compounds), self._reader.begins_order)
        if not said:
            return None
        whole = self._clause(said, utterance)
        parts = [part.split() for part in _JOINT.split(" ".join(said))]
        if len(parts) == 1:
            return whole
        # "Close my account and delete everything": every part that is an order by itself counts for how dangerous the whole is.
        orders = (
            [self._clause(part, utterance) for part in parts if self._reader.begins_order(part)]
            if whole or self._denied(parts[0]) or base(parts[0][0])
            else []
        )
        found = [intent for intent in (whole, *orders) if intent is not None]
        return _most_dangerous(found, first=True) if found else None

    def _denied(self, said: Sequence[str]) -> bool:
        return said[:2] == ["do", "not"]

    def _clause(self, said: list[str], utterance: str) -> Intent | None:
        order = self._reader.read(said)
        named = self._named(said) if order is None or order.tier == "read" or order.verb in _ALSO_NOUNS else None
        if named is not None:
            return named
        asked = self._question(said)
        match = self._match(said, bare=order is not None or asked is not None)
        if match is not None and match.tool.tier != "read" and order is None and self._reader.is_talk(said):
            match = None
        if match is not None and (order is None or order.tier != "destructive" or match.tool.tier != "read"):
            tool = self._finder.instead_of(match.tool)
            arguments = match.arguments if tool is match.tool else arguments_of(tool, said)
            return _intent(tool, arguments, 1 - match.cost / 2, order)
        if order is not None and (order.tier != "read" or asked is not None or _looks_up(order)):
            return self._ordered(order, utterance)
        bare = self._reader.without_tail(self._reader.without_lead(" ".join(said))[0]).split()
        if asked is None and names_live(bare):
            return self._asked(bare, utterance) or self._caught("query", None, utterance)
        return self._asked(asked, utterance) if asked is not None else None

    def _named(self, said: list[str]) -> Intent | None:
        """A reading tool that is named and nothing more."""
        text, asked = self._reader.without_lead(" ".join(said))
        words = self._reader.without_tail(text).split()
        if asked or len(words) > _NAMES_WITHIN or set(words) & SPEAKS or words[:1] in (["a"], ["an"]):
            return None
        tool = self._finder.names(words, politely="please" in said)
        return None if tool is None else _intent(tool, arguments_of(tool, words), _FOUND_BY_WORDS, None)

    def _ordered(self, order: Order, utterance: str) -> Intent:
        tool = self._finder.for_order(order)
        if tool is not None:
            return _intent(tool, arguments_of(tool, order.object, order.action), _FOUND_BY_WORDS, order)
        return self._caught("query" if order.tier == "read" else "command", order, utterance)

    def _caught(self, kind: Any, order: Order | None, utterance: str) -> Intent:
        """What no tool answers to by name goes to the one that catches, with the user's own words; to none where there is no such tool."""
        tier = order.tier if order is not None else "read"
        tool = self._catching
        if tool is None or tool.message_argument is None:
            return Intent(kind, confidence=_READ_IN_GENERAL, tier=tier)
        return Intent(kind, tool.name, {tool.message_argument: utterance}, _READ_IN_GENERAL, tier=tier)

    def _question(self, said: Sequence[str]) -> list[str] | None:
        text, _asked = self._reader.without_lead(" ".join(said))
        return question_words(plainly(text))

    def _asked(self, words: list[str], utterance: str) -> Intent | None:
        tool = self._finder.for_question(words) or (self._finder.named_in(words) if in_some_state(words) else None)
        if tool is not None:
            return _intent(tool, arguments_of(tool, words), _FOUND_BY_WORDS, None)
        return self._caught("query", None, utterance) if is_live(words) else None

    def _match(self, said: list[str], *, bare: bool) -> Match | None:
        """The phrase that fits best. `bare`: `said` asks for something whatever its greetings and its politeness, so they may go."""
        plain = plainly(self._reader.without_tail(self._reader.without_lead(" ".join(said))[0])).split() if bare else []
        starts = [said]
        while (shorter := self._without_lead(starts[-1])) is not None:
            starts.append(shorter)
        if plain and plain not in starts:
            starts.append(plain)
        there = frozenset().union(*(self._near(word) for word in {*said, *plain}))
        there |= {whole for start in (said, plain) for whole in map("".join, pairwise(start)) if whole in self._vocabulary}
        templates = [template for template in self._templates if template.content <= there]
        for start in starts:
            found = [match for template in templates if (match := template.match(start)) is not None]
            if found:
                return min(found, key=lambda match: (match.cost, -match.literals))
        return None

    def _near(self, word: str) -> frozenset[str]:
        """The words of the phrases that `word` can be, however it was heard."""
        near = self._heard.get(word)
        if near is None:
            near = frozenset(known for known in self._vocabulary if abs(len(known) - len(word)) <= 2 and close(word, known))
            if len(self._heard) < _REMEMBERED:
                self._heard[word] = near
        return near

    def _without_lead(self, said: list[str]) -> list[str] | None:
        if len(said) > 1 and (said[0] in FILLERS or said[0] in self._names):
            return said[1:]
        for request in _REQUESTS:
            if len(said) > len(request) and tuple(said[: len(request)]) == request:
                return said[len(request) :]
        return None


def _looks_up(order: Order) -> bool:
    """Whether an order to look something up says so by itself; "tell me" asks for stories, too."""
    return order.verb not in ("tell", "give") and not {"you", "your", "yourself"} & set(order.object)


def _intent(tool: Tool, arguments: Mapping[str, Any], confidence: float, order: Order | None) -> Intent:
    """What is asked of `tool`, as dangerous as the tool or the words, whichever is worse."""
    tier = max(tool.tier, order.tier if order is not None else "read", key=by_danger)
    return Intent("query" if tool.tier == "read" else "command", tool.name, arguments, confidence, tier=tier)


def _most_dangerous(found: Sequence[Intent], *, first: bool = False) -> Intent:
    """Of several orders in one utterance the most dangerous one is acted on; of equals the last, which is what the user ended with."""
    ordered = found if first else list(reversed(found))
    return max(ordered, key=lambda intent: by_danger(intent.tier or "read"))
