"""Figures as they are said: prices, times, durations, dates, shares, telephone numbers and bare numbers, equal however they are written.

"$45", "45 dollars" and "forty five dollars" are one figure; so are "9:30 PM", "half past nine in the evening" and "nine thirty pm", and
"two weeks" and "fourteen days". A bare number agrees with a figure of any unit that has its value: "nine to six" may be hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from workbench.bridge.numbers import read_number
from workbench.bridge.words import phrase_list, tokens, word_set

Kind = Literal["money", "duration", "clock", "date", "percent", "digits", "number"]

_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
_MONEY = {"dollar": "dollar", "buck": "dollar", "euro": "euro", "pound": "pound"}
_DURATIONS = {
    "second": ("minute", Fraction(1, 60)), "minute": ("minute", Fraction(1)), "min": ("minute", Fraction(1)),
    "hour": ("minute", Fraction(60)), "day": ("day", Fraction(1)), "week": ("day", Fraction(7)), "fortnight": ("day", Fraction(14)),
    "month": ("month", Fraction(1)), "year": ("month", Fraction(12)),
}  # fmt: skip
MONTHS = word_set("january february march april may june july august september october november december")
(_ORDINAL_WORDS,) = phrase_list(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS = {word: number for number, word in enumerate(_ORDINAL_WORDS, 1)} | {"thirtieth": 30}
_DIGIT_WORDS = word_set("zero oh one two three four five six seven eight nine")
_DIGITS_AT_LEAST = 4
"""So many single digits in a row are one number read out: a telephone number, a code."""
_LONG_NUMBER = 7
"""A written number of so many digits is read out digit by digit."""
_HALVES = (
    (re.compile(r"\ban? hour and a half\b"), "90 minutes"),
    (re.compile(r"\bthree quarters of an hour\b"), "45 minutes"),
    (re.compile(r"\bhalf (?:an|a) hour\b"), "30 minutes"),
    (re.compile(r"\ba quarter of an hour\b"), "15 minutes"),
)
_AM, _PM = "am", "pm"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit, both brought to one form: money in the currency's whole unit, durations in minutes, days or months, a
    clock's time as hours and hundredths for its minutes (9:30 is 9.30, as it is said) on the twelve-hour dial."""

    value: Fraction
    unit: str
    """`dollar`, `minute`, `day`, `month`, `am`, `pm`, `clock` (either), `percent`, `digits`, the name of a month; empty for a bare one."""

    @property
    def kind(self) -> Kind:
        if self.unit in _MONEY.values():
            return "money"
        if self.unit in ("minute", "day", "month"):
            return "duration"
        if self.unit in (_AM, _PM, "clock"):
            return "clock"
        if self.unit in MONTHS:
            return "date"
        if self.unit == "percent":
            return "percent"
        return "digits" if self.unit == "digits" else "number"

    def agrees(self, other: Figure) -> bool:
        """The same figure, as far as both tell: a bare number fits any unit but a number read out, and a clock's time either half day."""
        if self.value != other.value:
            return False
        units = {self.unit, other.unit}
        if len(units) == 1:
            return True
        return ("" in units and "digits" not in units) or ("clock" in units and units <= {"clock", _AM, _PM})


def figures(text: str) -> list[Figure]:
    """The figures in `text`, in its order. "one" without a unit is a pronoun and none."""
    words = [word for word in tokens(_prepared(text)) if word not in "+-*/^()="]
    found: list[Figure] = []
    at = 0
    while at < len(words):
        read = _digits_said(words, at) or _clock_said(words, at) or _ordinal_date(words, at) or _number_said(words, at)
        if read is None:
            at += 1
            continue
        if read[0] is not None:
            found.append(read[0])
        at = read[1]
    return found


def agreeing(figure: Figure, others: Iterable[Figure]) -> bool:
    """Whether any of `others` agrees with `figure`."""
    return any(figure.agrees(other) for other in others)


_Read = tuple[Figure | None, int]
"""A figure (None: a number that is no figure) and the index after it."""


