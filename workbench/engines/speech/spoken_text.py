"""Written text to text for a voice: markup, addresses and signs taken out, and the rest split into clauses.

A clause is what is synthesised at once: short enough that its first sound is ready in tens of milliseconds, long enough to keep a
natural melody. `ClauseStream` finds the same clauses in a text that arrives piece by piece, as a language model writes it.
"""

from __future__ import annotations

import re
import unicodedata

MIN_CLAUSE_WORDS = 4
"""A comma, colon or dash ends a clause only after this many words: single words of a list are not torn apart."""
CONJUNCTION_WORDS = 8
"""A clause of this many words ends before a conjunction."""
MAX_CLAUSE_WORDS = 20
"""A clause ends here at the latest: flite's first chunk takes 3 ms a word."""
MAX_WORD_CHARS = 45
"""A longer run without a space is cut: no word of English is longer, and a synthesiser must not be given a megabyte at once."""
MAX_CLAUSE_WEIGHT = 200
"""Letters of a clause, where a capital counts as 3 and a digit or sign as 6, because each may be read as a word. flite cannot be
stopped before the first sound of a clause: without this bound 1,200 signs held it for 44 s, with it the worst text found for 1.1 s."""
MAX_LINE_CHARS = 2_000

_CONJUNCTIONS = frozenset(
    re.findall(r"\S+", "and but or nor so because although though while whereas which who when if unless until since that")
)
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        "mr. mrs. ms. dr. prof. st. mt. vs. etc. approx. inc. ltd. co. corp. jr. sr. fig. dept. est. gen. sen. rep. gov. capt. sgt. "
        "jan. feb. mar. apr. jun. jul. aug. sep. sept. oct. nov. dec. hr. hrs. min. sec. vol. pp. ed. al. ca. cf.",
    )
)
_BEFORE_NUMBERS = frozenset(("no.", "nos.", "p.", "art."))
"""Abbreviations only in front of a number: "No. 5", but "No. I will not"."""
_OPENERS = "\"'([{“‘«"
_SILENT = ".,;:!?'\"()-–—…"
_CLOSERS = "\"')]}”’»"

