"""Questions that something can look up, told from those that only a talk can answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.bridge.lexicon import THINGS
from workbench.bridge.numbers import read_number
from workbench.bridge.words import word_set

_LEAD = re.compile(
    r"^(?:(?:please|can|could|would|will) you (?:please )?(?:tell me|check|see|look up|find out|let me know|say|look|show me)|tell me|"
    r"tell us|show me|give me|let me know|"
    r"i (?:want|need|would like|d like) to (?:know|see|check|hear)|i wonder|i was wondering|wondering|do you (?:happen to )?know|any idea|"
    r"remind me|"
    r"check|find out|see|look up|look|let us see|say)(?: (?:if|whether))?\b ?"
)
_ASKS = re.compile(
    r"^(?:what|whats|how|when|where|which|is|are|am|will|has|have|does|do i|do we|did (?:the|my|our|any)|was the|were the|any|anything|"
    r"can i see|who is (?:on|in|at|online))\b"
)
_TALK = re.compile(
    r"^(?:why|how (?:do|does|did|to|can|could|come|would|should|is it that|are you|about)\b|what (?:if|would|happens|happened|makes|made|"
    r"should|could|did|a|an|kind|sort|exactly)\b|"
    r"(?:is|are|was) an?\b|(?:is|are|was) (?:it|this|that|there|they) (?:hard|easy|possible|true|okay|ok|bad|safe|normal|wrong|weird|"
    r"common|better|worth|fun|legal|dangerous|important|a|an|really|just|such|too|"
    r"why|how|because|what|where|me|irreversible)\b|are (?:you|we|they|people|there people)|is (?:he|she|everyone|everybody|anyone|"
    r"anybody|someone|nobody|no)\b|"
    r"have (?:you|we ever|i ever|they|a|an|fun|some)|has (?:he|she|anyone|anybody|somebody)|will (?:you|he|she|they|we|i)\b|does (?:he|"
    r"she|anyone|anybody|everyone)|"
    r"do we (?:ever|really)|am i (?:right|wrong|crazy|dreaming|the|a)|(?:where (?:did|do|does|are you|were)|when (?:did|do|does|i|we|you)|"
    r"which (?:do|did|would)|any (?:way|how))\b)"
)
_OPINION = re.compile(
    r"\b(?:you|your|yours|yourself|favou?rite|ever|people|think|opinion|anyway|in general|generally|usually|meaning|means?|love|feel|"
    r"believe|supposed|mother|father|"
    r"brother|sister|friend|restaurant was|yesterday|last|used to|would|should|wake|in an?(?! (?:hour|minute|few|couple|moment|week|day|"
    r"second))|(?:does|do|can|could|is|are) an?|movie|film|book|song|world|history|life|universe)\b"
)
_WITH_YOU = re.compile(r"\b(?:do you have|can you see|have you got|are you running)\b")
_DEFINITE = word_set("the my our this that these those all any on in at for there of left due")
_STATES = word_set(
    "up down running online offline alive healthy done finished ready on off open closed locked unlocked full empty working reachable "
    "active "
    "responding complete completed deployed stuck failing broken available connected idle busy"
)
LIVE = word_set(
    "status state health uptime temperature humidity co2 weather forecast balance load usage latency queue backlog version schedule "
    "calendar agenda "
    "progress level reading readings log logs error errors battery traffic alerts alert notifications notification appointment "
    "appointments "
    "meeting meetings events order orders package delivery shipment tasks jobs workflow workflows sessions agents servers services "
    "containers "
    "tickets invoices reminders timers backups memory cpu disk space storage bandwidth throughput pressure inventory stock statistics "
    "stats metrics turns capacity time date emails messages inbox"
)
"""What changes, so that only looking it up tells."""
_ROUTINE = word_set("like doing going")


def question_words(text: str) -> list[str] | None:
    """The words of a question that can be looked up, when `text` (tokens joined by blanks, without greetings) has the form of one."""
    asked = False
    for _lead in range(3):
        found = _LEAD.match(text)
        if found is None or found.end() >= len(text):
            break
        asked, text = True, text[found.end() :]
    if _TALK.match(text) or (_OPINION.search(text) and not _WITH_YOU.search(text)):
        return None
    if not asked and not _ASKS.match(text):
        return None
    words = text.split()
    return None if _defines(words) else words


def _defines(words: Sequence[str]) -> bool:
    """ "What is humidity", "what are servers": asks for the meaning of a word."""
    return (
        len(words) >= 3
        and words[0] == "what"
        and words[1] in ("is", "are")
        and not any(word in _DEFINITE or read_number([word]) is not None for word in words[2:])
    )


def is_live(words: Sequence[str]) -> bool:
    """Whether a question is about the state of something that can be looked up, whichever tools there are."""
    told = set(words)
    if words[0] in ("is", "are", "has", "have", "did", "does", "was", "were", "will"):
        return bool(told & THINGS) and bool(told & _STATES or words[0] in ("has", "did", "does")) and bool(told & _DEFINITE)
    if words[:2] in (["how", "many"], ["how", "much"]):
        return bool(told & (LIVE | THINGS)) and bool(
            told & word_set("are is we i today left free running there have had open pending use used")
        )
    if words[:1] == ["how"]:
        return len(words) > 2 and bool(told & THINGS) and bool(told & _ROUTINE) and bool(told & _DEFINITE)
    return bool(told & LIVE) and bool(told & _DEFINITE)
