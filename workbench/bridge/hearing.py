"""What was meant by what was heard: words split or repeated by a recogniser, and speakers who correct themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from workbench.bridge.lexicon import base
from workbench.bridge.numbers import read_number
from workbench.bridge.words import phrase_list, word_set

_REPEATABLE = word_set("very no yes bye ha really far blah knock stop please so")
"""Words that people repeat on purpose, or whose repetition says nothing."""
_MARKERS = tuple(
    sorted(
        phrase_list(
            "no wait", "no sorry", "no i mean", "no i meant", "sorry i mean", "sorry i meant", "i mean", "i meant", "wait no", "or rather",
            "correction", "scratch that", "no no", "no make that", "no make it", "make that", "sorry no", "wait actually", "no actually",
            "actually no", "actually make that", "actually make it", "oh wait", "hang on", "hold on", "no", "sorry", "wait", "uh no",
            "um no",
            "no hold on", "strike that",
        ),
        key=len,
        reverse=True,
    )
)  # fmt: skip
_TAKEN_BACK = phrase_list(
    "never mind", "forget it", "do not", "do not do it", "do not do that", "leave it", "cancel that", "i changed my mind", "not now",
    "forget about it", "do not bother", "leave it be", "stop", "let us not", "just kidding", "i am kidding",
)  # fmt: skip
_JOINTS = word_set("the a an my our to for in at on of with from about")
_UNITS = word_set("second seconds minute minutes hour hours day days week weeks degrees percent o clock am pm people")
_WEAK = word_set("sorry wait hold hang")
"""Markers that correct nothing when nothing follows them."""
_DICTATES = word_set("saying that says")
"""After these a single "no" or "sorry" is likelier a part of what is to be said."""
_DETERMINED = word_set("there is are was have has had with in say says said a oh and or if got")
"""Words before a "no" that is no correction: "there is no server"."""


def mended(said: Sequence[str], vocabulary: Collection[str], shortest: int = 6) -> list[str]:
    """`said` without stammers ("the the"), and with words of the vocabulary that were heard in pieces
    ("thermos tat") put together, if they have `shortest` letters or more."""
    once: list[str] = []
    for word in said:
        if not (once and once[-1] == word and word.isalpha() and word not in _REPEATABLE):
            once.append(word)
    once = [_NOUNS_HEARD_AS.get(word, word) for word in once]
    joined: list[str] = []
    at = 0
    while at < len(once):
        size = next((size for size in (3, 2) if _is_one(once[at : at + size], size, vocabulary, shortest)), 1)
        joined.append("".join(once[at : at + size]))
        at += size
    return joined


def _is_one(parts: Sequence[str], size: int, vocabulary: Collection[str], shortest: int) -> bool:
    if len(parts) < size or not all(part.isalpha() for part in parts):
        return False
    whole = "".join(parts)
    return len(whole) >= shortest and whole in vocabulary


def corrected(said: Sequence[str], begins_order: Callable[[Sequence[str]], bool]) -> list[str] | None:
    """What is left of an order after the speaker corrected it; None when they took it back altogether.

    `begins_order` says whether words begin like an order; without one before it, a "no" or a "sorry" corrects nothing.
    """
    words = list(said)
    for _correction in range(3):
        found = _marker(words, begins_order)
        if found is None:
            return words
        start, end = found
        before, after = words[:start], words[end:]
        if not after and words[start] in _WEAK:
            return words
        if (
            not after
            or tuple(after) in _TAKEN_BACK
            or any(tuple(after[: len(phrase)]) == phrase for phrase in _TAKEN_BACK if len(phrase) > 1)
        ):
            return None
        words = after if begins_order(after) else _spliced(before, after)
    return words


def _marker(words: Sequence[str], begins_order: Callable[[Sequence[str]], bool]) -> tuple[int, int] | None:
    if not begins_order(words):
        return None
    for start in range(1, len(words)):
        if words[start] == "no" and (words[start - 1] in _DETERMINED or words[start + 1 : start + 2] in (["longer"], ["more"], ["one"])):
            continue
        dictated = any(word in _DICTATES for word in words[:start])
        for phrase in _MARKERS:
            if tuple(words[start : start + len(phrase)]) == phrase and not (dictated and len(phrase) == 1):
                return start, start + len(phrase)
        rest = tuple(words[start:])
        if rest[0] == "actually" and len(rest) > 1 and (begins_order(rest[1:]) or read_number(rest, 1) is not None):
            return start, start + 1
        if rest in _TAKEN_BACK or (words[start] == "actually" and rest[1:] in _TAKEN_BACK) or rest[:2] == ("never", "mind"):
            return start, len(words)
    return None


def _spliced(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The correction put in the place of what it corrects: a number for a number, a phrase for the one that begins like it."""
    if read_number(after) is not None:
        for at in range(len(before) - 1, 0, -1):
            read = read_number(before, at)
            if read is not None:
                while at > 1 and read_number(before, at - 1) is not None and read_number(before, at - 1) != read:
                    at -= 1
                number = read_number(before, at)
                end = number[1] if number is not None else read[1]
                tail = before[end:]
                new_unit = any(word in _UNITS for word in after)
                return [*before[:at], *after, *(tail[1:] if new_unit and tail and tail[0] in _UNITS else tail)]
    if after[0] in _JOINTS and after[0] in before:
        at = len(before) - 1 - list(reversed(before)).index(after[0])
        return [*before[:at], *after]
    return [*before[: max(1, len(before) - len(after))], *after]