_FENCE = re.compile(r"\s*(?:```|~~~)")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s\"[^\"]*\")?\)")
_ADDRESS = re.compile(r"<?\b(?:https?|ftp)://(?:[^\s/@<>]*@)?([^\s/<>:?#()\[\]\"']+)[^\s<>\"']*>?|<?\bmailto:([^\s<>]+)>?", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|<!--[^<>]*-->")
_LINE_MARK = re.compile(r"\s*(?:#{1,6}\s+|>\s?|[-*+•]\s+)+")
_NUMBERED = re.compile(r"\d{1,3}[.)]\s+\S")
_RULE_SIGNS = frozenset("-*_=|:+ \t")
_EMPHASIS = re.compile(r"\*{2,}|_{2,}|~~|`+|(?<!\s)\*(?=\s|$|\W)|(?<=\W)\*(?=\w)|^\*(?=\w)|(?<=\w)_(?=\w)|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)")
_DEGREES = (("°C", " degrees Celsius"), ("°F", " degrees Fahrenheit"), ("°", " degrees"))


def spoken(text: str) -> str:
    """`text` as it can be read aloud: no markdown, HTML tags, emoji or control signs; an address is its host name alone.

    Numbers, times and abbreviations are left to the synthesiser. The result is one line; empty when nothing can be spoken.
    """
    lines = [_line(piece) for line in text.splitlines() for piece in _pieces(line)]
    return " ".join(" ".join(line for line in lines if line).split())


def cut(text: str, limit: int) -> str:
    """`text` of at most `limit` characters, cut at a word boundary; a single longer word is cut inside."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    at = head.rfind(" ")
    return head[:at].rstrip() if at > 0 else head[:limit]


def clauses(text: str) -> list[str]:
    """The clauses of a whole text, in order. No word is lost or changed; white space between words becomes one space."""
    stream = ClauseStream()
    return stream.push(text) + stream.flush()


class ClauseStream:
    """Splits a text that arrives in pieces; how it is cut into pieces never changes the clauses."""

    def __init__(self) -> None:
        self._rest = ""
        self._words: list[str] = []
        self._weight = 0
        self._undecided = False
        """The last word ends a clause unless a number follows."""

    def push(self, piece: str) -> list[str]:
        """Takes more text and gives the clauses that are certain by now."""
        text = self._rest + piece
        words = text.split()
        self._rest = words.pop() if words and not text[-1].isspace() else ""
        found: list[str] = []
        for word in words:
            found += self._take_long(word)
        certain = len(self._rest) // MAX_WORD_CHARS * MAX_WORD_CHARS
        found += self._take_long(self._rest[:certain])
        self._rest = self._rest[certain:]
        return found

    def flush(self) -> list[str]:
        """The text is complete: gives what is left and starts over."""
        found = self._take_long(self._rest)
        if self._words:
            found.append(self._clause())
        self._rest = ""
        return found

    def _take_long(self, word: str) -> list[str]:
        pieces = [word[start : start + MAX_WORD_CHARS] for start in range(0, len(word), MAX_WORD_CHARS)]
        return [clause for piece in pieces for clause in self._take(piece)]

    def _take(self, word: str) -> list[str]:
        found: list[str] = []
        ended = self._undecided and not word.lstrip(_OPENERS)[:1].isdigit()
        conjunction = len(self._words) >= CONJUNCTION_WORDS and word.lower() in _CONJUNCTIONS
        weight = sum(map(_weight, word))
        if ended or conjunction or (self._words and self._weight + weight > MAX_CLAUSE_WEIGHT):
            found.append(self._clause())
        self._undecided = word.lstrip(_OPENERS).lower() in _BEFORE_NUMBERS
        self._words.append(word)
        self._weight += weight
        if not self._undecided and self._ends(word):
            found.append(self._clause())
        return found

    def _ends(self, word: str) -> bool:
        bare = word.rstrip(_CLOSERS)
        if len(self._words) >= MAX_CLAUSE_WORDS:
            return True
        if bare.endswith(("!", "?", "…", "..")):
            return True
        if bare.endswith("."):
            return not self._is_abbreviation(bare.lstrip(_OPENERS))
        return len(self._words) >= MIN_CLAUSE_WORDS and (bare.endswith((",", ";", ":")) or word in ("-", "–", "—"))

    def _is_abbreviation(self, word: str) -> bool:
        if word.lower() in _ABBREVIATIONS:
            return True
        if re.fullmatch(r"(?:[^\W\d_]\.)+", word):
            return word != "I."
        # "1." in front of an item of a list; "It is 5." is a sentence.
        return len(self._words) == 1 and word[:-1].isdigit()

    def _clause(self) -> str:
        clause = " ".join(self._words)
        self._words = []
        self._weight = 0
        self._undecided = False
        return clause


def _weight(character: str) -> int:
    if character.islower() or character in _SILENT:
        return 1
    return 3 if character.isalpha() else 6


def _host(match: re.Match[str]) -> str:
    host = match.group(1) or match.group(2) or ""
    trailing = re.search(r"[.,;:!?)]*$", match.group(0).rstrip(">"))
    return host.removeprefix("www.").rstrip(".,;:!?") + (trailing.group(0) if trailing else "")


def _pieces(line: str) -> list[str]:
    """A line in pieces of at most `MAX_LINE_CHARS`: the patterns stay fast on any input."""
    pieces = []
    start = 0
    while len(line) - start > MAX_LINE_CHARS:
        space = line.rfind(" ", start + 1, start + MAX_LINE_CHARS)
        end = space if space > 0 else start + MAX_LINE_CHARS
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _line(line: str) -> str:
    """One line without its markup. A list item, heading or table row ends like a sentence, so that the voice pauses there."""
    if _RULE_SIGNS.issuperset(line) or _FENCE.match(line):
        return ""
    mark = _LINE_MARK.match(line)
    marked = mark is not None or _NUMBERED.match(line) is not None
    line = line[mark.end() if mark else 0 :].strip()
    if line.startswith("|"):
        line = ", ".join(cell.strip() for cell in line.strip("| ").split("|"))
        marked = True
    line = _TAG.sub(" ", _ADDRESS.sub(_host, _LINK.sub(r"\1", line)))
    line = _EMPHASIS.sub(_unmarked, line)
    for sign, words in _DEGREES:
        line = line.replace(sign, words)
    if not (line.isascii() and line.isprintable()):
        line = "".join(map(_speakable, line))
    line = line.strip()
    if marked and line.rstrip(_CLOSERS)[-1:].isalnum():
        line += "."
    return line


def _unmarked(match: re.Match[str]) -> str:
    inside_word = match.group(0) == "_" and match.start() > 0 and match.string[match.start() - 1].isalnum()
    return " " if inside_word and match.string[match.end() : match.end() + 1].isalnum() else ""


def _speakable(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category in ("So", "Sk", "Cs", "Co", "Cn", "Cf") or "\ufe00" <= character <= "\ufe0f":
        return ""
    return " " if category.startswith(("C", "Z")) else character
