"""Results of tools cut to a size that a row, a card and a page can bear."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 12
NOTE = "_cut"
_MIN_ROOM = 32


def cut(data: Mapping[str, Any], max_bytes: int, *, text: Callable[[str], str] = str) -> dict[str, Any]:
    """`data` as plain JSON of at most `max_bytes` and about a hundred more for a note of what was left out, under `NOTE`. Every text
    goes through `text`. Values that are no JSON become text, NaN and infinity null. Never raises; one pass, whatever the size."""
    cutter = _Cutter(max_bytes, text)
    made = cutter.value(data, 0)
    plain: dict[str, Any] = made if isinstance(made, dict) else {"value": made}
    if cutter.left_out:
        plain[NOTE] = (
            f"the result was larger than {max_bytes} bytes or {MAX_DEPTH} levels; {cutter.left_out} parts were left out or shortened"
        )
    return plain


class _Cutter:
    def __init__(self, max_bytes: int, text: Callable[[str], str]) -> None:
        self.left_out = 0
        self._room = max_bytes
        self._text = text

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._string(value)
        if value is None or isinstance(value, bool):
            return self._taken(value, 5)
        if isinstance(value, int):
            # Beyond 64 bits no reader of JSON is sure to get the same number; beyond some thousand digits Python itself refuses.
            return self._taken(value, 21) if -(2**63) <= value < 2**63 else self._string(f"a number of {value.bit_length()} bits")
        if isinstance(value, float):
            return self._taken(value if math.isfinite(value) else None, 25)
        if depth >= MAX_DEPTH:
            self.left_out += 1
            return None
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._array(value, depth)
        return self._string(f"a {type(value).__name__}")

    def _object(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        self._room -= 2
        made: dict[str, Any] = {}
        for done, (key, inner) in enumerate(value.items()):
            if self._room < _MIN_ROOM:
                self.left_out += len(value) - done
                break
            name = self._string(str(key))
            self._room -= 4
            made[name] = self.value(inner, depth + 1)
        return made

    def _array(self, value: Any, depth: int) -> list[Any]:
        self._room -= 2
        made: list[Any] = []
        for done, inner in enumerate(value):
            if self._room < _MIN_ROOM:
                self.left_out += len(value) - done
                break
            self._room -= 2
            made.append(self.value(inner, depth + 1))
        return made

    def _string(self, value: str) -> str:
        # A little more than fits is looked at, so that a secret at the edge is seen whole before it is cut.
        kept = self._text(value[: max(0, self._room) + 1_000])
        size = _size(kept)
        if size > max(_MIN_ROOM, self._room) or len(value) > max(0, self._room) + 1_000:
            self.left_out += 1
            kept = _shortened(kept, max(_MIN_ROOM, self._room))
            size = _size(kept)
        self._room -= size
        return kept

    def _taken(self, value: Any, size: int) -> Any:
        self._room -= size
        return value


def _size(text: str) -> int:
    return len(json.dumps(text))


def _shortened(text: str, room: int) -> str:
    """The longest beginning that takes at most `room` bytes as JSON, ended by an ellipsis."""
    low, high = 0, min(len(text), room)
    while low < high:
        middle = (low + high + 1) // 2
        if _size(text[:middle] + "…") <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"