_NOUNS_HEARD_AS = {
    "wot": "what",
    "thyme": "time",
    "wether": "weather",
    "lites": "lights",
    "lite": "light",
    "disc": "disk",
    "discs": "disks",
}
_DAY = r"(?:today|tonight|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday|this|next|the)"
_FIGURES = (
    r"status|reports?|latest|list|logs?|numbers|figures|readings?|weather|forecast|results?|temperature|humidity|levels?|statistics|stats"
)
_REWRITTEN = (
    (re.compile(r"\bthe whether\b"), "the weather"),
    (re.compile(r"\bc o (?:two|2|too)\b"), "co2"),
    (
        re.compile(r"^is it (?:already |nearly |almost )*(?:past |after |before )?(?:\w+ o clock|ten|noon|midnight|\d+)\b.*"),
        "what time is it",
    ),
    (re.compile(r"^what time is (?=my |the |our )"), "when is "),
    (
        re.compile(rf"^what (?:is on|is coming up|have i got|am i doing|is planned|is happening)(?: on| for)? (?={_DAY}\b)"),
        "what is on my calendar ",
    ),
    (
        re.compile(rf"^what (?:does|is) (?:my day|(?={_DAY}\b)(?:\w+)|(?:this|next|the) \w+) (?:look|looking) like"),
        "what is on my calendar",
    ),
    (re.compile(rf"^do i have (?:anything|something|time|plans|stuff)(?: on| planned)? (?={_DAY}\b)"), "do i have meetings "),
    (re.compile(r"^how busy am i\b"), "am i busy"),
    (re.compile(r"^when (?:do i|am i) (?:meet|meeting|see|seeing) "), "when is my meeting with "),
    (re.compile(r"^how long have we been (?:talking|chatting|speaking|going|at this)"), "how long has this session been running"),
    (re.compile(r"^what (?:do|does) (.+?) and (.+?) make$"), r"what is \1 plus \2"),
    (re.compile(r"^what is the product of (.+?) and (.+)$"), r"what is \1 times \2"),
    (re.compile(r"^what is the sum of (.+?) and (.+)$"), r"what is \1 plus \2"),
    (re.compile(rf"^i (?:would like|want|need) (?=(?:the|a|my) (?:\w+ ){{0,2}}(?:{_FIGURES})\b(?!.*(?:\w+ed|gone)$))"), "show me "),
    (re.compile(r"^time (?=(?:\d|[a-z]+ )*?(?:second|minute|hour))"), "set a timer for "),
    (re.compile(r"^wake (?:me|us)(?: up)? (?=at|in|tomorrow|on|by)"), "set an alarm "),
    (
        re.compile(r"^i would (?:appreciate it|be grateful|be glad|be happy|love it|like it) if you (\w+)"),
        lambda found: base(found[1]) or found[1],
    ),
    (re.compile(r"^make (.+?) (?:disappear|vanish|go away)$"), r"delete \1"),
    (
        re.compile(
            r"^(?:i|we) (?:do not|no longer) (?:need|want) (.+?) (?:any ?more )?(?:so )?(?:please |just |you can )?"
            r"(delete|remove|erase|destroy|wipe|drop|purge|discard|kill|close|cancel|stop) (?:it|them|that|those)$"
        ),
        r"\2 \1",
    ),
    (
        re.compile(rf"^get (?:me |us )?(?=(?:the|a|an|my|our) (?:\w+ ){{0,2}}(?:{_FIGURES})\b(?!.*(?:\w+ed|going|gone|again)$))"),
        "show me ",
    ),
    (re.compile(r"^get (.+?) (?:going|started|running|up and running)(?: again)?$"), r"start \1"),
    (re.compile(r"^let (?!me |us )(.{1,40}?) know(?: that| about)? "), r"tell \1 that "),
    (
        re.compile(r"^(?:what do (?:you|i|we) get (?:if|when) (?:you|i|we) )?(?:add|sum)(?: up| together)? (.+?) and (.+)$"),
        r"what is \1 plus \2",
    ),
    (
        re.compile(r"^(?:what do (?:you|i|we) get (?:if|when) (?:you|i|we) )?(divide|multiply) (.+?) by (.+)$"),
        lambda found: f"what is {found[2]} {'divided' if found[1] == 'divide' else 'multiplied'} by {found[3]}",
    ),
    (re.compile(r"^(?:what do (?:you|i|we) get (?:if|when) (?:you|i|we) )?(?:subtract|take) (.+?) from (.+)$"), r"what is \2 minus \1"),
    (re.compile(r"^drop (?!me |us )(.{1,30}?) a (line|note|message|mail|email|text)\b"), r"send \1 a message"),
)
"""Ways to ask that hide their verb, and the plain way."""
_OFF = re.compile(r"^(turn|turned|turning|switch|power|shut) of(?= )")
_DOWN = re.compile(r"^(shut|power) (?:town|done|dawn|dow)(?= )")


def particles_mended(text: str) -> str:
    """ "off" and "down" heard as "of" and "town" after a verb that needs them."""
    return _DOWN.sub(r"\1 down", _OFF.sub(r"\1 off", text))


def plainly(text: str) -> str:
    """An order (without its politeness) that hides its verb, said in the plain way."""
    for pattern, plain in _REWRITTEN:
        text = pattern.sub(plain, text)
    return text
