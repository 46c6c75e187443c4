"""A persona's prompt as a small store of facts in the first person, searched by the words that a question shares with them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 0.5
"""Share of a question's weight that a fact must cover to be an answer."""
ALIKE = 0.9
"""A second fact is told too when it covers this share of what the best one covers,"""
AS_CLOSE = 0.6
"""and is about the question to this share of how much the best one is."""
HINT = 0.3
"""What a fact gains when it holds the sort of thing that was asked for (a place, a time)."""


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_STOP = _set(
    "a about all an and any are as at be been but by can could describe did do does explain for from had has have he her here him his how",
    "i if in into is it its just know let like may me mine more my no not of off ok okay on one or our out own please say she should show",
    "so some tell than that the their them then there these they this those to too up us want was we well were what when where which who",
    "whom why will with would yes you your yours",
)
_ALIKE_WORDS = {
    "cost": ("price", "pay", "charge", "fee", "much", "dollar"),
    "made": ("make", "create", "creator", "build", "built", "founder", "inventor", "maker"),
    "open": ("hour", "close", "shut"),
    "work": ("job", "employ", "profession"),
    "warranty": ("guarantee",),
    "doubt": ("unsure", "uncertain"),
}
_HINTS = {
    "where": re.compile(r"\b(at|near|next to|live|lives|based|located)\b|\bin [A-Z]"),
    "when": re.compile(
        r"\b(open|closed|\w+day|at (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d+)|next \w+)\b", re.IGNORECASE
    ),
}
_ORDERS = _set(
    "act address always answer ask avoid be confirm do don't explain give greet help keep let listen make never offer please provide refer",
    "refuse remember reply respond say speak stay stop talk tell use verify",
)
"""A sentence that begins with one of these tells the persona what to do; it is no fact to be told."""
_TAKES_ME = _set(
    "about against around ask asks at behind beside between by call calls for from give gives help helps interrupt let lets like made make",
    "makes near of on reach tell tells thank thanks to toward towards trust trusts upon with without",
)
_LEANS = re.compile(r"(it|they|he|she|this|that)\b", re.IGNORECASE)
"""A sentence that begins so is understood only together with the one before."""
_CALENDAR = re.compile(
    r"(mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september|october|november|december"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of the prompt, said by the persona itself."""

    text: str
    terms: frozenset[str]


class Facts:
    """Raises nothing; a prompt without a fact is an empty store."""

    def __init__(self, prompt: str) -> None:
        self.facts: list[Fact] = []
        for sentence in _sentences(prompt):
            text = first_person(sentence)
            terms = frozenset(_terms(_words(text)))
            if _LEANS.match(text) and self.facts:
                terms |= self.facts[-1].terms
            self.facts.append(Fact(text, terms))
        count = Counter(term for fact in self.facts for term in fact.terms)
        self._weights = {term: math.log(1 + len(self.facts) / times) for term, times in count.items()}

    def find(self, pattern: str) -> list[str]:
        """The facts in which the regular expression `pattern` is found, in the prompt's order."""
        return [fact.text for fact in self.facts if re.search(pattern, fact.text, re.IGNORECASE)]

    def answer(self, question: str) -> list[str]:
        """At most two sentences that cover the question's words, or none. A word counts by its rarity in the prompt (idf)."""
        words = self._joined(_words(question))
        asked = frozenset(_terms(words))
        unknown = math.log(1 + len(self.facts))
        whole = sum(self._weights.get(term, unknown) for term in asked)
        if not asked or not whole:
            return []
        hint = next((_HINTS[word] for word in words if word in _HINTS), None)
        found: list[tuple[float, float, int]] = []
        for number, fact in enumerate(self.facts):
            shared = sum(self._weights[term] for term in asked & fact.terms)
            if shared >= ENOUGH * whole - 1e-9:
                fits = HINT if hint is not None and hint.search(fact.text) else 0.0
                found.append((shared / whole + fits, shared / sum(self._weights[term] for term in fact.terms), -number))
        found.sort(reverse=True)
        chosen = [-number for score, density, number in found[:2] if score >= ALIKE * found[0][0] and density >= AS_CLOSE * found[0][1]]
        if chosen and chosen[0] > 0 and _LEANS.match(self.facts[chosen[0]].text):
            chosen = [chosen[0] - 1, chosen[0]]
        elif len(chosen) == 2 and _LEANS.match(self.facts[chosen[1]].text):
            chosen.pop()
        return [self.facts[number].text for number in sorted(chosen)]

    def topics(self, without: str, limit: int = 3) -> list[str]:
        """The names that the facts are about, the most frequent first; `without`: the persona's own."""
        own = set(_words(without))
        count: Counter[str] = Counter()
        for fact in self.facts:
            words = re.findall(r"[^\W_][\w-]*", fact.text)
            if own & set(_words(fact.text)) or _stem("name") in fact.terms:
                continue
            count.update(
                word
                for place, word in enumerate(words)
                if ((place and word[0].isupper() and word != "I") or re.search(r"[A-Z]{2}|[a-z][A-Z]|[A-Za-z]\d", word))
                and not _CALENDAR.fullmatch(word.casefold())
            )
        return [word for word, _times in count.most_common(limit)]

    def _joined(self, words: Sequence[str]) -> list[str]:
        """A name that a recogniser heard as two words ("nature os") is put together where the prompt has it as one."""
        joined: list[str] = []
        for word in words:
            if joined and _stem(joined[-1] + word) in self._weights:
                joined[-1] += word
            else:
                joined.append(word)
        return joined


def first_person(sentence: str) -> str:
    """ "You are Ada and your work is fun" as Ada would say it: "I am Ada and my work is fun"."""

    def swap(match: re.Match[str]) -> str:
        said = match[0].casefold()
        before = re.findall(r"[\w']+|[,;:.]", sentence[: match.start()].casefold())
        last = not re.search(r"\w", sentence[match.end() :])
        if said == "you":
            mine = "me" if before and (before[-1] in _TAKES_ME or last) else "I"
        else:
            mine = _MINE[" ".join(said.replace("’", "'").split())]
        at_start = not before
        return mine[0].upper() + mine[1:] if at_start else mine

    return re.sub(
        r"\b(?:you\s+are|you\s+were|are\s+you|you['’](?:re|ve|ll)|yourself|yours|your|you)\b", swap, sentence, flags=re.IGNORECASE
    )


_MINE = {
    "you are": "I am",
    "you were": "I was",
    "are you": "am I",
    "you're": "I'm",
    "you've": "I've",
    "you'll": "I'll",
    "yourself": "myself",
    "yours": "mine",
    "your": "my",
}


def _sentences(prompt: str) -> list[str]:
    text = re.sub(r"\b(information|facts)\s*:", " ", " ".join(prompt.split()), flags=re.IGNORECASE)
    found = re.split(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])", text.strip())
    return [sentence for sentence in found if sentence and sentence.split()[0].casefold().strip(",") not in _ORDERS]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"['’](s|re|ve|ll|d|m)\b", r" ", text.casefold()))


def _terms(words: Sequence[str]) -> list[str]:
    return [_SAME.get(stem, stem) for word in words if word not in _STOP and (stem := _stem(word))]


def _stem(word: str) -> str:
    """A light stem: the endings of plural, past, -ing and -ation forms and a silent e are taken off."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ation", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            if ending in ("ing", "ed") and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word


_SAME = {_stem(other): _stem(word) for word, others in _ALIKE_WORDS.items() for other in others}
