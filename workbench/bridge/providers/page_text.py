"""The readable text of an HTML page: its title and its paragraphs. One pass, linear in the length of the page.

Own code, because the parser of the standard library (and so whatever is built on it) takes time that grows with the square of the
length on pages made for that: 27 s for 200 kB of "<a".
"""

from __future__ import annotations

import html
import re
import string
from dataclasses import dataclass

from workbench.bridge.words import word_set

MAX_CHARS = 256 * 1024
MIN_PARAGRAPH_WORDS = 8
"""A shorter one is a caption, a date or a menu, unless there is nothing else."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_REST = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
"""From after a tag's name to its end; a `>` in quotes is no end."""
_UNSEEN = frozenset({"script", "style", "template", "noscript", "textarea", "iframe", "svg"})
"""Elements whose content is no text of the page; they end at their own end tag only."""
_BLOCKS = word_set(
    "address article aside blockquote body br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html li "
    "main nav ol option p pre section select table tbody td tfoot th thead title tr ul"
)
"""Elements at which a run of text ends."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""Only ASCII: other letters can become longer, and the places in the text would no longer be the same."""
_ASIDE = frozenset({"nav", "header", "footer", "aside", "form", "button", "select", "figcaption"})


@dataclass(frozen=True, slots=True)
class PageText:
    """What there is to read on a page; plain text without markup."""

    title: str
    paragraphs: tuple[str, ...]

    @property
    def first(self) -> str:
        """The first paragraph that says something; empty when there is none."""
        long = (text for text in self.paragraphs if len(text.split()) >= MIN_PARAGRAPH_WORDS)
        return next(long, self.paragraphs[0] if self.paragraphs else "")


def page_text(source: str) -> PageText:
    """Reads at most `MAX_CHARS` of a page. Never raises, however broken the page is."""
    reader = _Reader(source[:MAX_CHARS])
    reader.read()
    main = reader.paragraphs or reader.other
    return PageText(reader.title, tuple(main))


def without_markup(text: str) -> str:
    """A text that may hold HTML, as one line without it. Only where a tag is closed: "if a<b" is no markup."""
    if "</" not in text:
        return text.strip()
    reader = _Reader(text[:MAX_CHARS])
    reader.read()
    return " ".join(reader.pieces)


class _Reader:
    def __init__(self, source: str) -> None:
        self.title = ""
        self.pieces: list[str] = []
        """All that is text, in its order."""
        self.paragraphs: list[str] = []
        self.other: list[str] = []
        """Text outside of paragraphs, for pages that have none."""
        self._source, self._lower = source, source.translate(_LOWER)
        self._run: list[str] = []
        self._element = ""
        self._aside = 0
        self._quotes = True

    def read(self) -> None:
        at = 0
        while (start := self._source.find("<", at)) >= 0:
            self._run.append(self._source[at:start])
            tag = _TAG.match(self._source, start)
            if tag is not None:
                at = self._tag(tag)
            elif self._source.startswith(("<!", "<?"), start):
                at = self._end("-->" if self._source.startswith("<!--", start) else ">", start + 2)
            else:
                self._run.append("<")
                at = start + 1
        self._run.append(self._source[at:])
        self._close()

    def _tag(self, tag: re.Match[str]) -> int:
        """Takes one tag in; where its end, or that of an element without text, is missing, nothing after it is text."""
        closing, name = bool(tag[1]), tag[2].lower()
        at = self._tag_end(tag.end())
        if name in _BLOCKS:
            self._close()
            self._element = "" if closing else name
        if name in _ASIDE:
            self._aside = max(0, self._aside + (-1 if closing else 1))
        if name in _UNSEEN and not closing and at < len(self._source):
            return self._end(">", self._end(f"</{name}", at))
        return at

    def _tag_end(self, start: int) -> int:
        if self._quotes:
            found = _REST.match(self._source, start)
            if found is not None:
                return found.end()
            # A quote that is opened and never closed; looking for its end again at every tag would take forever.
            self._quotes = False
        return self._end(">", start)

    def _end(self, mark: str, start: int) -> int:
        found = self._lower.find(mark, start)
        return found + len(mark) if found >= 0 else len(self._source)

    def _close(self) -> None:
        """The run of text so far is one piece."""
        text = " ".join(html.unescape("".join(self._run)).split())
        self._run = []
        if not text:
            return
        self.pieces.append(text)
        if self._element == "title":
            self.title = self.title or text
        elif self._element == "p" and not self._aside:
            self.paragraphs.append(text)
        elif not self._aside:
            self.other.append(text)
