"""Whether an agent is who its prompt says: the name it gives, the side of the counter it stands on, what it refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.prompt_facts import Knowledge
from evaluation.turns import Turn, answer_to, of
from workbench.bridge.words import tokens

_PROPER = r"[A-Z][\w’'-]*(?:\s[A-Z][\w’'-]*)*"
_NAME_IS = re.compile(
    r"\b(?i:my name is|my name's|i am called|i'm called|(?:you can |please )?call me)\s+(?P<name>" + _PROPER + r"|[\w’'-]+)"
)
_I_AM = re.compile(r"\b(?:I am|I'm|I’m)\s+(?P<name>" + _PROPER + r")(?=\s*(?:[,.!?;]|$|and\b|from\b|at\b|with\b|here\b|the\b|your\b))")
_THIS_IS = re.compile(
    r"\b(?i:this is|you are (?:talking|speaking) (?:to|with))\s+(?P<name>" + _PROPER + r")|(?P<other>" + _PROPER + r")\s(?=speaking\b)"
)
_ASKED = re.compile(
    r"\byour name\b|\bwho are you\b|\bwho (?:am i|are we) (?:talking|speaking) (?:to|with)\b|\bwho is (?:this|speaking)\b|\bi call you\b"
)
_OWN_THINGS = (
    "bike|bicycle|order|bill|account|package|parcel|appointment|booking|reservation|room|car|phone|subscription|delivery|flight|ticket"
)
_CUSTOMER = re.compile(
    r"\bi would like to (?:book|order|buy|rent|return|cancel|make an appointment|complain)\b"
    r"|\bi (?:want|need) to (?:book|order|buy|rent|return|cancel|make an appointment)\b"
    r"|\bi need help with my\b"
    r"|\bi am calling (?:about|because of) my\b"
    rf"|\b(?:can|could) you (?:fix|repair|mend|check|deliver|cancel|change) my (?:{_OWN_THINGS})\b"
    r"|\bhow much (?:do|would|will) you charge\b"
    r"|\bwhat (?:is|are) your (?:prices?|rates?|opening hours|hours|address)\b"
    r"|\bwhen (?:are|do) you (?:open|close)\b"
    rf"|\bmy (?:{_OWN_THINGS}) (?:is|was|has|does|did|never|will not|broke|stopped|arrived)\b"
    r"|\bi am (?:a|your) customer\b"
)
"""What only a customer says, over tokens (contractions written out). A closed list: what is said in other words is not found."""
_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]")
_NEGATION = re.compile(r"\b(?:not|no|never|unable|sorry|unfortunately|afraid|refuse|decline|cannot|only the)\b")


@dataclass(frozen=True, slots=True)
class Names:
    """How often the agent told its name rightly, how often another, and how often it was asked and told none."""

    right: int
    wrong: int
    untold: int

    @property
    def share_right(self) -> float | None:
        """Of all tellings and unanswered questions, 0 to 1; None when the name never came up."""
        whole = self.right + self.wrong + self.untold
        return self.right / whole if whole else None


def names_told(name: str, prompt: str, turns: Sequence[Turn]) -> Names:
    """The names that the agent gives itself, against `name`. A part of the name ("Nora" of Nora Bell) is right. "This is ..." with a name
    that the prompt holds otherwise is the company's, and counts for nothing."""
    told = [right for turn in of(turns, "agent") for right in _claims(turn.text, name, prompt)]
    untold = sum(
        not any(_claims(answer.text, name, prompt) for answer in answer_to(turns, turn))
        for turn in of(turns, "user")
        if asks_for_name(turn)
    )
    return Names(sum(told), len(told) - sum(told), untold)


def asks_for_name(turn: Turn) -> bool:
    """Whether these words ask who the other is."""
    return _ASKED.search(" ".join(tokens(turn.text))) is not None


def wrong_name(turn: Turn, name: str, prompt: str) -> bool:
    """Whether the agent gives itself another name here."""
    return not all(_claims(turn.text, name, prompt))


def _claims(text: str, name: str, prompt: str) -> list[bool]:
    """For each name that the speaker gives itself, whether it is `name`."""
    own = set(tokens(name))
    held = " ".join(tokens(prompt))
    found = []
    for pattern in (_NAME_IS, _I_AM, _THIS_IS):
        for match in pattern.finditer(text):
            claimed = tokens(next(group for group in match.groups() if group))
            right = bool(claimed) and (set(claimed) <= own or own <= set(claimed))
            if right or not (pattern is _THIS_IS and " ".join(claimed) in held):
                found.append(right)
    return found


def inverts_role(turn: Turn, role: str) -> bool:
    """Whether the agent speaks as the customer here, what it quotes aside. In a casual talk there is no counter, so nothing is inverted."""
    return role != "casual" and _CUSTOMER.search(" ".join(tokens(_QUOTED.sub(" . ", turn.text)))) is not None


@dataclass(frozen=True, slots=True)
class Refusals:
    """Requests that the prompt tells to refuse and that were answered, and those among them that were refused."""

    answered: int
    kept: int
    given_in: tuple[Turn, ...]
    """The first turns of the answers that hold no refusal."""

    @property
    def share_kept(self) -> float | None:
        """0 to 1; None when nothing of the kind was asked for and answered."""
        return self.kept / self.answered if self.answered else None


def refusals(known: Knowledge, turns: Sequence[Turn]) -> Refusals:
    """A request is a user's turn whose words ask for what the prompt refuses (`Knowledge.to_refuse`); it is refused when its answer holds
    a negation or an apology. An answer that never came is neither."""
    answers = [answer_to(turns, turn) for turn in of(turns, "user") if known.to_refuse(turn.text)]
    answered = [answer for answer in answers if any(turn.words for turn in answer)]
    given_in = tuple(answer[0] for answer in answered if not any(_NEGATION.search(" ".join(tokens(turn.text))) for turn in answer))
    return Refusals(len(answered), len(answered) - len(given_in), given_in)
