"""What a prompt tells that can be checked without a judge: facts with a figure or a name in them, and what the persona is told to refuse.

A fact is a sentence; its *keys* are the words by which somebody would ask for it, its *details* what an answer must hold. A sentence with
neither a figure nor a name cannot be checked so, and is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from evaluation.spoken_figures import MONTHS, Figure, Kind, agreeing, figures
from workbench.bridge.numbers import read_number
from workbench.bridge.words import sentences, tokens, word_set

ASKED = 0.5
"""Share of a sentence's weight that a fact must cover to be asked for; a word that no prompt knows weighs as much as the rarest. Of a
question only what follows its question words counts ("my chain is noisy, how much is a service"), where that names anything."""
ALIKE = 0.9
"""A further fact is asked for too when it covers this share of what the best one covers."""
REFUSED = 0.5
"""Share of a refusal's own weight that a request must hold to ask for what is to be refused."""

_LIGHT = word_set(
    "a about all also am an and any are as at be been but by can could did do does each else ever for from get give given go good got "
    "had has have he her here him his how i if in into is it its just know let like long make many may me mine more much must my need no "
    "not of off ok okay on one only or other our out own please put really say she should so some take takes tell than that the their "
    "them then there these they this those to too under up us use very want was we well were what when where which while who whom whose "
    "why will with would yes you your yours information dollar dollars euro euros pound pounds cent cents percent second seconds minute "
    "minutes hour hours day days week weeks month months year years hello hi hey morning afternoon evening thank thanks name names"
)
"""Words that carry no subject: a unit belongs to its figure, and who somebody is is asked of `identity`."""
_ALIKE_WORDS = {
    "cost": ("price", "charge", "fee", "pay", "expensive", "cheap", "rate"),
    "open": ("close", "shut"),
    "warranty": ("guarantee",),
    "mend": ("fix", "repair"),
    "make": ("made", "create", "build", "built"),
    "tyre": ("tire",),
    "work": ("job",),
}
_CONCEPTS = (
    ("address", re.compile(r"\b[Ww]here\b|\bat \d+ [A-Z]|\bnext to\b|\blocated\b|\baddress\b")),
    ("open", re.compile(r"\b(?:opening|business|shop) hours\b|\b(?:your|what|the) hours\b", re.IGNORECASE)),
)
"""Keys that a way of speaking gives, without the word itself."""
_WANTED: tuple[tuple[re.Pattern[str], frozenset[Kind | str]], ...] = (
    (re.compile(r"\bhow much\b|\bprices?\b|\bcosts?\b|\bcharges?\b|\bfees?\b|\bpay\b|\bexpensive\b"), frozenset({"money", "number"})),
    (re.compile(r"\bhow long\b|\bhow (?:soon|quickly|fast)\b"), frozenset({"duration", "number"})),
    (re.compile(r"\bwhat time\b|\bwhen\b|\bhours\b"), frozenset({"clock", "date", "duration", "number", "day"})),
    (re.compile(r"\bwhat days?\b|\bwhich days?\b"), frozenset({"day", "date"})),
    (re.compile(r"\bhow (?:many|old|far|often)\b"), frozenset({"number", "duration", "percent"})),
    (re.compile(r"\bwhere\b|\baddress\b"), frozenset({"name", "number"})),
    (re.compile(r"\bwho\b|\bwhose\b"), frozenset({"name"})),
)
"""What sort of detail a question asks for; a question of no such form asks for all."""
DAYS = word_set("monday tuesday wednesday thursday friday saturday sunday")
_NAME = re.compile(r"(?<![\w’'-])[A-Z][\w’'-]*(?:\s+[A-Z][\w’'-]*)*")
_REFUSALS = re.compile(
    r"\b(?:you (?:can ?not|can't|do not|don't|must not|never|may not|will not|won't|refuse to)|never|do not|don't|refuse to|decline to)\s+"
    r"(?P<what>[^.;:]+)",
    re.IGNORECASE,
)
_NO_OFFER = re.compile(r"^No\s+(?P<what>[^.;:,]+)")
_NOT_DONE = re.compile(r"(?:^|\bbut |\band |, )(?P<what>(?:\w+ ){1,4}?(?:is|are) (?:not|never) \w+(?:ed|en|ne|ld))\b")
_NOT_A_REQUEST = re.compile(r"^(?:know|talk down|like|dislike|mind|understand|have to|need)\b", re.IGNORECASE)
"""After "you do not": what says something of the persona, not of what it may do."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A figure, or a name (its words in lower case), that an answer must hold."""

    figure: Figure | None = None
    name: tuple[str, ...] = ()

    @property
    def sort(self) -> Kind | str:
        """The kind of the figure, `day` for a weekday, else `name`."""
        if self.figure is not None:
            return self.figure.kind
        return "day" if self.name[0].removesuffix("s") in DAYS else "name"


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of a prompt."""

    text: str
    keys: frozenset[str]
    details: tuple[Detail, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the prompt says is not done: "give refunds on the phone"."""

    text: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as it is compared: its words and its figures."""

    words: tuple[str, ...]
    figures: tuple[Figure, ...]

    def holds(self, detail: Detail) -> bool:
        """A figure that agrees, or the words of a name one after the other (a plural s may follow)."""
        if detail.figure is not None:
            return agreeing(detail.figure, self.figures)
        size = len(detail.name)
        return any(
            tuple(word.removesuffix("s") for word in self.words[at : at + size]) == tuple(part.removesuffix("s") for part in detail.name)
            for at in range(len(self.words) - size + 1)
        )


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Facts of one prompt or several, with the weight of each key: ln(1 + facts / facts with the key), as in idf."""

    facts: tuple[Fact, ...]
    refusals: tuple[Refusal, ...]
    weights: dict[str, float] = field(default_factory=dict)

    def asked(self, words: str) -> list[tuple[Fact, tuple[Detail, ...]]]:
        """The facts that the user's words ask for, each with the details that they ask for; a fact with none of that sort is not asked."""
        found: dict[Fact, tuple[Detail, ...]] = {}
        for sentence in sentences(words):
            for fact, details in self._asked_in(sentence):
                found[fact] = tuple(dict.fromkeys((*found.get(fact, ()), *details)))
        return list(found.items())

    def _asked_in(self, sentence: str) -> list[tuple[Fact, tuple[Detail, ...]]]:
        plain = sentence.casefold()
        after, wanted = next(((form.end(), sorts) for pattern, sorts in _WANTED if (form := pattern.search(plain))), (0, None))
        said = keys_of(plain[after:]) or keys_of(sentence)
        known = said & self.weights.keys()
        whole = self._weight(known) + len(said - known) * max(self.weights.values(), default=0.0)
        if not known or not whole:
            return []
        found = []
        for fact in self.facts:
            details = tuple(detail for detail in fact.details if wanted is None or detail.sort in wanted)
            share = self._weight(known & fact.keys) / whole
            if details and share >= ASKED:
                found.append((share, fact, details))
        best = max((share for share, _fact, _details in found), default=0.0)
        asked = [(fact, details) for share, fact, details in found if share >= ALIKE * best]
        # "I have a repair": one word that several facts share, and no question, asks for none of them.
        return [] if wanted is None and len(known) == 1 and len(asked) > 1 else asked

    def about(self, statement: str) -> list[Fact]:
        """The facts that share most with a statement's words, if any shares half its known weight."""
        keys = keys_of(statement) & self.weights.keys()
        whole = self._weight(keys)
        shares = [(self._weight(keys & fact.keys), fact) for fact in self.facts]
        best = max((share for share, _fact in shares), default=0.0)
        return [fact for share, fact in shares if share == best] if whole and best >= ASKED * whole else []

    def to_refuse(self, question: str) -> list[Refusal]:
        """What the user's words ask for that is to be refused."""
        keys = keys_of(question)
        return [
            refusal
            for refusal in self.refusals
            if self._weight(keys & refusal.keys) >= REFUSED * self._weight(refusal.keys) and refusal.keys
        ]

    def _weight(self, keys: Iterable[str]) -> float:
        return sum(self.weights.get(key, 0.0) for key in keys)


