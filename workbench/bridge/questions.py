"""Questions that something can look up, told from those that only a talk can answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.bridge.lexicon import THINGS
from workbench.bridge.numbers import read_number
from workbench.bridge.words import word_set


def _one_of(phrases: str) -> str:
    """A pattern for any of several phrases, separated by commas; each may be a pattern itself."""
    return "(?:" + "|".join(phrase.strip() for phrase in phrases.split(",")) + r")\b"


_LEAD = re.compile(
    r"^(?:(?:please |(?:can|could|would|will) you (?:please )?|i (?:want|need|would like|would love) to )?"
    + _one_of(
        "tell me, tell us, show me, show us, give me, let me know, know, see, check, check on, hear, find out, look up, look at, look, "
        "say, "
        "i wonder, i was wondering, wondering, do you (?:happen to )?know, any idea, remind me(?= (?:what|when|who|how|where|which)), let "
        "us see, read me, have a look"
    )
    + r"(?: (?:if|whether)\b)? ?)"
)
_ASKS = re.compile(
    "^"
    + _one_of(
        "what, whats, how, when, where, which, is, are, am, will, has, have, does, do i, do we, who is, did the, did my, did our, did "
        "any, was "
        "the, "
        "were the, any, anything, can i see, can i expect, should i, should my, got the, got any, who is on, who is in, who is at, who is "
        "online"
    )
)
_MANNERS = "many|much|is|are|was|were"
_TALK = re.compile(
    "^(?:"
    + "|".join(
        (
            r"(?:why|about(?! (?:my|our) )|if)\b",
            # "How warm is it" asks, "how time flies" and "how do I ..." do not.
            rf"how (?!(?:{_MANNERS}|the|my|our) |\w+ (?:is|are|was|were|did|do|does|has|have|until|till|it|the|this|my)\b)",
            r"how (?:do|does|did|to|can|could|come|would|should|about|are you|is it that)\b",
            r"what (?:if|would|happens|happened|makes|made|should|could|did|an?|kind|sort|exactly|is the difference)\b",
            r"(?:is|are|was) an?\b",
            "(?:is|are|was) (?:it|this|that|they) "
            + _one_of(
                "hard, easy, possible, true, okay, ok, bad, safe, normal, wrong, weird, common, better, worth, fun, legal, dangerous, "
                "important, "
                "an?, really, just, such, why, how, because, what, where, me, irreversible, me or"
            ),
            "are " + _one_of("you, we, they, people, there people"),
            "is " + _one_of("he, she, everyone, everybody, anyone, anybody, someone, nobody, no"),
            "have " + _one_of("you(?! got), we ever, i ever, they, an?, fun, some"),
            "has " + _one_of("he, she, anyone, anybody, somebody"),
            r"will (?:you|he|she|they)\b",
            "does " + _one_of("he, she, anyone, anybody, everyone"),
            "do we " + _one_of("ever, really"),
            "am i " + _one_of("right, wrong, crazy, dreaming, the, a"),
            r"where (?:did|do|does|are you|were)\b",
            r"when (?:(?:did|do|does|was|were|will) (?!the|my|our|order)|(?:i|we|you)\b)",
            r"which (?:do|did|would)\b",
            r"any (?:way|how)\b",
        )
    )
    + ")"
)
_OPINION = re.compile(
    r"\b"
    + _one_of(
        "you, your, yours, yourself, favou?rite, ever, people, think, opinion, anyway, in general, best, ideal, perfect, normal, typical, "
        "generally, usually, meaning, means?, "
        "love, "
        "feel, believe, supposed, mother, father, brother, sister, friend, yesterday, last "
        "(?!hour|minute|day|week|build|run|order|message), "
        "used to, would(?! it be), should(?! i (?:take|bring|wear|pack)| my| the), wake, movie, film, book, song, world, history, life, "
        "universe, "
        "in an?(?! (?:hour|minute|few|couple|moment|week|day|second)), (?:does|do|can|could|is|are) an?(?! "
        "(?:hundred|thousand|million|half|third|quarter))"
    )
)
_WITH_YOU = re.compile(r"\b" + _one_of("do you have, can you see, have you got, are you running"))
_DEFINITE = word_set(
    "the my our this that these those all any on in at for there of left due new enough next latest last today tomorrow tonight outside"
)
_STATES = word_set(
    "up down running online offline alive healthy done finished ready on off open closed locked unlocked full empty working reachable "
    "active "
    "responding complete completed deployed stuck failing failed broken available connected idle busy okay ok fine alright good news "
    "update updates successful "
    "scheduled charged armed sent paid booked passed started stopped set logged safe"
)
LIVE = word_set(
    "status state health uptime temperature humidity co2 weather forecast balance load usage latency queue backlog version schedule "
    "calendar "
    "agenda progress level reading readings log logs error errors battery traffic alerts alert notifications notification appointment "
    "appointments meeting meetings events order orders package delivery shipment tasks jobs workflow workflows sessions agents servers "
    "services "
    "containers tickets invoices reminders timers alarms mail vms pods hosts users files backups memory cpu disk space storage bandwidth "
    "throughput pressure inventory stock "
    "statistics stats metrics turns capacity time date emails messages inbox duty shift call rain snow number numbers address details "
    "results"
)
"""What changes, so that only looking it up tells."""
_COUNTED = word_set("is are we i today left free running there have had open pending use used")


def question_words(text: str) -> list[str] | None:
    """The words of a question that can be looked up, when `text` (tokens joined by blanks, without greetings) has the form of one."""
    asked = False
    for _lead in range(3):
        found = _LEAD.match(text)
        if found is None or found.end() >= len(text):
            break
        asked, text = True, text[found.end() :]
    if _TALK.match(text) or is_opinion(text) or (not asked and not _ASKS.match(text)):
        return None
    words = text.split()
    return None if _defines(words) else words


def is_opinion(text: str) -> bool:
    """Whether a question is about the one who is asked, or about the world at large."""
    return _OPINION.search(text) is not None and _WITH_YOU.search(text) is None


def names_live(words: Sequence[str]) -> bool:
    """ "Status of the backup", "server status": a question of nothing but a name."""
    rest = [word for word in words if word not in ("the", "current", "latest")]
    if not rest or set(words) & SPEAKS:
        return False
    if len(rest) <= 3 and any(word in _REPORTS for word in rest):
        return all(_is(word, LIVE) or _is(word, THINGS) for word in rest)
    return len(rest) <= 7 and rest[0] in LIVE - _SAID_OF_OTHERS and rest[1:2] in (["of"], ["in"], ["on"], ["for"], ["at"])


_SAID_OF_OTHERS = word_set("rain snow time date call shift duty order orders")
_REPORTS = word_set("status report statistics stats forecast schedule uptime temperature humidity load")


def _is(word: str, of: frozenset[str]) -> bool:
    return word in of or f"{word}s" in of or (word.endswith("s") and word[:-1] in of)


SPEAKS = word_set(
    "i you he she it we they is are was were be am has have had do does did will would what how why when where who that there went came "
    "used"
)
"""Words of which a sentence is made; a mere name has none."""


def _defines(words: Sequence[str]) -> bool:
    """ "What is humidity", "what are servers": asks for the meaning of a word."""
    return (
        len(words) >= 3
        and words[0] == "what"
        and words[1] in ("is", "are")
        and words[2] != "it"
        and not any(word in _DEFINITE or read_number([word]) is not None for word in words[2:])
    )


def in_some_state(words: Sequence[str]) -> bool:
    """Whether a question asks in which state something is."""
    return bool(set(words) & (_STATES | _TROUBLES))


_TROUBLES = word_set("wrong going problem problems trouble issues crashed recovered back holding doing")


def is_live(words: Sequence[str]) -> bool:
    """Whether a question is about the state of something that can be looked up, whichever tools there are."""
    told = set(words)
    if told & _WEATHER_NOW or (words[0] == "who" and told & _PRESENT):
        return True
    thing, live = any(_is(word, THINGS) for word in words), any(_is(word, LIVE) for word in words)
    definite = bool(told & _DEFINITE) or words[0] in ("which", "a", "an") or any(read_number([word]) is not None for word in words)
    if thing and told & _STATES and definite:
        return True
    match words[0]:
        case "is" | "are":
            return live and "there" in words[1:2] and definite
        case "has" | "have" | "did" | "does" | "was" | "were":
            return thing and bool(_SUBJECTS & set(words[1:2])) and not told & _MADE
        case "how" if words[1:2] in (["many"], ["much"]):
            return (live or thing) and bool(told & _COUNTED)
        case "how":
            return (thing or bool(told & {"until", "till"})) and definite and len(words) > 3
        case "what" | "which" if len(words) > 2 and (_is(words[1], LIVE) or _is(words[1], THINGS)):
            return True
        case "when" | "where":
            return (live or thing) and definite
    return live and definite


_SUBJECTS = word_set("the my our this that any all order")
_MADE = word_set("by of made")
"""Words after which a past deed is talked about: "was the table made of oak"."""
_WEATHER_NOW = word_set("raining snowing")
_PRESENT = word_set("logged online connected on")
