"""Numbers as people say them, read and spoken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from workbench.bridge.words import phrase_list

_ONES, _TENS = phrase_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "twenty thirty forty fifty sixty seventy eighty ninety",
)
_SCALES = {"thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SMALL = {word: value for value, word in enumerate(_ONES)}
_TENFOLD = {word: 20 + 10 * index for index, word in enumerate(_TENS)} | {"fourty": 40}
_DIGITS = {word: str(value) for value, word in enumerate(_ONES[:10])} | {"oh": "0", "o": "0"}

_WRITTEN = re.compile(r"\d+(\.\d+)?")

MAX_DIGITS = 15
"""Digits of a written number that are taken."""
DECIMALS = 4
"""Decimals that are spoken."""


def read_number(words: Sequence[str], start: int = 0) -> tuple[Fraction, int] | None:
    """The number that begins at `words[start]`, and where it ends. None when none begins there."""
    if start >= len(words):
        return None
    if words[start] in ("minus", "negative", "-"):
        read = _read_positive(words, start + 1)
        return None if read is None else (-read[0], read[1])
    return _read_positive(words, start)


def _read_positive(words: Sequence[str], start: int) -> tuple[Fraction, int] | None:
    if start >= len(words):
        return None
    if _WRITTEN.fullmatch(words[start]):
        if len(words[start]) > MAX_DIGITS + 1:
            return None
        value, at = Fraction(words[start]), start + 1
        while at < len(words) and words[at] in _SCALES:
            value, at = value * _SCALES[words[at]], at + 1
        return value, at
    whole = _read_whole(words, start)
    if whole is None:
        return None
    value, at = Fraction(whole[0]), whole[1]
    if at < len(words) and words[at] == "point":
        digits = ""
        after = at + 1
        while after < len(words) and words[after] in _DIGITS and len(digits) < MAX_DIGITS:
            digits, after = digits + _DIGITS[words[after]], after + 1
        if digits:
            return value + Fraction(int(digits), 10 ** len(digits)), after
    return value, at


def _read_whole(words: Sequence[str], start: int) -> tuple[int, int] | None:
    total, at, last_scale = 0, start, 10**15
    if words[at] == "a" and at + 1 < len(words) and words[at + 1] in ("hundred", *_SCALES):
        words = [*words[:at], "one", *words[at + 1 :]]
    while (group := _read_hundreds(words, at)) is not None:
        value, after = group
        scale = _SCALES.get(words[after], 0) if after < len(words) else 0
        if not 0 < scale < last_scale:
            return total + value, after
        total, at, last_scale = total + value * scale, after + 1, scale
        if at < len(words) and words[at] == "and" and _read_hundreds(words, at + 1) is not None:
            at += 1
    return None if at == start else (total, at)


def _read_hundreds(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """A number below 1,000: "three hundred and five", "forty two", "seven"."""
    read = _read_tens(words, start)
    if read is None:
        return None
    value, at = read
    if at < len(words) and words[at] == "hundred" and 0 < value < 100:
        value, at = value * 100, at + 1
        joint = at + 1 if at < len(words) and words[at] == "and" else at
        rest = _read_tens(words, joint)
        if rest is not None:
            return value + rest[0], rest[1]
    return value, at


def _read_tens(words: Sequence[str], start: int) -> tuple[int, int] | None:
    if start >= len(words):
        return None
    word = words[start]
    if word in _TENFOLD:
        unit = _SMALL.get(words[start + 1], 0) if start + 1 < len(words) else 0
        return (_TENFOLD[word] + unit, start + 2) if 0 < unit < 10 else (_TENFOLD[word], start + 1)
    return (_SMALL[word], start + 1) if word in _SMALL else None


def say_number(value: Fraction | int) -> str:
    """A number in words, rounded to 4 decimals: -3.5 is "minus three point five". Raises OverflowError from 10^15 on."""
    rounded = round(Fraction(value), DECIMALS)
    if abs(rounded) >= 10**15:
        raise OverflowError(f"{float(rounded):.3g} has too many digits to be said")
    sign = "minus " if rounded < 0 else ""
    whole, rest = divmod(abs(rounded), 1)
    said = sign + _say_whole(int(whole))
    if rest:
        digits = str(int(rest * 10**DECIMALS)).zfill(DECIMALS).rstrip("0")
        said += " point " + " ".join(_ONES[int(digit)] for digit in digits)
    return said


def _say_whole(value: int) -> str:
    for word, scale in reversed(_SCALES.items()):
        if value >= scale:
            high, low = divmod(value, scale)
            return f"{_say_whole(high)} {word}" + (f" {_say_whole(low)}" if low else "")
    if value >= 100:
        high, low = divmod(value, 100)
        return f"{_ONES[high]} hundred" + (f" {_say_whole(low)}" if low else "")
    if value >= 20:
        high, low = divmod(value, 10)
        return _TENS[high - 2] + (f" {_ONES[low]}" if low else "")
    return _ONES[value]