def _prepared(text: str) -> str:
    """The text with what `tokens` would lose written out: currency signs, clock times, telephone numbers, ordinals."""
    plain = re.sub(r"(?<=[A-Za-z])\d+", "", text)  # Mushroom1 is a name
    plain = re.sub(r"([$€£])\s?(\d[\d,]*(?:\.\d+)?)", lambda found: f"{found[2]} {_CURRENCIES[found[1]]}", plain)
    plain = re.sub(r"\b(\d{3})[- ](\d{3,4})(?:[- ](\d{4}))?\b", lambda found: "".join(part or "" for part in found.groups()), plain)
    plain = re.sub(r"\b(\d{1,2}):(\d{2})\b", r"\1.\2 oclock ", plain)
    plain = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", plain, flags=re.IGNORECASE)
    plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", plain, flags=re.IGNORECASE)
    plain = re.sub(r"(\d)([a-z])", r"\1 \2", plain, flags=re.IGNORECASE)
    for pattern, said in _HALVES:
        plain = pattern.sub(said, plain)
    return plain


def _digits_said(words: Sequence[str], at: int) -> _Read | None:
    end = at
    while end < len(words) and (words[end] in _DIGIT_WORDS or re.fullmatch(r"\d", words[end])):
        end += 1
    if end - at >= _DIGITS_AT_LEAST:
        digits = "".join("0" if word == "oh" else word if word.isdigit() else str(_value(word)) for word in words[at:end])
        return Figure(Fraction(digits), "digits"), end
    if re.fullmatch(rf"\d{{{_LONG_NUMBER},15}}", words[at]):
        return Figure(Fraction(words[at]), "digits"), at + 1
    return None


def _value(word: str) -> int:
    read = read_number([word])
    assert read is not None, word
    return int(read[0])


def _clock_said(words: Sequence[str], at: int) -> _Read | None:
    """ "half past nine", "quarter to ten", "twenty past six", "noon", "midnight"."""
    if words[at] in ("noon", "midday", "midnight"):
        return Figure(Fraction(12), _AM if words[at] == "midnight" else _PM), at + 1
    minutes: Fraction | None
    if words[at] in ("half", "quarter"):
        minutes, after = Fraction(30 if words[at] == "half" else 15), at + 1
    elif (read := read_number(words, at)) is not None and read[0] < 60 and read[0].denominator == 1:
        minutes, after = read
        after += after < len(words) and words[after] in ("minute", "minutes")
    else:
        return None
    if after >= len(words) or words[after] not in ("past", "to"):
        return None
    hour = read_number(words, after + 1)
    if hour is None or not 1 <= hour[0] <= 12 or hour[0].denominator != 1:
        return None
    # "nine to six" is a range of hours: before a "to" only what is said as a part of an hour belongs to the clock.
    if words[after] == "to" and words[at] != "quarter" and words[after - 1] not in ("minute", "minutes"):
        return None
    whole = hour[0] if words[after] == "past" else (hour[0] - 1 or Fraction(12))
    half, end = _half_day(words, hour[1])
    return Figure(whole + (minutes if words[after] == "past" else 60 - minutes) / 100, half or "clock"), end


def _ordinal_date(words: Sequence[str], at: int) -> _Read | None:
    """ "april twelfth", "the twelfth of april", "april the twenty first"; dates in digits are read as numbers beside a month."""
    if words[at] in MONTHS:
        start = at + 1 + (words[at + 1 : at + 2] == ["the"])
        ordinal = _ordinal(words, start)
        return None if ordinal is None else (Figure(Fraction(ordinal[0]), words[at]), ordinal[1])
    ordinal = _ordinal(words, at)
    if ordinal is None:
        return None
    month = ordinal[1] + (words[ordinal[1] : ordinal[1] + 1] == ["of"])
    return (Figure(Fraction(ordinal[0]), words[month]), month + 1) if month < len(words) and words[month] in MONTHS else None


def _ordinal(words: Sequence[str], at: int) -> tuple[int, int] | None:
    if at >= len(words):
        return None
    if words[at] in _ORDINALS:
        return _ORDINALS[words[at]], at + 1
    if words[at] in ("twenty", "thirty") and at + 1 < len(words) and _ORDINALS.get(words[at + 1], 10) < 10:
        return (20 if words[at] == "twenty" else 30) + _ORDINALS[words[at + 1]], at + 2
    return None


