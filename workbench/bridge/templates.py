"""A phrase template laid over an utterance, with room for what recognisers get wrong.

The whole utterance must be covered: a template is never found *inside* other words, so "the sunset was beautiful" holds no "set".
The cost of a cover is the sum of its faults: a small word left out, put in or swapped for another (0.3 or 0.4), a question word
left out (0.6), a content word misheard (0.5, see `words.close`) or heard as two (0.3), and what a slot adds for a guess. A content
word that is missing or too many cannot be covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.bridge.slots import slot_of
from workbench.bridge.tool import SLOT, Slot, Tool
from workbench.bridge.words import close, tokens, word_set

MAX_COST = 0.8
MAX_COST_OF_CHANGE = 0.5
"""Where the tool would change something."""

FILLERS = word_set(
    "um uh er erm hmm hm ah oh okay ok so well and then please now actually just right currently hey hello hi thanks also but like -"
)
"""Words that may stand anywhere without a cost."""
_ARTICLES = word_set("the a an in of at on for to my our us this that with by as")
SMALL_WORDS = _ARTICLES | word_set("is it do does did are was were be we you i me have had has there")
_QUESTION_WORDS = word_set("what how when who which where")
_SWAPS = frozenset({("and", "in"), ("an", "in"), ("on", "in"), ("under", "in")})
"""(heard, meant): words that sound alike, one of which is not a small word."""

_SMALL, _SWAP, _QUESTION, _MISHEARD, _SPLIT = 0.3, 0.4, 0.6, 0.5, 0.3
_NEVER = 9.0


@dataclass(frozen=True, slots=True)
class Match:
    """A template that covers an utterance."""

    tool: Tool
    arguments: dict[str, Any]
    cost: float
    literals: int
    """Words of the template itself; of two equal covers the one that leaves less to slots is meant."""


class Template:
    """One template of one tool, made ready for matching."""

    def __init__(self, tool: Tool, text: str) -> None:
        self.tool = tool
        self._items: list[str | tuple[str, Slot]] = []
        for index, part in enumerate(SLOT.split(text)):
            self._items += [(part, slot_of(tool, part))] if index % 2 else tokens(part)
        words = [item for item in self._items if isinstance(item, str)]
        self.content = frozenset(words) - SMALL_WORDS - _QUESTION_WORDS - FILLERS
        """Words without which the template cannot fit, however they are misheard."""
        self._literals = len(words)
        # "Did you delete all data" is no order: where something would be changed, a put-in word may not be a verb or a pronoun.
        self._extras = SMALL_WORDS if tool.tier == "read" else _ARTICLES
        self._max_cost = MAX_COST if tool.tier == "read" else MAX_COST_OF_CHANGE
        self._longest = len(words) + 3 + sum(item[1].max_words for item in self._items if not isinstance(item, str))

    def match(self, said: Sequence[str]) -> Match | None:
        """The cheapest cover of all of `said` (tokens), None when there is none within the limit."""
        spoken = sum(word not in FILLERS for word in said)
        if not spoken or spoken > self._longest:
            return None
        cost, arguments = _Cover(self._items, said, self._extras).best(0, 0)
        if cost > self._max_cost or any(name not in arguments for name in self.tool.required):
            return None
        return Match(self.tool, arguments, cost, self._literals)


class _Cover:
    """Dynamic programming over (item of the template, word of the utterance)."""

    def __init__(self, items: Sequence[str | tuple[str, Slot]], said: Sequence[str], extras: frozenset[str]) -> None:
        self._items, self._said, self._extras = items, said, extras
        self._known: dict[tuple[int, int], tuple[float, dict[str, Any]]] = {}

    def best(self, i: int, j: int) -> tuple[float, dict[str, Any]]:
        """Cost and arguments of covering `said[j:]` by `items[i:]`."""
        if (i, j) not in self._known:
            options = list(self._options(i, j))
            self._known[i, j] = min(options, key=lambda option: option[0], default=(_NEVER, {}))
        return self._known[i, j]

    def _options(self, i: int, j: int) -> list[tuple[float, dict[str, Any]]]:
        if i == len(self._items) and j == len(self._said):
            return [(0.0, {})]
        found = []
        if j < len(self._said):
            extra = 0.0 if self._said[j] in FILLERS else _SMALL if self._said[j] in self._extras else _NEVER
            if extra < _NEVER:
                found.append(self._add(extra, i, j + 1))
        if i < len(self._items):
            item = self._items[i]
            if isinstance(item, str):
                missing = _missing_cost(item)
                if missing < _NEVER:
                    found.append(self._add(missing, i + 1, j))
                if j < len(self._said) and (swapped := _swap_cost(self._said[j], item)) < _NEVER:
                    found.append(self._add(swapped, i + 1, j + 1))
                if "".join(self._said[j : j + 2]) == item != self._said[j]:
                    found.append(self._add(_SPLIT, i + 1, j + 2))
            else:
                found += self._fill(i, j, *item)
        return found

    def _add(self, cost: float, i: int, j: int) -> tuple[float, dict[str, Any]]:
        rest, arguments = self.best(i, j)
        return cost + rest, arguments

    def _fill(self, i: int, j: int, name: str, slot: Slot) -> list[tuple[float, dict[str, Any]]]:
        found = []
        for end in range(j + 1, min(len(self._said), j + slot.max_words) + 1):
            value = slot.parse(self._said[j:end])
            if value is not None:
                rest, arguments = self.best(i + 1, end)
                found.append((value.cost + rest, {name: value.value, **arguments}))
        return found


def _missing_cost(meant: str) -> float:
    if meant in FILLERS:
        return 0.0
    if meant in SMALL_WORDS:
        return _SMALL
    return _QUESTION if meant in _QUESTION_WORDS else _NEVER


def _swap_cost(said: str, meant: str) -> float:
    if said == meant:
        return 0.0
    if (said, meant) in _SWAPS or (said in SMALL_WORDS and meant in SMALL_WORDS):
        return _SWAP
    if meant in SMALL_WORDS or meant in FILLERS or said in SMALL_WORDS:
        return _NEVER
    return _MISHEARD if close(said, meant) else _NEVER