def spoken(text: str) -> Spoken:
    """A text as it is compared."""
    return Spoken(tuple(tokens(text)), tuple(figures(text)))


def knowledge(prompts: Sequence[tuple[str, str]]) -> Knowledge:
    """What `(name, prompt)` of one persona or several tell; equal facts count once. A persona's own name is no detail."""
    facts: dict[tuple[frozenset[str], tuple[Detail, ...]], Fact] = {}
    refusals: dict[frozenset[str], Refusal] = {}
    everything: list[frozenset[str]] = []
    for name, prompt in prompts:
        own = frozenset(tokens(name))
        for sentence in _sentences(prompt):
            fact = Fact(sentence, keys_of(sentence), _details(sentence, own))
            everything.append(fact.keys)
            if fact.details:
                facts.setdefault((fact.keys, fact.details), fact)
            for refusal in _refusals(sentence):
                refusals.setdefault(refusal.keys, refusal)
    distinct = set(everything)
    count = Counter(key for keys in distinct for key in keys)
    weights = {key: math.log(1 + len(distinct) / times) for key, times in count.items()}
    return Knowledge(tuple(facts.values()), tuple(refusals.values()), weights)


def keys_of(text: str) -> frozenset[str]:
    """The stems of the words that carry the subject: no light words, no numbers, a few synonyms as one."""
    said = frozenset(_key(word) for word in tokens(text) if word.isalpha() and word not in _LIGHT and read_number([word]) is None)
    return said | {key for key, pattern in _CONCEPTS if pattern.search(text)}


