"""The short form of a result that is said aloud: at most two sentences, plain words; units, dates, times and signs written out.

Whole numbers stay digits: every voice reads them. What voices differ on, or stumble over, is written as words.
"""

from __future__ import annotations

import re
from fractions import Fraction

from workbench.bridge.numbers import DECIMALS
from workbench.bridge.spoken_time import dates_and_times_said

MAX_SENTENCES = 2
MAX_WORDS = 45

_UNITS = {
    "%": "percent", "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "°": "degrees", "km/h": "kilometers per hour", "km": "kilometers",
    "m": "meters", "cm": "centimeters", "mm": "millimeters", "kg": "kilograms", "g": "grams", "l": "liters", "ml": "milliliters",
    "ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", "GB": "gigabytes", "MB": "megabytes", "kB": "kilobytes",
    "kHz": "kilohertz", "Hz": "hertz", "hPa": "hectopascals", "ppm": "parts per million", "€": "euros", "$": "dollars", "W": "watts",
}  # fmt: skip
_UNIT = re.compile(r"(?<=\d)\s?(" + "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True)) + r")(?![A-Za-z0-9/])")
_MONEY = re.compile(r"([€$])\s?(\d[\d,.]*\d|\d)")
_MARKUP = re.compile(r"<[^<>]{0,500}>|[*_`#|\[\]{}<>]+|[\x00-\x08\x0b-\x1f\x7f]")
_LINK = re.compile(r"\b(?:https?|ftp|file)://\S+|\bwww\.\S+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_ITEM = re.compile(r"[ \t]*(?:[-*\u2022\u2013]|\d{1,2}[.)])[ \t]+(\S.*)")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_RANGE = re.compile(r"(?<=\d)\s?\u2013\s?(?=\d)")
_NEGATIVE = re.compile(r"(?<![\w.)\-])[-\u2212](?=\d)")
_DECIMAL = re.compile(r"(?<![\w.,])(\d{1,15})\.(\d{1,40})(?![\w.]*\.?\d|\w)")


def short_form(text: str) -> str:
    """What is said of `text`. Markup goes, a link is called a link, and what is left over is for the card."""
    plain = _listed(_LINK.sub("a link", text[:4_000]))
    plain = dates_and_times_said(_MARKUP.sub(" ", plain))
    plain = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), plain)
    plain = _NEGATIVE.sub("minus ", _RANGE.sub(" to ", plain))
    plain = _MONEY.sub(_money, plain)
    plain = _UNIT.sub(lambda found: f" {_UNITS[found[1]]}", plain)
    plain = _DECIMAL.sub(_decimal, plain)
    sentences = _SENTENCE.split(" ".join(plain.split()))[:MAX_SENTENCES]
    words = " ".join(sentences).split()
    if len(words) <= MAX_WORDS:
        return " ".join(words)
    return " ".join(words[:MAX_WORDS]).rstrip(",;:") + ", and more on the screen."


def _listed(text: str) -> str:
    """Items of a list, one a line, as one enumeration: "one, two and three."."""
    lines: list[str] = []
    items: list[str] = []
    for line in [*text.splitlines(), ""]:
        item = _ITEM.fullmatch(line)
        if item is not None:
            items.append(item[1].strip().rstrip(".,;"))
            continue
        if items:
            lines.append(f"{', '.join(items[:-1])} and {items[-1]}." if len(items) > 1 else f"{items[0]}.")
            items = []
        lines.append(line)
    return "\n".join(lines)


def _money(found: re.Match[str]) -> str:
    whole, point, cents = found[2].partition(".")
    unit = _UNITS[found[1]]
    return f"{whole} {unit} {cents}" if point and len(cents) == 2 and cents != "00" else f"{found[2].removesuffix('.00')} {unit}"


def _decimal(found: re.Match[str]) -> str:
    """Rounded to what is said of a number at most, one digit after the other: 3.14159 is "3 point 1 4 1 6"."""
    value = round(Fraction(found[0]), DECIMALS)
    whole, rest = divmod(value, 1)
    kept = found[2] if len(found[2]) <= DECIMALS else str(int(rest * 10**DECIMALS)).zfill(DECIMALS).rstrip("0")
    return f"{int(whole)} point {' '.join(kept)}" if kept else str(int(whole))
