"""NVIDIA's prompting guide for PersonaPlex as rules over one prompt: what the model was trained on, and what it can say aloud.

Source: "Prompting Guide" in the README of NVIDIA/personaplex. It shows one assistant prompt, service prompts of one form and casual prompts
that begin alike; all are one paragraph of plain spoken English in the second person, none is longer than 600 characters.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ROLES = ("assistant", "customer_service", "casual")
"""The kinds of prompt that PersonaPlex was trained on."""
PROMPT_CHARS = 1_000
"""A prompt travels in a URL and is forced token by token before the first word; longer ones cost both."""
WINDOW_TOKENS = 3_000
"""Positions that the model attends over; a position is one token and 80 ms. The prompt stands in the same window as the talk."""
PROMPT_TOKENS = 300
"""A tenth of the window, 24 s of the talk; the longest prompt of the guide is near 130 tokens by `estimated_tokens`."""
LETTERS_PER_TOKEN = 6
"""Of an English word: a vocabulary of 32,000 pieces holds most short words whole. An estimate, without the tokenizer."""

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """Something about a persona that will make it talk worse. The persona still loads."""

    level: Level
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Opening:
    pattern: re.Pattern[str]
    shown: str


_OPENINGS = {
    "assistant": _Opening(re.compile(r"You are \S"), "You are ..."),
    "customer_service": _Opening(
        re.compile(r"You work for [^.]+?,? which is (?:an? |the )?[^.]+?,? and your name is [^.]+\."),
        "You work for COMPANY which is a BUSINESS and your name is NAME.",
    ),
    "casual": _Opening(re.compile(r"You enjoy having a good conversation\."), "You enjoy having a good conversation."),
}
_UNSPEAKABLE = (
    ("a heading", re.compile(r"^\s*#{1,6}\s", re.MULTILINE)),
    ("a list", re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+\S", re.MULTILINE)),
    ("bold or italic marks", re.compile(r"\*\*?\w[^*\n]*\*|__\w[^_\n]*__")),
    ("code marks", re.compile(r"`")),
    ("a table", re.compile(r"^\s*\|.*\|\s*$", re.MULTILINE)),
    ("a link", re.compile(r"\b(?:https?|ftp)://|\bwww\.|\]\(", re.IGNORECASE)),
    ("markup or brackets of a program", re.compile(r"</?[A-Za-z][^>\n]*>|[{}]")),
    ("pictures", re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]")),
)
_FIRST_PERSON = re.compile(r"\b(?:I am|I'm|I work|I live|I have|my name|My name)\b")
_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]")
_NAMED = re.compile(r"\b(?i:your name is|you are called)\s+([A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*)*)")
_NUMBER_WORD = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand"
)
_FIGURE = re.compile(rf"\d[\d.,:]*\d|\d|\b(?:{_NUMBER_WORD})\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.!?;]\s+|,\s+|\band\b|\bbut\b|\n", re.IGNORECASE)
_LIGHT = re.compile(r"an?|the|is|are|was|its?|for|of|at|in|on|to|from|by|with|you|your|we|our|only|also|about|just")
_UNIT = re.compile(r"(?:dollar|euro|pound|cent|percent|second|minute|hour|day|week|month|year|time)s?|[ap]m|[$€£%]")


def check(role: str, name: str, prompt: str) -> list[LintFinding]:
    """What the guide says about this prompt, the gravest first. `name` is what the persona calls itself."""
    if not prompt:
        return [LintFinding("error", "prompt-empty", "The prompt is empty: PersonaPlex needs at least one sentence.")]
    found = [*_length(prompt), *_role(role), *_tag(prompt), *_form(role, prompt), *_names(name, prompt), *_facts(role, prompt)]
    found += [*_person(prompt), *_sound(prompt), *_contradictions(prompt)]
    return sorted(found, key=lambda finding: finding.level != "error")


def estimated_tokens(prompt: str) -> int:
    """About how many text tokens a prompt takes: a piece for each 6 letters of a word, each digit and each sign; a sign outside Latin
    script can cost one for each of its UTF-8 bytes. The published tokenizer is not needed for it, so it is an estimate."""
    latin = re.findall(r"[A-Za-z\u00c0-\u024f]+", prompt)
    other = re.findall(r"[^\sA-Za-z\u00c0-\u024f]", prompt)
    return sum(math.ceil(len(word) / LETTERS_PER_TOKEN) for word in latin) + sum(len(sign.encode()) for sign in other)


def _length(prompt: str) -> Iterator[LintFinding]:
    if len(prompt) > PROMPT_CHARS:
        yield LintFinding("error", "prompt-too-long", f"The prompt has {len(prompt)} characters; keep it to {PROMPT_CHARS}.")
        return
    tokens = estimated_tokens(prompt)
    if tokens > PROMPT_TOKENS:
        yield LintFinding(
            "warning",
            "prompt-tokens",
            f"The prompt is about {tokens} tokens, {tokens * 0.08:.0f} s of the {WINDOW_TOKENS * 0.08:.0f} s that the model can look back: "
            f"keep it to {PROMPT_TOKENS}, or the talk leaves the window so much earlier.",
        )


def _role(role: str) -> Iterator[LintFinding]:
    if role not in ROLES:
        yield LintFinding("error", "role-unknown", f"Role {role!r} is not one that PersonaPlex was trained on: use {', '.join(ROLES)}.")


def _tag(prompt: str) -> Iterator[LintFinding]:
    if "<system>" in prompt:
        yield LintFinding("error", "system-tag", "The prompt holds a <system> tag: it is added when the prompt is sent, so take it out.")


def _form(role: str, prompt: str) -> Iterator[LintFinding]:
    opening = _OPENINGS.get(role)
    if opening is not None and opening.pattern.match(prompt) is None:
        yield LintFinding(
            "warning",
            "opening",
            f"Prompts of the role {role} begin with {opening.shown!r} in training; this one begins {prompt.split('.')[0][:60]!r}.",
        )
    if role == "customer_service" and not re.search(r"\bInformation:", prompt):
        yield LintFinding(
            "warning", "information-missing", "Service prompts give their facts after 'Information:' in training: put it before the facts."
        )


def _names(name: str, prompt: str) -> Iterator[LintFinding]:
    if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt, re.IGNORECASE):
        yield LintFinding("warning", "name-missing", f"The prompt never says the name {name!r}: the persona cannot tell it.")
    for match in _NAMED.finditer(prompt):
        told = match[1]
        if not set(told.casefold().split()) & set(name.casefold().split()):
            yield LintFinding(
                "warning", "name-differs", f"The prompt says that the name is {told!r}, the persona's is {name!r}: choose one."
            )


def _facts(role: str, prompt: str) -> Iterator[LintFinding]:
    if re.search(r"\b(information|facts)\s*:\s*$", prompt, re.IGNORECASE):
        yield LintFinding("warning", "facts-empty", "The prompt ends after 'Information:': write the facts, or take the heading out.")
    elif role == "customer_service" and not re.search(r"\d", prompt):
        yield LintFinding(
            "warning", "facts-empty", "A customer service prompt without a number has no price, time or rule to tell: add the facts."
        )


def _person(prompt: str) -> Iterator[LintFinding]:
    own = _FIRST_PERSON.search(_QUOTED.sub(" ", prompt))
    if own is not None:
        yield LintFinding("warning", "second-person", f"{own[0]!r}: the prompt speaks to the persona in training, so write 'you'.")
    elif not re.search(r"\byou(?:r|'re|’re)?\b", prompt, re.IGNORECASE):
        yield LintFinding(
            "warning", "second-person", "The prompt never says 'you': in training it speaks to the persona. Write 'You are ...'."
        )


def _sound(prompt: str) -> Iterator[LintFinding]:
    marks = [what for what, pattern in _UNSPEAKABLE if pattern.search(prompt.replace("<system>", " "))]
    if marks:
        yield LintFinding(
            "warning",
            "unspeakable",
            f"The prompt holds {', '.join(marks)}: what cannot be spoken was not in training. Write plain sentences.",
        )
    elif re.search(r"\n\s*\n", prompt):
        yield LintFinding("warning", "paragraphs", "The prompt has several paragraphs; in training it is one. Join them.")
    letters = [sign for sign in prompt if sign.isalpha()]
    foreign = sum(not re.match(r"[A-Za-z\u00c0-\u024f]", sign) for sign in letters)
    if foreign * 2 > len(letters):
        yield LintFinding("warning", "not-english", "Most letters of the prompt are of another script; PersonaPlex was trained on English.")


def _contradictions(prompt: str) -> Iterator[LintFinding]:
    """Two clauses that say the same but for their figures. Of what is said in other words nothing is found here."""
    clauses = []
    for clause in _CLAUSE.split(prompt):
        figures = tuple(figure.casefold() for figure in _FIGURE.findall(clause))
        said = re.findall(r"[^\W\d_]+|[$€£%]", _FIGURE.sub(" ", clause).casefold())
        words = frozenset(word for word in said if not _LIGHT.fullmatch(word))
        # Two words that are no unit: a subject and what is said of it. "4 hours" and "8 hours" alone are two offers.
        if figures and sum(not _UNIT.fullmatch(word) for word in words) >= 2:
            clauses.append((words, figures, clause.strip()))
    for (words, figures, first), (others, other_figures, second) in itertools.combinations(clauses, 2):
        if words == others and figures != other_figures:
            yield LintFinding(
                "warning", "figures-contradict", f"{first!r} and {second!r} cannot both be true: keep one, the model takes either."
            )