@lru_cache(maxsize=16_384)
def _key(word: str) -> str:
    stem = _stem(word)
    return _SAME.get(stem, stem)


def _stem(word: str) -> str:
    stem = re.sub(r"ies$", "y", word) if len(word) > 4 else word
    for ending in ("ations", "ation", "ing", "ed", "es", "s"):
        if stem.endswith(ending) and len(stem) - len(ending) >= 3 and not stem.endswith("ss"):
            stem = re.sub(r"([bdgmnprt])\1$", r"\1", stem.removesuffix(ending))
            break
    return stem.removesuffix("e") if len(stem) > 3 else stem


_SAME = {_stem(other): _stem(word) for word, others in _ALIKE_WORDS.items() for other in others}


def _sentences(prompt: str) -> list[str]:
    text = re.sub(r"\binformation\s*:", ". ", " ".join(prompt.split()), flags=re.IGNORECASE)
    return [part.strip(" .") for part in re.split(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9$])|;\s+", text) if part.strip(" .")]


def names_in(sentence: str) -> list[tuple[str, ...]]:
    """The proper names in a sentence, each as its words in lower case: runs of capitals, months and weekdays among them. Of a text without
    capitals there are none."""
    found = []
    for match in _NAME.finditer(sentence):
        words = match[0].split()
        # A capital at the start of a sentence says nothing, unless the word has more of them or a name goes on after it.
        if match.start() == 0 and len(words) == 1 and re.search(r"[A-Z].*[A-Z]|\d", words[0]) is None:
            continue
        if match.start() == 0 and len(words) > 1 and words[0].casefold() in _LIGHT:
            words = words[1:]
        name = tuple(tokens(" ".join(words)))
        if name and name[0] not in _LIGHT:
            found.append(name)
    return found


def _details(sentence: str, own: frozenset[str]) -> tuple[Detail, ...]:
    names = [name for name in names_in(sentence) if not set(name) & own and name[0] not in MONTHS]
    return tuple(dict.fromkeys([*(Detail(figure=figure) for figure in figures(sentence)), *(Detail(name=name) for name in names)]))


def _refusals(sentence: str) -> list[Refusal]:
    found = []
    for pattern in (_REFUSALS, _NO_OFFER, _NOT_DONE):
        for match in pattern.finditer(sentence):
            keys = keys_of(match["what"])
            if keys and not _NOT_A_REQUEST.match(match["what"]):
                found.append(Refusal((match["what"] if pattern is _NOT_DONE else match[0]).strip(" .;:"), keys))
    return found
