"""An action known only by its name, and the words that a name holds."""

from __future__ import annotations

import re
from functools import lru_cache

from workbench.bridge.lexicon import VERBS, base
from workbench.bridge.tool import SLOT, Tool
from workbench.bridge.words import tokens, word_set
from workbench.events import Tier

_DANGER: dict[Tier, int] = {"read": 0, "write": 1, "destructive": 2}


def by_danger(tier: Tier) -> int:
    """Tiers as numbers, the worse the higher."""
    return _DANGER[tier]


def name_words(name: str) -> list[str]:
    """ "sendReport", "send_report" and "send-report" are "send report"."""
    return tokens(re.sub(r"[_.\-]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)))


@lru_cache(maxsize=1_024)
def named_tool(name: str) -> Tool:
    """A stand-in for a tool that is not registered: destructive if a verb of its name can be, else one that changes something."""
    words = name_words(name)
    safe = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)[:63]
    return Tool(safe if safe[:1].isalpha() else f"a{safe}", " ".join(words) or "Do it", tier="destructive" if _destroys(words) else "write")


def _destroys(words: list[str]) -> bool:
    for at, word in enumerate(words):
        verb = base(word)
        for size in (3, 2, 1):
            senses = VERBS.get(" ".join([verb or word, *words[at + 1 : at + size]]), ())
            if any(sense.tier == "destructive" and sense.wants == "any" for sense in senses):
                return True
    return False


def action_words(tool: Tool) -> frozenset[str]:
    """The words that name an action, for telling "yes, delete it" from a yes to something else: those of its name, its description and
    its phrases, and verbs for the same deed ("yes, remove it")."""
    words = [*name_words(tool.name), *tokens(tool.description), *(word for text in tool.templates for word in tokens(SLOT.sub(" ", text)))]
    actions = {sense.action for word in words for sense in VERBS.get(base(word) or "", ()) if sense.tier != "read"}
    # A name without a verb ("server_power") may mean any deed.
    deeds = [_SAME_DEED[action] for action in actions] or _SAME_DEED.values()
    return frozenset(words).union(*deeds) - _ASKS_OR_DENIES


_ASKS_OR_DENIES = word_set("what how when who why which where whether if not never no is are was does did")
"""Words of a phrase that do not belong to a yes, whatever the tool is called."""


_SAME_DEED: dict[str, set[str]] = {}
for _verb, _senses in VERBS.items():
    for _sense in _senses:
        _SAME_DEED.setdefault(_sense.action, set()).update(_verb.split())