def _number_said(words: Sequence[str], at: int) -> _Read | None:
    read = read_number(words, at)
    if read is None:
        return None
    value, end = read
    if words[end : end + 3] == ["and", "a", "half"]:
        value, end = value + Fraction(1, 2), end + 3
    figure, after = _with_unit(words, at, value, end)
    if figure.unit or words[at].isdigit() or words[at] == "minus":
        return figure, after
    joined = _said_in_two(words, at, value, end)
    if joined is not None:
        return joined
    return (None if words[at:end] == ["one"] else figure), after


def _with_unit(words: Sequence[str], at: int, value: Fraction, end: int) -> tuple[Figure, int]:
    follows = words[end] if end < len(words) else ""
    unit = follows.removesuffix("s")
    before = words[at - 1] if at else ""
    if before in MONTHS or (before == "the" and at > 1 and words[at - 2] in MONTHS):
        return Figure(value, before if before in MONTHS else words[at - 2]), end
    month = end + (follows == "of")
    if month < len(words) and words[month] in MONTHS and value.denominator == 1 and 1 <= value <= 31:
        return Figure(value, words[month]), month + 1
    if unit in _MONEY:
        return _money(words, value, end + 1, _MONEY[unit])
    if unit == "cent":
        return Figure(value / 100, "dollar"), end + 1
    if follows in ("percent", "%"):
        return Figure(value, "percent"), end + 1
    if unit in _DURATIONS:
        name, times = _DURATIONS[unit]
        return Figure(value * times, name), end + 1
    after = end + (follows == "oclock")
    half, beyond = _half_day(words, after)
    if half or after > end:
        return _on_the_dial(value, half), beyond
    return Figure(value, ""), end


def _money(words: Sequence[str], value: Fraction, end: int, unit: str) -> tuple[Figure, int]:
    """ "nine dollars and fifty cents", "nine dollars fifty"."""
    start = end + (words[end : end + 1] == ["and"])
    cents = read_number(words, start)
    if cents is None or not 0 < cents[0] < 100 or cents[0].denominator != 1 or value.denominator != 1:
        return Figure(value, unit), end
    said = words[cents[1]].removesuffix("s") if cents[1] < len(words) else ""
    if said == "cent":
        return Figure(value + cents[0] / 100, unit), cents[1] + 1
    if start == end and cents[0] >= 10 and said not in {*_DURATIONS, *_MONEY, "percent", "%", "oclock", _AM, _PM}:
        return Figure(value + cents[0] / 100, unit), cents[1]
    return Figure(value, unit), end


def _said_in_two(words: Sequence[str], at: int, value: Fraction, end: int) -> _Read | None:
    """ "nine thirty", "nine oh five", "nine fifty": hours and minutes, or a price; what follows tells which, or it stays bare."""
    start = end + (words[end : end + 1] in (["oh"], ["o"]))
    part = read_number(words, start)
    if part is None or not 0 < value < 100 or value.denominator != 1 or part[0].denominator != 1 or words[start].isdigit():
        return None
    lowest, above = (1, 10) if start > end else (10, 100)
    return _with_unit(words, at, value + part[0] / 100, part[1]) if lowest <= part[0] < above else None


def _half_day(words: Sequence[str], at: int) -> tuple[str, int]:
    """`am`, `pm` or nothing, and the index after it."""
    if words[at : at + 1] in ([_AM], [_PM]):
        return words[at], at + 1
    if words[at : at + 2] == ["in", "the"] and words[at + 2 : at + 3] and words[at + 2] in ("morning", "afternoon", "evening"):
        return (_AM if words[at + 2] == "morning" else _PM), at + 3
    if words[at : at + 2] == ["at", "night"]:
        return _PM, at + 2
    return "", at


def _on_the_dial(value: Fraction, half: str) -> Figure:
    """A time of 13 to 24 hours brought to the twelve-hour dial."""
    if not half and 13 <= value < 24:
        return Figure(value - 12, _PM)
    if not half and value < 1:
        return Figure(value + 12, _AM)
    return Figure(value, half or "clock")
