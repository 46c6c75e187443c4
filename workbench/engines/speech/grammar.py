"""The closed grammar: the phrases that ask for tools, as the smallest automaton that speaks exactly them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Transition = tuple[int, int, str]
"""`(from state, to state, word)`."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_EDGES = '.,;:!?"()'
MAX_WORDS = 20
"""A longer phrase is no command."""
MAX_LETTERS = 5
"""Longest word without a pronunciation that is spelled out, letter by letter."""

Lookup = Callable[[str], str | None]
"""A word's phones (ARPABET, blanks between), or None."""


@dataclass(slots=True)
class Grammar:
    """What a recogniser needs to listen for phrases. State 0 is the start."""

    phrases: dict[str, str] = field(default_factory=dict)
    """What is spoken, in dictionary words, to the phrase as it was given."""
    pronunciations: dict[str, str] = field(default_factory=dict)
    """Phones of the words that the dictionary lacks."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Phrases that cannot be listened for, and why."""
    transitions: list[Transition] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """States in which a phrase may end."""


def build(phrases: Iterable[str], lookup: Lookup) -> Grammar:
    """The automaton of all phrases whose words can be pronounced; the others are told in `left_out`, none is an error."""
    grammar = Grammar()
    for phrase in phrases:
        words = [word.strip(_EDGES) for word in phrase.lower().split()]
        fault = _fault(words, lookup, grammar.pronunciations)
        if fault:
            grammar.left_out[phrase] = fault
        else:
            grammar.phrases.setdefault(" ".join(words), phrase)
    _fill(grammar)
    return grammar


def pronounce(word: str, lookup: Lookup) -> str | None:
    """Phones of a word that the dictionary may lack.

    In this order: the dictionary; a final `s` or `'s` on a known word (Z after a voiced sound, S after an unvoiced one, AH Z after a
    hissing one); two known words of three or more letters written as one; up to five letters spelled out. None when none of these fits.
    """
    known = lookup(word)
    if known:
        return known
    stem = re.sub(r"'?s$", "", word)
    phones = lookup(stem) if stem != word else None
    if phones:
        return f"{phones} {_plural(phones.split()[-1])}"
    for cut in range(3, len(word) - 2):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return f"{first} {second}"
    if len(word) <= MAX_LETTERS:
        letters = [_letter(letter, lookup) for letter in word if letter != "'"]
        return " ".join(letter for letter in letters if letter) if all(letters) else None
    return None


def _plural(last_phone: str) -> str:
    if last_phone in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return "AH Z"
    return "S" if last_phone in {"P", "T", "K", "F", "TH"} else "Z"


def _letter(letter: str, lookup: Lookup) -> str | None:
    # The dictionary knows "a" as the article first.
    return "EY" if letter == "a" else lookup(f"{letter}.") or lookup(letter)


def _fault(words: Sequence[str], lookup: Lookup, pronunciations: dict[str, str]) -> str | None:
    if not words or len(words) > MAX_WORDS:
        return f"it has {len(words)} words; use 1 to {MAX_WORDS}"
    for word in words:
        if not _WORD.fullmatch(word):
            return f"{word[:40]!r} is not spelled in letters; write it as it is spoken"
        phones = pronounce(word, lookup)
        if phones is None:
            return f"nobody knows how {word[:40]!r} is pronounced; use everyday words"
        if lookup(word) is None:
            pronunciations[word] = phones
    return None


class _Node:
    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.end = False


def _fill(grammar: Grammar) -> None:
    """A tree of the phrases, then equal subtrees made one (Revuz 1992): far fewer states to search than one chain per phrase."""
    root = _Node()
    for spoken in grammar.phrases:
        node = root
        for word in spoken.split():
            node = node.next.setdefault(word, _Node())
        node.end = True
    states: dict[tuple[bool, tuple[tuple[str, int], ...]], int] = {}

    def state_of(node: _Node) -> int:
        signature = node.end, tuple(sorted((word, state_of(child)) for word, child in node.next.items()))
        if signature not in states:
            states[signature] = len(states)
            grammar.transitions += [(states[signature], target, word) for word, target in signature[1]]
            if node.end:
                grammar.ends.append(states[signature])
        return states[signature]

    last = state_of(root)
    # The root comes last; the recogniser wants it first.
    grammar.transitions = [(last - source, last - target, word) for source, target, word in grammar.transitions]
    grammar.ends = [last - state for state in grammar.ends]
