"""Yes and no: what the user's words mean while an action waits for them. Words are matched as words, never as parts of words.

The rule is one-sided on purpose. A yes must be nothing but a yes: every word of it is a word of agreement, of politeness, or names
the action itself. A no may stand among other words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

from workbench.bridge.concepts import concept, concepts
from workbench.bridge.hearing import mended
from workbench.bridge.lexicon import THINGS, VERBS, base
from workbench.bridge.words import MAX_TEXT, close, phrase_list, tokens, word_set

CONFIRM_PHRASE = "confirm and proceed"
IRREVERSIBLE_PHRASE = "confirm irreversible action"
ABORT_PHRASES = ("cancel that", "never mind", "abort")
REPLY_PHRASES = (CONFIRM_PHRASE, IRREVERSIBLE_PHRASE, *ABORT_PHRASES, "yes", "no")
"""For recognisers with a closed grammar."""

Reply = Literal["irreversible", "confirm", "abort"]

_LEADS = word_set(
    "um uh er oh well actually please okay ok sorry wait so hey and but yes yeah hm hmm ah look listen right hold on god sure i said think"
)
_ABORT_STARTS = phrase_list(
    "no", "nope", "nah", "stop", "cancel", "abort", "never", "negative", "not now", "not yet", "do not", "please do not", "forget it",
    "forget that", "forget about it", "forget about that", "leave it", "scratch that", "i changed my mind", "i have changed my mind",
    "i would rather not", "rather not", "i do not want", "i do not think so", "better not", "absolutely not", "definitely not",
    "certainly not", "of course not", "obviously not", "probably not", "not really", "not at all", "not a chance", "hell no", "let us not",
    "you should not", "we should not", "i did not mean", "i did not ask", "i did not say", "that is not what i", "that is wrong",
    "i take it back",
    "i take that back", "call it off", "call that off", "hold off", "back out", "drop it", "skip it", "skip that", "not that", "not this",
    "i do not confirm", "i can not confirm", "i am not confirming", "i refuse", "denied", "undo that", "strike that", "quit", "halt",
    "do nothing",
    "i am not sure about that", "i was only joking", "just kidding", "i am kidding", "under no circumstances", "not today", "not anymore",
    "let it be", "let it go", "let them be", "wrong",
)  # fmt: skip
_ABORT_ANYWHERE = phrase_list(
    "never mind", "cancel that", "cancel it", "abort that", "abort it", "stop it", "stop that", "forget it", "changed my mind", "do not do",
    "do not confirm", "not confirm", "do not proceed", "not proceed", "call it off", "do not want that", "do not want it",
    "do not go ahead",
    "rather not", "absolutely not", "of course not", "definitely not", "prefer not", "better not",
)  # fmt: skip
_ABORT_ENDS = frozenset({"no", "stop", "cancel", "abort"})
_ABORT_ENDS_WITHIN = 6
_TELLS = word_set("how what why when who he she they it my")
"""Words that begin a story or a question rather than an answer."""
"""Words; in a longer utterance a last "stop" is likelier part of a story."""
_MISHEARD_NO = (["know"], ["noe"])
_REFUSAL_WITHIN = 9
_NOT_ABORT = phrase_list(
    "can not be undone", "can not be reversed", "no way back", "no going back", "never have i", "stop me if", "do not you just",
    "do not you think", "do not you love",
    "no problem", "no worries", "no idea", "no doubt", "no wonder", "no kidding", "no one", "do not stop", "do not cancel", "do not abort",
    "do not forget", "do not wait", "do not worry", "do not mind", "never cancel", "not a problem", "no objection", "no objections",
    "no rush",
    "no matter", "no need to wait", "no more than", "no less than", "no longer", "no sweat", "do not hesitate", "why not", "never been",
    "never seen",
    "never heard", "never knew", "never had", "never tried", "never ending", "stop sign", "stop by",

    "no such thing", "no pressure", "stop motion", "no time like",
)  # fmt: skip
_KEEPS = re.compile(
    r"^(?:please |just |no )*(?:leave|keep|let) (?:it|them|that|those|everything|things|the [\w ]+?|my [\w ]+?|all of (?:it|them)) "
    r"(?:on|off|alone|be|as|open|closed|running|there|in|where|how|like|the way|untouched|up|stay|for now|please)\b"
)
_POLITELY = re.compile(
    r"^(?:please|just|now|can you|could you|would you|will you|can we|could we|let us|let me|i want to|i would like to|i want you to|"
    r"we should|"
    r"i think we should|you can|you should|i have to|i need to|oops|whoa|yikes|hey|thanks but|hmm|on second thoughts?) "
)
_REFUSALS = re.compile(
    r"^(?:"
    r"(?:cancel|abort|stop|scrap|scratch|ignore|disregard|withdraw|abandon|veto|ditch|nix|drop|undo|forget|retract|reject|decline|halt|"
    r"discard) "
    r"(?:it|that|this|them|those|everything|all of (?:it|that)|the (?:whole thing|operation|action|request|command|process|last (?:one|"
    r"request|command))|"
    r"my (?:last )?(?:request|command)|mission|what i said|i said(?: anything| that)?)\b"
    r"|(?:cancel|abort|stop|decline|pass|refuse)(?: please| now)?$"
    r"|i (?:decline|refuse|pass|object|withdraw)\b|i (?:am having|have|had|have had) second thoughts|second thoughts?"
    r"|keep (?:it|them|that|those|this|everything|my|the|all)\b|i (?:(?:want|would like|need|prefer) to|will|would rather) keep\b|"
    r"not (?:the|that|this|those|these|my)\b"
    r"|(?:that is|it is|this is|that was|it was|this was)? ?(?:a )?(?:really |very )?(?:bad idea|mistake|the wrong one|wrong one|"
    r"a wrong one|not necessary|"
    r"not needed|unnecessary|not a good idea|not right)\b"
    r"|(?:that|this|it) will not be (?:necessary|needed)|no need|not (?:now|yet|today|necessary|needed|so fast|right now|really|"
    r"a good idea|any ?more|this time|like that)\b"
    r"|(?:that|it|this) is a (?:hard )?no\b|hard no\b|i am afraid not|i think not|not confirmed|permission denied|(?:rejected|denied|nay|"
    r"nein|non)$"
    r"|maybe not|perhaps not|maybe later|later maybe|perhaps later|some other time|another time|not (?:just )?yet"
    r"|hold it|hold everything|hold your horses|never$|uh uh$|nuh uh$|wrong$|oops$|thanks but no thanks|i made a mistake|i did not mean"
    r"|do not you dare"
    r")"
)
"""How refusals are said without a no."""
_TITLE = re.compile(
    r"^(?!(?:cancel|abort|stop) (?:that|it)\b).*(?<!it)(?<!that)(?<!this)(?<!what)(?<!there) (?:is|was|are|were) "
    r"(?:a|an|my|one|the|such|by|your|great|good)\b"
)
"""A verb of being after the "no": "Nevermind by Nirvana is a great album". Only where it tells what something is: "no, people are still
in there" is a no, and so is everything after "cancel that"."""
_STOP_SIGNS = re.compile(r"^stop \w+ (?:is|are|was|were)\b")
_ABOUT = word_set("cancel stop abort quit halt")
_SAID_OF_REFUSAL = word_set("drop scrap discard ditch undo withdraw reject")
_THIS_ACTION = word_set("action request operation command thing things it that this process job task everything all order")

