"""How arguments are spoken when their tool does not say so itself: by their schema, and where that says only "string", by their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.bridge.concepts import NO_CONTENT
from workbench.bridge.expression import parse, written
from workbench.bridge.lexicon import THINGS
from workbench.bridge.numbers import read_number, say_number
from workbench.bridge.schema import simple
from workbench.bridge.tool import Slot, SlotValue, Tool
from workbench.bridge.words import close, tokens, word_set

_FREE_TEXT_WORDS = 8
_SURE_WORDS = 3
"""A longer free text is ever less likely to be an argument, and more a sentence that only begins like a request."""
_SENTENCES = word_set("message text body content note title subject query question request prompt description reason comment saying")
"""Names of arguments that hold what somebody wants said, so that any words fit."""
_TALK = word_set("i you he she they we is are was were did would like should who why because said says")
"""Words that make a free text a sentence."""
_SOUNDS_LIKE = {"to": 2, "too": 2, "for": 4, "fore": 4, "ate": 8, "won": 1, "tree": 3, "tin": 10, "sex": 6}
_UNITS = word_set("second seconds minute minutes hour hours day days week weeks month months sec secs min mins")
_DAYS = word_set(
    "today tomorrow tonight yesterday monday tuesday wednesday thursday friday saturday sunday mondays weekend week month morning "
    "afternoon evening "
    "night noon midnight january february march april may june july august september october november december"
)
_BETWEEN = word_set(
    "the this next on in at coming and a half of an for to past quarter o clock oclock am pm a m p later around about now right last"
)


def slot_of(tool: Tool, name: str) -> Slot:
    """The slot of the argument `name`: the tool's own, else one of the vocabulary, the number or the text its schema allows."""
    own = tool.slots.get(name)
    if own is not None:
        return own
    schema = simple(tool.properties[name], tool.parameters)
    if "enum" in schema:
        return vocabulary({str(value): value for value in schema["enum"]})
    if schema.get("type") in ("integer", "number"):
        return Slot(_number, tuple(say_number(value) for value in range(1, 21)), max_words=8)
    return _BY_NAME.get(_last_word(name), _FREE_TEXT if _last_word(name) not in _SENTENCES else _SENTENCE)


def is_moment(words: Sequence[str]) -> bool:
    """Whether words are a day or a time of day, and nothing else."""
    return bool(words) and _moment(words) is not None


def is_free_text(tool: Tool, name: str) -> bool:
    """Whether any words can be the argument `name`."""
    return slot_of(tool, name) in (_FREE_TEXT, _SENTENCE)


def is_sentence(tool: Tool, name: str) -> bool:
    """Whether the argument `name` holds what somebody wants said or written."""
    return slot_of(tool, name) is _SENTENCE


def vocabulary(values: Mapping[str, Any]) -> Slot:
    """A slot for a closed list: spoken form to value. A misheard word is a guess."""
    known = {tuple(tokens(spoken)): value for spoken, value in values.items()}

    def parse_one(words: Sequence[str]) -> SlotValue | None:
        said = tuple(words)
        if said in known:
            return SlotValue(known[said])
        near = [
            value
            for spoken, value in known.items()
            if len(spoken) == len(said) and all(close(a, b) for a, b in zip(said, spoken, strict=True))
        ]
        return SlotValue(near[0], cost=0.5) if len(near) == 1 else None

    return Slot(parse_one, tuple(values), max(map(len, known)))


def _last_word(name: str) -> str:
    words = tokens(name.replace("_", " "))
    return words[-1] if words else ""


def _number(words: Sequence[str]) -> SlotValue | None:
    if len(words) == 1 and words[0] in _SOUNDS_LIKE:
        return SlotValue(_SOUNDS_LIKE[words[0]], cost=0.4)
    read = read_number(words)
    if read is None or read[1] != len(words):
        return None
    value, _end = read
    return SlotValue(int(value) if value.denominator == 1 else float(value))


def _free_text(words: Sequence[str]) -> SlotValue | None:
    if any(word in _TALK for word in words):
        return None
    return SlotValue(" ".join(words), cost=0.1 * max(0, len(words) - _SURE_WORDS))


def _sentence(words: Sequence[str]) -> SlotValue | None:
    return SlotValue(" ".join(words), cost=0.02 * max(0, len(words) - _SURE_WORDS))


def _expression(words: Sequence[str]) -> SlotValue | None:
    tree = parse(words)
    return None if tree is None else SlotValue(written(tree))


def _duration(words: Sequence[str]) -> SlotValue | None:
    """ "Ten minutes", "half an hour", "an hour and a half": a unit of time, and nothing that does not belong to a length of time."""
    if not any(word in _UNITS for word in words) or words[0] in ("and", "in", "for", "of"):
        return None
    counted = words[0] in ("a", "an", "half", "one") or read_number(words) is not None
    rest = [word for word in words if word not in _UNITS and word not in _BETWEEN and read_number([word]) is None]
    return SlotValue(" ".join(words)) if counted and not rest else None


def _moment(words: Sequence[str]) -> SlotValue | None:
    """ "Tomorrow", "friday afternoon", "half past seven": a day or a time of day, and nothing else."""
    known = [word in _DAYS or read_number([word]) is not None or word in ("clock", "am", "pm") for word in words]
    if not any(known) or any(not told and word not in _BETWEEN for told, word in zip(known, words, strict=True)):
        return None
    return SlotValue(" ".join(words), cost=0.1 * (words[0] in _BETWEEN))


def _place(words: Sequence[str]) -> SlotValue | None:
    bare = list(words[1:] if words[0] == "the" else words)
    if not bare or all(word in THINGS for word in bare) or any(word in NO_CONTENT or word in _TALK or not word.isalpha() for word in bare):
        return None
    return SlotValue(" ".join(bare), cost=0.1 * max(0, len(bare) - _SURE_WORDS))


_FREE_TEXT = Slot(_free_text, max_words=_FREE_TEXT_WORDS)
_SENTENCE = Slot(_sentence, max_words=3 * _FREE_TEXT_WORDS)
_NAMED = {
    ("expression", "formula", "sum", "calculation", "equation"): Slot(_expression, max_words=30),
    ("duration", "length", "timeout", "period", "minutes", "seconds"): Slot(_duration, max_words=7),
    ("day", "date", "time", "when", "moment", "deadline", "at", "start", "end"): Slot(_moment, max_words=6),
    ("place", "city", "location", "country", "town", "region", "address"): Slot(_place, max_words=4),
}
_BY_NAME = {name: slot for names, slot in _NAMED.items() for name in names}
