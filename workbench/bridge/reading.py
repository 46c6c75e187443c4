"""The general reading of an utterance as an order, whichever tools there are: is something asked to be done, what, and how bad would
it be. An order has a form (imperative, polite, wished for, named in passing) and a verb that acts on something; the same words in a
story, a question, a denial or an idiom are no order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from workbench.bridge.hearing import particles_mended, plainly
from workbench.bridge.idioms import IDIOMS, LONGEST
from workbench.bridge.lexicon import (
    ACCOUNTS,
    APPLIANCES,
    DATA,
    HEART,
    MACHINES,
    NOMINAL,
    NOMINAL_VERBS,
    PARTICLES,
    SMALL_TALK,
    THINGS,
    VERBS,
    Verb,
    base,
    heard_verb,
    is_participle,
)
from workbench.bridge.manners import GERUND, POLITE, POLITENESS, REQUEST, TAIL
from workbench.bridge.questions import LIVE, SPEAKS
from workbench.bridge.words import word_set
from workbench.events import Tier


@dataclass(frozen=True, slots=True)
class Order:
    """Something that somebody wants done."""

    action: str
    """What is to happen, see `lexicon.VERBS`; "have" where only a thing was named that somebody wants."""
    tier: Tier
    verb: str
    """In its base form, as it was said."""
    object: tuple[str, ...]
    """The words it acts on, with everything else that was said about it."""
    actions: frozenset[str] = frozenset()
    """All that the verb can mean there: to open a ticket is to create one."""


_UNREAL = re.compile(
    r"^(?:what if|if|imagine|suppose|supposing|assume|assuming|pretend|say you|would you (?:ever|rather|really|actually|still|even)|"
    r"could you ever|"
    r"can you (?:even|ever|imagine|believe)|will you ever|have (?:you|we|they|i)|had you|should (?:i|we)|shall (?:i|we)|did|does|"
    r"do (?:you|we|i|they|people)\b(?! think)|"
    r"was|were|are you|who|why(?! do not (?:you|we)\b|not)|how (?:do|did|does|can|could|would|to|come|hard|easy|about i)|what (?:would|"
    r"will|happens|happened|does|did|do)|when (?:did|do|does|i|we)|where|which)\b"
)
_IF_LATER = re.compile(
    r"\b(?:if (?:i|we|he|she|they|someone|somebody|it|that|the)\b.*\b(?:asked|said|told|were|was|would|wanted|had)|would you)\b"
)
_REPORTED = re.compile(
    r"\b(?:he|she|they|it|someone|somebody|people|everyone|everybody|who|i|we|\w+) (?:just |always |once |never )?(?:said|says|told|asked|"
    r"asks|yelled|yells|"
    r"shouted|shouts|whispered|screamed|sang|sings|joked|used to say|goes like|reads)\b"
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|means|meant|sounds|seems|looks|feels|makes|became|has been|would be|will be|became|happens|reminds|works|"
    r"scares|tastes)\b"
)
_NEW_CLAUSE = re.compile(
    r"\b(?:it|that|this|they|these|those|he|she|we|you|i|there|which|who|what|whatever|whichever|where|when|while|if|because|since|until|"
    r"before|after|unless|as|once|how|whether|so|and)\b.*"
)
_NOT = re.compile(r"^(?:do not|does not|not|never|no|nobody|without|stop|quit|avoid|refrain from|under no circumstances)\b")
_DETERMINERS = word_set(
    "the a an my our your his her their this that these those all every each any some both no another one two three four five six seven "
    "eight "
    "nine ten everything anything whatever what new more some"
)
_SURE_VERBS = word_set(
    "delete erase wipe purge restart launch install deploy uninstall shred truncate discard nuke shut shutdown power poweroff terminate "
    "reboot factory get rm "
    "obliterate destroy unsubscribe"
)
"""Verbs that are said of nothing else, so that their object needs no article."""
_TO = word_set("reply respond connect deploy switch subscribe write upload")
"""Verbs whose object may begin with "to"."""
_RING = word_set("call phone text email message ping dial")
"""Verbs whose object may be a mere name."""
_ALONE = word_set("delete erase wipe purge uninstall")
_ALSO_NOUNS = word_set("text message note record log print mail email")
_NO_OBJECT = word_set("to with for like into as and or but is are was were means of because when than at if not up")
_AGREED = re.compile(r"^(?:yes|yeah|yep|yup|sure|ok|okay|no|go ahead and)\b")
_PRONOUNS = word_set("me us it them that this these those everything all one ones")
_DICTATION = word_set("send create remind pay")
"""Actions whose object is itself a sentence: what it says is not asked for."""
_DICTATES = word_set("about that saying")
_RESTART = re.compile(
    r"^(?:no wait|no sorry|no i (?:mean|meant)|sorry i (?:mean|meant)|oh wait|hold on|correction|before you go|no|sorry|wait|i meant|"
    r"i mean) "
)
_DUTY = re.compile(
    r"^(?!(?:he|she|they|i|you|we|people|nobody|everybody|someone|it)\b)((?:\w+ ){0,7}?\w+) (?:should|must|has to|have to|needs to|"
    r"need to|ought to)"
    r"(?: all| really)? (?:be|get) (\w+)((?: (?:down|off|out|away))?)(?: .*)?$"
)
"""A duty of something rather than somebody: "all my data should be deleted"."""
_CLASSES = {"thing": THINGS, "account": ACCOUNTS, "machine": MACHINES, "data": DATA, "appliance": APPLIANCES}
_WANTED = word_set(
    "timer alarm reminder table reservation booking ticket note memo meeting appointment taxi cab ride countdown room flight light "
    "lights music backup "
    "message reboot shutdown"
)
"""Things whose mere wish is an order: "I need a timer"."""
_LEADS = 12


class Reader:
    """Reads orders. `things`: the nouns of the registered tools, beside those everybody knows; `names`: what the persona is called."""

    def __init__(self, things: Collection[str] = (), names: Collection[str] = ()) -> None:
        self._things = THINGS | frozenset(things)
        self._live = self._things | LIVE
        self._name = re.compile(rf"^(?:hey )?(?:{'|'.join(map(re.escape, sorted(names)))})\b ?") if names else None

    def without_lead(self, text: str) -> tuple[str, bool]:
        """`text` (tokens joined by blanks) without greetings, politeness and the like, and whether something was asked for by them."""
        asked = False
        for _lead in range(_LEADS):
            request = REQUEST.match(text)
            found = request or POLITENESS.match(text) or (self._name.match(text) if self._name else None)
            if found is None or found.end() >= len(text):
                break
            asked = asked or request is not None
            text = text[found.end() :]
        return text, asked

    @staticmethod
    def without_tail(text: str) -> str:
        """`text` without the politeness at its end."""
        while (shorter := TAIL.sub("", text)) != text:
            text = shorter
        return text

    def begins_order(self, said: Sequence[str]) -> bool:
        """Whether `said` begins like an order, for finding corrections of one."""
        text, _asked = self.without_lead(" ".join(said))
        words = particles_mended(plainly(text)).split(" ")
        return (bool(words[0]) and any(" ".join(words[:size]) in VERBS for size in (3, 2, 1))) or words[0] in ("turn", "switch", "shut")

    def read(self, said: Sequence[str]) -> Order | None:
        """The order that `said` (tokens of one clause) is; None when it is none."""
        text = " ".join(said)
        if _unreal(text):
            return None
        if (restart := _RESTART.match(text)) and self.begins_order(text[restart.end() :].split()):
            text = text[restart.end() :]
        agreed = _AGREED.match(text) is not None
        text, _asked = self.without_lead(text)
        if _UNREAL.match(text) or (_NOT.match(text) and not text.startswith(("stop ", "quit "))):
            return None
        text = self.without_tail(text)
        if gerund := GERUND.match(text):
            verb = base(gerund[1])
            if verb is None:
                return None
            text = f"{verb} {text[gerund.end() :].strip()}".strip()
        words = particles_mended(plainly(text)).split()
        if not words:
            return None
        order = self._nominal(words) or self._wished(words) or self._imperative(words) or self._terse(words)
        # "Yes, delete it" and "cancel that" answer a question; where nothing waits for an answer they ask for nothing.
        if order is None or (set(order.object) <= _PRONOUNS and (agreed or order.action in ("cancel", "stop"))):
            return None
        return None if _talked_about(order, " ".join(words)) else order

    def is_talk(self, said: Sequence[str]) -> bool:
        """Whether words that begin like an order only talk: an idiom, something of the heart, or a word about words."""
        text, _asked = self.without_lead(" ".join(said))
        words = text.split()
        return _is_idiom(words) or self._of_the_heart(words[1:]) or _talked_about(Order("", "write", "", tuple(words[1:])), text)

    def _imperative(self, words: Sequence[str]) -> Order | None:
        first = heard_verb(words[0])
        if first is None and len(words) > 2 and len(words[0]) + len(words[1]) >= 6:
            first = heard_verb(words[0] + words[1])
            first = first if first is not None and len(first) < 8 else None
            words = words[1:] if first is not None else words
        if first is None or _is_idiom(words):
            return None
        if first != words[0] and not any(self._is(word, self._things) for word in words[1:]):
            return None
        for senses, rest in _verb_phrases([first, *words[1:]]):
            for sense in senses:
                if self._fits(first, sense, rest):
                    others = frozenset(other.action for other in senses if other.tier == sense.tier and self._fits(first, other, rest))
                    return Order(sense.action, _tier(sense, rest), first, tuple(rest), others)
        return None

    def _fits(self, verb: str, sense: Verb, rest: Sequence[str]) -> bool:
        if _is_idiom([verb, *rest]) or ((sense.tier == "read") != (rest[:1] in (["me"], ["us"])) and verb in ("tell", "give")):
            return False
        if not rest:
            return (
                sense.tier == "destructive"
                and sense.wants == "any"
                and (verb in _ALONE or sense.action in ("shut_down", "reboot", "reset"))
            )
        if rest[0] == "to" and verb in _TO:
            return len(rest) > 1 and not self._of_the_heart(rest)
        if rest[0] in _NO_OBJECT or self._of_the_heart(rest):
            return False
        # "Drop your weapons": what belongs to the one who is asked is no thing of a program, unless it is one.
        if rest[0] == "your" and not any(self._is(word, self._things) for word in rest):
            return False
        if verb in _ALSO_NOUNS and (self._is(rest[0], self._things) or is_participle(rest[0])):
            return False
        if sense.action == "remind":
            return rest[0] in ("me", "us") and len(rest) > 1 and rest[1] != "of"
        if verb in _RING and len(rest) <= 2 and rest[0] not in _DETERMINERS | _PRONOUNS | {"you", "him", "her"}:
            return True
        if sense.action == "send" and rest[0] not in ("me", "us", "you") and any(word in ("that", "saying") for word in rest[1:5]):
            return True
        if sense.wants == "thing":
            until = next((at for at, word in enumerate(rest) if word in _DICTATES), len(rest)) if sense.action in _DICTATION else len(rest)
            return any(self._is(word, self._live if sense.tier == "read" else self._things) for word in rest[:until])
        if sense.wants != "any":
            return any(self._is(word, _CLASSES[sense.wants]) for word in rest[:6])
        return (
            verb in _SURE_VERBS
            or rest[0] in _DETERMINERS | _PRONOUNS
            or any(self._is(word, self._things) for word in rest)
            or any(word.isdigit() for word in rest)
        )

    def _of_the_heart(self, rest: Sequence[str]) -> bool:
        if not any(word in HEART or word in SMALL_TALK for word in rest):
            return False
        return not any(self._is(word, self._things) for word in rest)

    @staticmethod
    def _is(word: str, of: Collection[str]) -> bool:
        return word in of or (word.endswith("s") and word[:-1] in of)

    def _nominal(self, words: Sequence[str]) -> Order | None:
        """ "Run a factory reset of the hub"."""
        if words[0] in NOMINAL and words[1:2] == ["of"]:
            return Order(NOMINAL[words[0]], "destructive", words[0], tuple(words[2:]))
        if base(words[0]) not in NOMINAL_VERBS and words[0] not in NOMINAL_VERBS:
            return None
        for at in range(1, min(6, len(words))):
            if words[at] in NOMINAL and not (words[0] == "make" and words[at] == "format"):
                return Order(NOMINAL[words[at]], "destructive", words[at], tuple(words[1:]))
            if words[at] in ("of", "for", "to", "on", "that", "workflow", "job", "script"):
                return None
        return None

    def _wished(self, words: Sequence[str]) -> Order | None:
        """ "I want all my data deleted", "get the server rebooted", "I would like the lights on", "I need a timer"."""
        text = " ".join(words)
        duty = _DUTY.match(text)
        if duty is not None and (verb := base(duty[2])) is not None and is_participle(duty[2]):
            return self._imperative([verb, *duty[3].split(), *duty[1].split()])
        wish = re.match(
            r"^(?:i (?:want|need|would like|would love|d like)|we (?:want|need)|get|have|see that|see to it that|make sure(?: that)?|"
            r"ensure(?: that)?|give me|can i (?:get|have)) ",
            text,
        )
        if wish is None:
            return None
        rest = [word for word in text[wish.end() :].split() if word not in ("is", "are", "gets", "be")]
        if wish[0] == "have " and rest[-1:] in (["finished"], ["ended"], ["stopped"], ["started"], ["run"]):
            return None
        for at in range(1, len(rest)):
            word, verb = rest[at], base(rest[at])
            if word in ("gone", "removed"):
                return Order("erase", "destructive", "remove", tuple(rest[:at]))
            if word in ("on", "off") and at == len(rest) - 1 and any(self._is(other, self._things) for other in rest[:at]):
                return Order(f"turn_{word}", "write", "turn", (*rest[:at], *rest[at + 1 :]))
            if verb is not None and is_participle(word):
                found = self._imperative([verb, *rest[at + 1 :][:1], *rest[:at], *rest[at + 2 :]]) if at + 1 < len(rest) else None
                found = found or self._imperative([verb, *rest[:at], *rest[at + 1 :]])
                if found is not None:
                    return found
        if any(word in _WANTED for word in rest[:5]) and rest[0] in ("a", "an", "the", "some", "another", "one"):
            return Order("have", "write", "have", tuple(rest))
        return None

    def _terse(self, words: Sequence[str]) -> Order | None:
        """ "Kitchen lights off", "ten minute timer"."""
        if len(words) > 7 or len(words) < 2 or any(word in SPEAKS for word in words):
            return None
        switch = next((at for at in range(1, min(5, len(words))) if words[at] in ("on", "off", "out")), None)
        if (
            switch is not None
            and self._is(words[switch - 1], APPLIANCES)
            and (switch == len(words) - 1 or words[switch + 1] in ("in", "for", "at"))
        ):
            return Order("turn_on" if words[switch] == "on" else "turn_off", "write", "turn", (*words[:switch], *words[switch + 1 :]))
        if any(word in ("timer", "alarm", "reminder") for word in words) and any(_counts(word) for word in words):
            return Order("have", "write", "have", tuple(words))
        if len(words) <= 3 and words[-1] in ("up", "down") and self._is(words[-2], APPLIANCES):
            return Order("set", "write", "turn", tuple(words))
        at = next((at for at in range(1, min(4, len(words))) if words[at] in ("to", "at")), None)
        if (
            at is not None
            and self._is(words[at - 1], APPLIANCES | {"thermostat", "temperature", "brightness"})
            and any(map(_counts, words[at + 1 :]))
        ):
            return Order("set", "write", "set", tuple(words))
        return None


def _counts(word: str) -> bool:
    return (
        word[0].isdigit()
        or word
        in _DETERMINERS - word_set("the a an my our your his her their this that these those all every each any some both no another")
        or word in word_set("eleven twelve thirteen fifteen twenty thirty forty fifty sixty ninety half hour")
    )


_AFTER_PARTICLE = word_set("in for at to by and when after from until with on now tonight tomorrow before if")


def _verb_phrases(words: Sequence[str]) -> list[tuple[tuple[Verb, ...], list[str]]]:
    """The verbs that `words` can begin with, longest first, each with what is left when it is taken out."""
    found = []
    for size in (4, 3, 2):
        senses = VERBS.get(" ".join(words[:size])) if len(words) >= size else None
        if senses:
            found.append((senses, list(words[size:])))
    for at in range(2, min(8, len(words))):
        senses = VERBS.get(f"{words[0]} {words[at]}") if words[at] in PARTICLES else None
        # "Turn on the fan on the left": a particle ends the clause or stands before a preposition, else it is a preposition itself.
        if senses and words[at - 1] != "upside" and (at == len(words) - 1 or words[at + 1] in _AFTER_PARTICLE):
            found.append((senses, [*words[1:at], *words[at + 1 :]]))
            break
    alone = VERBS.get(words[0])
    return [*found, (alone, list(words[1:]))] if alone else found


def _is_idiom(words: Sequence[str]) -> bool:
    return any(tuple(words[:size]) in IDIOMS for size in range(2, LONGEST + 1))


def _tier(sense: Verb, rest: Sequence[str]) -> Tier:
    """How bad a verb with its object is: "schedule a shutdown" is as bad as shutting down, calling a shutdown off is not."""
    harmless = sense.tier != "write" or sense.action in _DICTATION or sense.action in _ENDING
    return sense.tier if harmless or not set(rest) & NOMINAL.keys() - {"format"} else "destructive"


_ENDING = word_set("cancel stop pause disable")


def _unreal(text: str) -> bool:
    stripped = re.sub(rf"^(?:(?:{POLITE})\b ?)+", "", text)
    return _UNREAL.match(stripped) is not None and GERUND.match(stripped) is None


def _talked_about(order: Order, text: str) -> bool:
    """Whether the words of an order are only spoken about: "delete all data is what he said"."""
    if order.action in _DICTATION:
        return False
    if _REPORTED.search(text) or _IF_LATER.search(text):
        return True
    return _FINITE.search(_NEW_CLAUSE.sub("", " ".join(order.object))) is not None