_YES_WORDS = word_set(
    "yes yeah yep yup yea ya aye sure confirm confirmed proceed absolutely definitely certainly affirmative agreed approved roger "
    "positive naturally totally ja si oui"
)
_YES_PHRASES = phrase_list(
    "go ahead", "do it", "of course", "please do", "go for it", "sounds good", "sounds great", "let us do it", "let us do this",
    "let us go", "make it so",
    "you bet", "by all means", "works for me", "fine by me", "fine with me", "i agree", "be my guest", "that is correct", "that works",
    "do that",
    "you may", "you can", "go on", "that is what i want", "that is the one", "you have my permission", "please continue",
    "permission granted", "it is a yes", "why not", "do so", "that is right", "i said yes", "you got it", "good to go", "green light",
    "thumbs up", "looks good", "looks right", "that will do", "i would like that",
    "why yes", "hundred percent", "consider it confirmed",
)  # fmt: skip
_POLITE = word_set(
    "please right now and i am we that it is okay ok oh um uh er well so know understand think thank thanks you the a this action correct "
    "really just then fine good great very much indeed go ahead do of course for sounds still want to my by all means obviously exactly "
    "let us make bet "
    "works me with agree on one have permission in an got mm mhm certain boss hey dear one a all looks me risk risks permanent "
    "consequences be guest may continue permission "
    "granted will can has have sir them one "
    "those these both ones totally perfect "
    "cool alright "
    "hm hmm yes thing immediately quickly already everything every all mean up"
)
_HEARD_AS = {
    "shore": "sure",
    "coarse": "course",
    "mine": "mind",
    "cansell": "cancel",
    "mined": "mind",
    "cansel": "cancel",
    "cancell": "cancel",
    "council": "cancel",
    "aboard": "abort",
    "abhort": "abort",
    "noe": "no",
    "yess": "yes",
    "know": "now",
}
_MISHEARD_PAIRS = (("never", "mined"), ("never", "mine"), ("right", "know"))
_LONG_NO = re.compile(r"noo+")
_WHOLE = word_set(
    "cansell forget confirm confirmed proceed ahead irreversible cancel abort never mind affirmative absolutely definitely action "
    "certainly agreed"
)


