"""The short form of a result that is said aloud: at most two sentences, plain words, units written out."""

from __future__ import annotations

import re

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


def short_form(text: str) -> str:
    """What is said of `text`. Markup goes, a link is called a link, and what is left over is for the card."""
    plain = _LINK.sub("a link", text[:4_000])
    plain = _MARKUP.sub(" ", plain)
    plain = _MONEY.sub(lambda found: f"{found[2]} {_UNITS[found[1]]}", plain)
    plain = _UNIT.sub(lambda found: f" {_UNITS[found[1]]}", plain)
    sentences = _SENTENCE.split(" ".join(plain.split()))[:MAX_SENTENCES]
    words = " ".join(sentences).split()
    if len(words) <= MAX_WORDS:
        return " ".join(words)
    return " ".join(words[:MAX_WORDS]).rstrip(",;:") + ", and more on the screen."
