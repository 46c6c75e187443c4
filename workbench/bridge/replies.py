"""Yes and no: what the user's words mean while an action waits for them. Words are matched as words, never as parts of words.

The rule is one-sided on purpose. A yes must be nothing but a yes: every word of it is a word of agreement, of politeness, or names
the action itself. A no may stand among other words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from workbench.bridge.words import MAX_TEXT, close, phrase_list, tokens, word_set

CONFIRM_PHRASE = "confirm and proceed"
IRREVERSIBLE_PHRASE = "confirm irreversible action"
ABORT_PHRASES = ("cancel that", "never mind", "abort")
REPLY_PHRASES = (CONFIRM_PHRASE, IRREVERSIBLE_PHRASE, *ABORT_PHRASES, "yes", "no")
"""For recognisers with a closed grammar."""

Reply = Literal["irreversible", "confirm", "abort"]

_LEADS = word_set("um uh er oh well actually please okay ok sorry wait so hey and but yes yeah")
_ABORT_STARTS = phrase_list(
    "no", "nope", "nah", "stop", "cancel", "abort", "never", "negative", "not now", "not yet", "do not", "please do not", "forget it",
    "forget that", "forget about it", "leave it", "scratch that", "i changed my mind", "i have changed my mind", "i would rather not",
    "i do not want", "better not",
)  # fmt: skip
_ABORT_ANYWHERE = phrase_list(
    "never mind", "cancel that", "cancel it", "abort that", "abort it", "stop it", "stop that", "forget it", "changed my mind", "do not do",
    "do not confirm", "not confirm", "do not proceed", "not proceed",
)  # fmt: skip
_ABORT_ENDS = frozenset({"no", "stop", "cancel", "abort"})
_ABORT_ENDS_WITHIN = 6
"""Words; in a longer utterance a last "stop" is likelier part of a story."""
_NOT_ABORT = phrase_list(
    "no problem", "no worries", "no idea", "no doubt", "no wonder", "no kidding", "no one", "do not stop", "do not cancel", "do not abort",
    "do not forget", "do not wait", "do not worry", "do not mind", "never cancel",
)  # fmt: skip

_YES_WORDS = word_set("yes yeah yep yup sure confirm confirmed proceed absolutely definitely certainly affirmative")
_YES_PHRASES = phrase_list("go ahead", "do it", "of course", "please do", "go for it", "sounds good")
_POLITE = word_set(
    "please right now and i am we that it is okay ok oh um uh er well so know understand think thank thanks you the a this action correct "
    "really just then fine good very much indeed go ahead do of course for sounds still want to my by all means"
)


def read_reply(text: str, action_words: Collection[str] = ()) -> Reply | None:
    """What `text` means to a waiting action, None when it is about something else.

    `action_words` are words that name the action ("yes, delete it" agrees to a deletion).
    """
    said = tokens(text[:MAX_TEXT])
    if says_abort(said):
        return "abort"
    # An agreement is short, and a question is none.
    if not said or len(said) > 15 or text.rstrip().endswith("?"):
        return None
    said = _without(said, _NOT_ABORT)
    if any(not (word in _POLITE or word in action_words or word == "irreversible" or _is_yes(word)) for word in said):
        return None
    if "irreversible" in said and any(close(word, "confirm") or word == "confirmed" for word in said):
        return "irreversible"
    if any(_is_yes(word) for word in said) or any(_holds(said, phrase) for phrase in _YES_PHRASES):
        return "confirm"
    return None


def says_abort(said: Sequence[str]) -> bool:
    """Whether these tokens call an action off."""
    rest = _without(said, _NOT_ABORT)
    while rest and rest[0] in _LEADS:
        rest = rest[1:]
    if any(tuple(rest[: len(phrase)]) == phrase for phrase in _ABORT_STARTS) or any(_holds(rest, phrase) for phrase in _ABORT_ANYWHERE):
        return True
    return 0 < len(rest) <= _ABORT_ENDS_WITHIN and rest[-1] in _ABORT_ENDS


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