def read_reply(text: str, action_words: Collection[str] = ()) -> Reply | None:
    """What `text` means to a waiting action, None when it is about something else.

    `action_words` are words that name the action ("yes, delete it" agrees to a deletion).
    """
    said = _heard(tokens(text[:MAX_TEXT]))
    if says_abort(said, action_words) and not _agrees_to_cancel(said, action_words):
        return "abort"
    # An agreement is short, and a question is none.
    if not said or len(said) > 15 or text.rstrip().endswith("?"):
        return None
    agreed = any(_holds(said, phrase) for phrase in _YES_PHRASES)
    said = _without(_without(said, _NOT_ABORT), _YES_PHRASES)
    if _names_the_deed(said, action_words):
        return "confirm"
    if any(not (word in _POLITE or word in action_words or word == "irreversible" or _is_yes(word)) for word in said):
        return None
    if "irreversible" in said and any(close(word, "confirm") or word == "confirmed" for word in said):
        return "irreversible"
    if said in (["correct"], ["exactly"], ["fine"]) or any(_is_yes(word) for word in said) or agreed:
        return "confirm"
    return None


def _names_the_deed(said: Sequence[str], action_words: Collection[str]) -> bool:
    """ "Send it": the waiting action's own verb, and nothing but a pronoun. Not where the same tool also does the opposite."""
    words = [word for word in said if word not in ("please", "now", "just", "then", "okay", "ok", "down", "off", "up", "on", "out")]
    both_ways = "start" in action_words and "stop" in action_words
    if both_ways or len(words) != 2 or words[0] not in action_words or words[1] not in _DEED_OBJECTS:
        return False
    return words[0] not in THINGS and any(sense.tier != "read" for sense in VERBS.get(words[0], ()))


_DEED_OBJECTS = word_set("it them that this all everything")


def _agrees_to_cancel(said: Sequence[str], action_words: Collection[str]) -> bool:
    """ "Yes, cancel it", where cancelling is what waits, and all that the tool can do."""
    verbs = (_ABOUT | _SAID_OF_REFUSAL) & set(said)
    return (
        bool(said)
        and _is_yes(said[0])
        and bool(verbs)
        and all(verb in action_words for verb in verbs)
        and "start" not in action_words
        and all(word in _POLITE or word in action_words or _is_yes(word) for word in said)
    )


