"""Tools found by what an order or a question is about, where none of their phrases fits word for word: by the words of their names,
descriptions, phrases and arguments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.bridge.concepts import NO_CONTENT, concept, concepts, has_content
from workbench.bridge.lexicon import NOMINAL, PARTICLES, VERBS, base
from workbench.bridge.numbers import read_number
from workbench.bridge.reading import Order
from workbench.bridge.slots import is_free_text, is_moment, is_sentence, slot_of
from workbench.bridge.tool import SLOT, Tool
from workbench.bridge.words import tokens, word_set

_SAME = {
    "reset": {"reset", "erase"}, "have": {"set", "create", "book", "start", "turn_on", "have"}, "set": {"set", "turn_up"},
    "create": {"create", "send"},
    "start": {"start", "turn_on"}, "restart": {"restart", "reboot", "start"}, "reboot": {"reboot", "shut_down", "restart"},
    "shut_down": {"shut_down", "reboot", "turn_off"},
    "turn_off": {"turn_off", "turn_on", "shut_down"}, "turn_on": {"turn_on", "turn_off"}, "stop": {"stop", "start", "cancel"},
    "cancel": {"cancel", "erase"},
    "send": {"send", "create"}, "book": {"book", "create"}, "disable": {"disable", "enable", "turn_off"}, "enable": {"enable", "disable",
    "turn_on"}, "open": {"open", "create", "close"},
    "close": {"close", "open"}, "remind": {"remind", "create", "set"},
}  # fmt: skip
"""Actions that a tool may call by another name."""
_DICTATED = re.compile(r"\b(?:saying|that says|that|about|to say)\b (.+)$")
_ENDING = word_set("erase shut_down reset reboot restart cancel close disable stop turn_off")
"""What a destructive tool can be asked to do by a verb that is not destructive itself: "cancel my order"."""
_WHICH = word_set("in for of on at about")
_DAYS = word_set("today tomorrow tonight monday tuesday wednesday thursday friday saturday sunday")
_REPORTED = word_set("status report statistics")
_APART = 0.05
_TOPIC = word_set("about regarding concerning named called")
"""What stands before them is asked for, what follows only says which."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a tool's own words say about it."""

    tool: Tool
    actions: frozenset[str]
    things: frozenset[str]
    named: frozenset[str]
    """What every one of its phrases names: without it, nobody asks for this tool."""
    words: frozenset[str]


