"""Words as a recogniser writes them: tokens, contractions, and how near two words are."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_TEXT = 2_000
"""Characters. Nobody says more in one utterance to ask for a tool; what is longer is never parsed."""

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|[-+*/^%()=]")
_SIGNS = str.maketrans({"’": "'", "‘": "'", "×": "*", "÷": "/", "−": "-", "–": "-", "—": " ", "√": " sqrt "})
_CONTRACTIONS = (
    (re.compile(r"\bcan'?t\b"), "can not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\b(do|does|did|is|are|was|were|would|could|should|have|has|had)n'?t\b"), r"\1 not"),
    (re.compile(r"\bnevermind\b"), "never mind"),
    (re.compile(r"\b(what|how|who|when|where)'?s\b"), r"\1 is"),
    (re.compile(r"\b(it|that|there|he|she)'s\b"), r"\1 is"),
    (re.compile(r"\b(what|how|who|when|where)'?re\b(?=\s)"), r"\1 are"),
    (re.compile(r"\bi'm\b|\bim\b"), "i am"),
    (re.compile(r"\bi'd\b"), "i would"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"'(ll)\b"), " will"),
    (re.compile(r"'(ve)\b"), " have"),
    (re.compile(r"\bper cent\b"), "percent"),
    (re.compile(r"'s?\b"), ""),
)  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and arithmetic signs, contractions written out, accents dropped."""
    plain = unicodedata.normalize("NFKD", text.translate(_SIGNS)).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    plain = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", plain)
    for pattern, replacement in _CONTRACTIONS:
        plain = pattern.sub(replacement, plain)
    return _TOKEN.findall(plain)


def word_set(words: str) -> frozenset[str]:
    """The words of a list written as one text."""
    return frozenset(words.split())


def phrase_list(*phrases: str) -> tuple[tuple[str, ...], ...]:
    """Phrases as tuples of words."""
    return tuple(tuple(phrase.split()) for phrase in phrases)


def sentences(text: str) -> list[str]:
    """The sentences of `text`; one, when the recogniser writes no punctuation."""
    return [part for part in _SENTENCE.split(text.strip()) if part]


@lru_cache(maxsize=16_384)
def close(said: str, meant: str) -> bool:
    """Whether `said` can be `meant` misheard: one edit in a word of 4 letters or more, two from 8 letters on."""
    if said == meant:
        return True
    room = 2 if len(meant) >= 8 else 1 if len(meant) >= 4 else 0
    if len(said) < 3 or abs(len(said) - len(meant)) > room:
        return False
    # One edit changes at most one letter on each side: a cheap way to be sure that two words are far apart.
    return len(set(said) ^ set(meant)) <= 2 * room and _distance(said, meant) <= room


def _distance(left: str, right: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        after = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, after[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            after.append(cost)
        before, row = row, after
    return row[-1]