def says_abort(said: Sequence[str], action_words: Collection[str] = ()) -> bool:
    """Whether these tokens call an action off. One of `action_words` may be called off by name; what is called by another name is
    something else ("cancel my newspaper subscription" while a lamp waits)."""
    rest = _without(said, _NOT_ABORT)
    starts = [rest]
    while rest and rest[0] in _LEADS:
        rest = rest[1:]
        starts.append(rest)
    if any(_TITLE.search(" ".join(start)) or _STOP_SIGNS.match(" ".join(start)) for start in starts) or _names_another(rest, action_words):
        return False
    if _names_and_drops(rest, action_words):
        return True
    if list(said) in _MISHEARD_NO or any(_refuses(start) for start in starts):
        return True
    if any(_holds(rest, phrase) for phrase in _ABORT_ANYWHERE):
        return True
    return (
        0 < len(rest) <= _ABORT_ENDS_WITHIN and rest[-1] in _ABORT_ENDS and rest[0] not in _TELLS and not {"is", "was", "said"} & set(rest)
    )


def _refuses(said: Sequence[str]) -> bool:
    """Whether words begin with a refusal."""
    text = " ".join(said)
    while (shorter := _POLITELY.sub("", text)) != text:
        text = shorter
    if any(tuple(start[: len(phrase)]) == phrase for start in (said, text.split()) for phrase in _ABORT_STARTS):
        return True
    return _KEEPS.match(text) is not None or (len(said) <= _REFUSAL_WITHIN and _REFUSALS.match(text) is not None)


def _names_and_drops(rest: Sequence[str], action_words: Collection[str]) -> bool:
    """ "Forget the report", "skip the timer": the waiting action is named, and its verb is not its own."""
    words = [word for word in rest if word != "about"]
    if len(words) < 3 or words[0] not in _DROPS or words[0] in action_words or words[1] not in ("the", "my", "that", "this"):
        return False
    own = concepts(tuple(action_words))
    return len(words) <= 5 and any(word in action_words or concept(word) in own for word in words[2:])


_DROPS = word_set("forget skip leave drop ditch scrap")


def _names_another(rest: Sequence[str], action_words: Collection[str]) -> bool:
    """ "Cancel" or "stop" with an object that is not the waiting action."""
    if not rest or rest[0] not in _ABOUT or len(rest) < 2 or rest[1] in _THIS_ACTION:
        return False
    told = [word for word in rest[1:] if word in THINGS or word.rstrip("s") in THINGS]
    own = concepts(tuple(action_words))
    if not told or any(word in action_words or base(word) in action_words or concept(word) in own for word in told):
        return False
    return not (set(told) <= _THIS_ACTION or ("send" in action_words and any(concept(word) == "message" for word in told)))


def _heard(said: Sequence[str]) -> list[str]:
    """Words of a reply put together again, and what sounds like them, where only they make sense."""
    words = ["no" if _LONG_NO.fullmatch(word) else word for word in mended(said, _WHOLE, shortest=5)]
    return [
        _HEARD_AS[word] if word in _HEARD_AS and (word not in ("know", "mined", "mine") or (before, word) in _MISHEARD_PAIRS) else word
        for before, word in zip(["", *words], words, strict=False)
    ]


def _is_yes(word: str) -> bool:
    return word in _YES_WORDS or close(word, "confirm") or close(word, "proceed")


def _holds(said: Sequence[str], phrase: tuple[str, ...]) -> bool:
    return any(tuple(said[at : at + len(phrase)]) == phrase for at in range(len(said) - len(phrase) + 1))


def _without(said: Sequence[str], phrases: Sequence[tuple[str, ...]]) -> list[str]:
    left, at = [], 0
    while at < len(said):
        found = next((phrase for phrase in phrases if tuple(said[at : at + len(phrase)]) == phrase), None)
        if found is None:
            left.append(said[at])
        at += len(found) if found else 1
    return left