class Finder:
    """Finds tools by their words. Made once per set of tools."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        every = [_profile(tool) for tool in tools]
        self._instead = {old.tool.name: new.tool for at, old in enumerate(every) for new in every[at + 1 :] if _supersedes(new, old)}
        self.profiles = [profile for profile in every if profile.tool.name not in self._instead]
        shared = Counter(thing for profile in self.profiles for thing in profile.things)
        self._weight = {thing: 1 / count for thing, count in shared.items()}
        self.nouns = frozenset(
            word
            for profile in self.profiles
            for word in profile.words
            if concept(word) in profile.things and (base(word) is None or word in _NOUNS)
        )

    def instead_of(self, tool: Tool) -> Tool:
        """The tool to be used where `tool` was asked for: of two that tell the same, the one added last."""
        return self._instead.get(tool.name, tool)

    def for_order(self, order: Order) -> Tool | None:
        """The one tool that does such a thing to such an object; None when there is none, or two that fit alike."""
        return self._for_order(order, _told(order)) or self._for_order(order, _told(order) | {concept(order.verb)})

    def _for_order(self, order: Order, told: frozenset[str]) -> Tool | None:
        meant = order.actions | {order.action}
        same = meant.union(*(_SAME.get(action, ()) for action in meant))
        if order.tier == "read":
            candidates = [profile for profile in self.profiles if profile.tool.tier == "read"]
            return self._best(candidates, told)
        candidates = [
            profile
            for profile in self.profiles
            if profile.tool.tier != "read"
            and (order.tier == "destructive" or profile.tool.tier == "write" or same & profile.actions & _ENDING)
            and profile.actions & same
            and (order.tier == "write" or profile.tool.tier == "destructive" or meant & profile.actions)
        ]
        exact = [profile for profile in candidates if meant & profile.actions]
        return self._best(exact, told, 0.3) or self._best(candidates, told, 0.3)

    def for_question(self, words: Sequence[str]) -> Tool | None:
        """The one reading tool that such a question is about."""
        reads = [profile for profile in self.profiles if profile.tool.tier == "read"]
        topic = next((at for at, word in enumerate(words) if word in _TOPIC), len(words))
        told, all_told = concepts(tuple(words[:topic])), concepts(tuple(words))
        found = self._best(reads, told, 0.4) or self._best(reads, all_told, 0.4)
        # "How cold is it in Cairo" is about the weather, where no tool reads that very thing.
        return found or (self._best(reads, all_told - {"temperature"} | {"weather"}, 0.4) if "temperature" in all_told else None)

    def named_in(self, words: Sequence[str]) -> Tool | None:
        """The one reading tool whose own thing is named, whatever else is said of it: "what is wrong with the server"."""
        told = concepts(tuple(words))
        found = [profile.tool for profile in self.profiles if profile.tool.tier == "read" and profile.named and profile.named <= told]
        return found[0] if len(found) == 1 else None

    def names(self, words: Sequence[str], *, politely: bool) -> Tool | None:
        """The one reading tool that is named and nothing more: "order status", "forecast for berlin". A single word names nothing by
        itself, unless something is said with it that the tool takes, or a "please"."""
        until = next((at for at, word in enumerate(words) if word in _WHICH or word in _DAYS), len(words))
        head = concepts(tuple(words[:until]))
        if not head or len(words) < 2 or _begins_order(words):
            return None
        reads = [profile for profile in self.profiles if profile.tool.tier == "read"]
        found = [profile for profile in reads if head <= profile.things or (head & _REPORTED and profile.named and profile.named <= head)]
        if len(found) != 1:
            return None
        fits = _takes(found[0], words[until:]) if until < len(words) else len(head) > 1 or politely
        return found[0].tool if fits else None

    def _best(self, candidates: Sequence[Profile], told: frozenset[str], share: float = 0.4) -> Tool | None:
        rated = []
        for profile in candidates:
            hits = told & profile.things
            weight = sum(self._weight[hit] for hit in hits)
            if hits and profile.named <= told and len(hits) / len(told) >= share and weight >= 1 / 3:
                rated.append((weight + len(hits) / len(told), profile.tool))
        rated.sort(key=lambda pair: -pair[0])
        if not rated or (len(rated) > 1 and rated[0][0] - rated[1][0] < _APART):
            return None
        return rated[0][1]


def _takes(profile: Profile, said: Sequence[str]) -> bool:
    """Whether a tool that was named takes what was said of it: a day, its own things, or what one of its phrases takes after that very
    preposition."""
    rest = [word for word in said[1:] if word not in ("the", "my", "our")] if said[0] in _WHICH else list(said)
    if not rest:
        return False
    if is_moment(rest) or all(concept(word) in profile.things or read_number([word]) is not None for word in rest):
        return True
    after = re.compile(rf"\b{said[0]} \{{(\w+)\}}")
    names = {name for template in profile.tool.templates for name in after.findall(template)}
    return any((value := slot_of(profile.tool, name).parse(rest)) is not None and value.cost == 0 for name in names)


def _begins_order(words: Sequence[str]) -> bool:
    """ "Turn on ...", "schedule a ..." and "time ten minutes", but not "order status"."""
    follows = words[1]
    return base(words[0]) is not None and (follows in PARTICLES or not has_content(follows))


def _supersedes(new: Profile, old: Profile) -> bool:
    """Whether a tool that was added later tells the same as an earlier one, and no more."""
    return new.tool.tier == old.tool.tier == "read" and bool(new.things) and new.things <= old.things


def _told(order: Order) -> frozenset[str]:
    """What an order is about. Dictated words are not: "tell the team that the backup failed" is about the team."""
    words = list(order.object)
    if order.action in ("send", "create", "remind"):
        cut = next((at for at, word in enumerate(words) if word in ("that", "saying", "about")), len(words))
        words = words[:cut]
    return concepts(tuple(words))


def _profile(tool: Tool) -> Profile:
    text = tokens(" ".join((re.sub(r"[_.\-]+", " ", tool.name), tool.description)))
    phrases = [word for template in tool.templates for word in tokens(SLOT.sub(" ", template))]
    arguments = [word for name, schema in tool.properties.items() for word in _argument_words(tool, name, schema)]
    actions = set(_actions(text)) | {action for template in tool.templates for action in _actions(tokens(SLOT.sub(" ", template)))}
    for schema in tool.properties.values():
        actions |= {action for value in schema.get("enum", ()) for action in _actions(tokens(str(value)))}
    words = frozenset([*text, *phrases, *arguments])
    things = {concept(word) for word in words if has_content(word)}
    verbs = {word for word in words if base(word) == word and tool.tier != "read"}
    said = [concepts(tuple(tokens(SLOT.sub(" ", template)))) for template in tool.templates]
    named = frozenset.intersection(*said) & things if len(said) > 1 else frozenset()
    return Profile(
        tool, frozenset(actions), frozenset(things - (verbs - _NOUNS) - PARTICLES), named if tool.tier == "read" else frozenset(), words
    )


_NOUNS = frozenset(
    [
        "order",
        "light",
        "water",
        "table",
        "book",
        "note",
        "message",
        "text",
        "timer",
        "call",
        "mail",
        "email",
        "post",
        "record",
        "list",
        "schedule",
        "backup",
        "format",
        "report",
    ]
)
"""Verbs that are as often things."""
_NOUN_CONCEPTS = frozenset(concept(noun) for noun in _NOUNS)


def _argument_words(tool: Tool, name: str, schema: Mapping[str, Any]) -> list[str]:
    # "Day" and "place" say what kind of value is taken, not what the tool is about.
    said_of = tokens(re.sub(r"[_.\-]+", " ", name)) if is_free_text(tool, name) and not is_sentence(tool, name) else []
    values = [word for value in schema.get("enum", ()) for word in tokens(str(value))]
    return [*said_of, *values]


def _actions(words: Sequence[str]) -> set[str]:
    found = set()
    for at, word in enumerate(words):
        if word in NOMINAL:
            found.add(NOMINAL[word])
        verb = base(word)
        # "Cancel my order" orders nothing, and "delete backups" backs nothing up.
        if verb is None or ((at > 0 or word != verb) and concept(word) in _NOUN_CONCEPTS):
            continue
        for size in (3, 2, 1):
            senses = VERBS.get(" ".join([verb, *words[at + 1 : at + size]]))
            if senses:
                found |= {sense.action for sense in senses}
                break
        for particle in ("on", "off", "up", "down"):
            if particle in words[at + 1 : at + 6] and (senses := VERBS.get(f"{verb} {particle}")):
                found |= {sense.action for sense in senses}
    return found


def arguments_of(tool: Tool, words: Sequence[str], action: str = "") -> dict[str, Any]:
    """What `words` say of the arguments of `tool`: values of a closed list and numbers wherever they stand, dictated text after "that" or
    "saying", and else what no other argument and no word of the tool explains."""
    found: dict[str, Any] = {}
    left = list(words)
    dictated = _DICTATED.search(" ".join(words))
    free = [name for name in tool.properties if is_free_text(tool, name)]
    text_name = next((name for name in free if is_sentence(tool, name)), None)
    if dictated and text_name is not None:
        found[text_name] = dictated[1]
        left = " ".join(words)[: dictated.start()].split()
    for name in tool.properties:
        if name in found or name in free:
            continue
        slot = slot_of(tool, name)
        spans = sorted(
            ((end - at, at, end) for at in range(len(left)) for end in range(at + 1, min(len(left), at + slot.max_words) + 1)), reverse=True
        )
        for _length, at, end in spans:
            value = slot.parse(left[at:end])
            if value is not None and value.cost < 0.5:
                found[name] = value.value
                left = [*left[:at], "|", *left[end:]]
                break
    _enum_from_action(tool, action, found)
    own = {concept(word) for word in tokens(" ".join((tool.name.replace("_", " "), tool.description)))}
    runs = _runs(left, own)
    for name in free:
        if name not in found and runs and (name != text_name or name in tool.required):
            found[name] = runs.pop(0)
    return found


def _enum_from_action(tool: Tool, action: str, found: dict[str, Any]) -> None:
    for name, schema in tool.properties.items():
        if name in found or not action:
            continue
        for value in schema.get("enum", ()):
            spoken = str(value).lower().replace(" ", "_")
            if action in (spoken, f"turn_{spoken}"):
                found[name] = value


def _runs(words: Sequence[str], own: set[str]) -> list[str]:
    """The runs of words that neither the tool's own words nor small words explain."""
    runs: list[list[str]] = [[]]
    for word in words:
        if word == "|" or word in NO_CONTENT or concept(word) in own:
            runs.append([])
        else:
            runs[-1].append(word)
    return [" ".join(run) for run in runs if run]
