"""How arguments are spoken when their tool does not say so itself: by their schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.bridge.numbers import read_number, say_number
from workbench.bridge.schema import simple
from workbench.bridge.tool import Slot, SlotValue, Tool
from workbench.bridge.words import close, tokens

_FREE_TEXT_WORDS = 8
_SURE_WORDS = 3
"""A longer free text is ever less likely to be an argument, and more a sentence that only begins like a request."""


def slot_of(tool: Tool, name: str) -> Slot:
    """The slot of the argument `name`: the tool's own, else one of the vocabulary, the number or the free text its schema allows."""
    own = tool.slots.get(name)
    if own is not None:
        return own
    schema = simple(tool.properties[name], tool.parameters)
    if "enum" in schema:
        return vocabulary({str(value): value for value in schema["enum"]})
    if schema.get("type") in ("integer", "number"):
        return Slot(_number, tuple(say_number(value) for value in range(1, 21)), max_words=8)
    return Slot(_free_text, max_words=_FREE_TEXT_WORDS)


def vocabulary(values: Mapping[str, Any]) -> Slot:
    """A slot for a closed list: spoken form to value. A misheard word is a guess."""
    known = {tuple(tokens(spoken)): value for spoken, value in values.items()}

    def parse(words: Sequence[str]) -> SlotValue | None:
        said = tuple(words)
        if said in known:
            return SlotValue(known[said])
        near = [
            value
            for spoken, value in known.items()
            if len(spoken) == len(said) and all(close(a, b) for a, b in zip(said, spoken, strict=True))
        ]
        return SlotValue(near[0], cost=0.5) if len(near) == 1 else None

    return Slot(parse, tuple(values), max(map(len, known)))


def _number(words: Sequence[str]) -> SlotValue | None:
    read = read_number(words)
    if read is None or read[1] != len(words):
        return None
    value, _end = read
    return SlotValue(int(value) if value.denominator == 1 else float(value))


def _free_text(words: Sequence[str]) -> SlotValue | None:
    return SlotValue(" ".join(words), cost=0.1 * max(0, len(words) - _SURE_WORDS))
