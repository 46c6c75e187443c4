"""How well a talk keeps to its persona, without a judge: name, facts and figures, role, refusals, share and rate of speech, drift.

Everything is read from the turns' words by rules, so what is said in words that the rules do not know is missed, on both sides of a
comparison alike. Where a measure has nothing to say about a talk (nothing was asked) it is None, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluation.identity import inverts_role, names_told, refusals, wrong_name
from evaluation.prompt_facts import DAYS, Detail, Fact, Knowledge, knowledge, names_in, spoken
from evaluation.spoken_figures import MONTHS, Figure, agreeing, figures
from evaluation.turns import Turn, answer_to, of
from workbench.bridge.words import sentences, tokens
from workbench.personas import Persona

THIRDS = 3

_NO_NAME = re.compile(r"[\"“][^\"“”]*[\"”]|\b(?:Mr|Mrs|Ms|Dr|Miss|Sir|Madam|Ma'am)\b\.?|\b[A-Z]{1,3}\b")


@dataclass(frozen=True, slots=True)
class Recall:
    """What was asked for and told."""

    tellings: tuple[tuple[Fact, float], ...]
    """Each fact that the user's words asked for, as often as they did, and the share of the asked details that the answer holds."""

    @property
    def asked(self) -> int:
        """How many facts were asked for."""
        return len(self.tellings)

    @property
    def share(self) -> float | None:
        """Mean share told, 0 to 1; None when no fact was asked for."""
        return sum(told for _fact, told in self.tellings) / self.asked if self.asked else None


def recall(known: Knowledge, turns: Sequence[Turn]) -> Recall:
    """Facts asked for by the user's words, and how much of them the agent's answer (`answer_to`) tells. An answer that never came tells
    nothing of it."""
    tellings: list[tuple[Fact, float]] = []
    for turn in of(turns, "user"):
        wanted = known.asked(turn.text)
        if wanted:
            answer = spoken(" . ".join(part.text for part in answer_to(turns, turn)))
            tellings += [(fact, sum(map(answer.holds, details)) / len(details)) for fact, details in wanted]
    return Recall(tuple(tellings))


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that an agent said, and which of them it has from nowhere or against its prompt."""

    said: int
    invented: tuple[tuple[Turn, Figure], ...]
    """Neither in the prompt, nor in the user's words before, nor in a tool's result. Sums worked out from them count as invented."""
    contradicted: tuple[tuple[Turn, Figure], ...]
    """Said of a fact that has figures of this kind, but none that agrees. May be invented as well, or be another fact's figure."""


def figures_said(prompt: str, known: Knowledge, turns: Sequence[Turn], tool_results: Sequence[str] = ()) -> Figures:
    """Every figure of the agent's turns, sentence by sentence. What a sentence is about: the facts that share most with its words, else
    those that the user asked for last. A sentence that also holds the right figure contradicts nothing ("not 50 but 45 dollars")."""
    given = [*figures(prompt), *(figure for result in tool_results for figure in figures(result))]
    heard: list[Figure] = []
    asked: list[Fact] = []
    count = 0
    invented: list[tuple[Turn, Figure]] = []
    contradicted: list[tuple[Turn, Figure]] = []
    for turn in turns:
        if turn.speaker == "user":
            heard += figures(turn.text)
            asked = [fact for fact, _details in known.asked(turn.text)] or asked
            continue
        for sentence in sentences(turn.text):
            told = figures(sentence)
            count += len(told)
            invented += [(turn, figure) for figure in told if not agreeing(figure, given) and not agreeing(figure, heard)]
            subjects = known.about(sentence) or asked
            contradicted += [(turn, figure) for figure in told if _contradicts(figure, told, subjects)]
    return Figures(count, tuple(invented), tuple(contradicted))


def _contradicts(figure: Figure, told: Sequence[Figure], subjects: Sequence[Fact]) -> bool:
    if figure.kind == "number":
        return False
    right = [detail.figure for fact in subjects for detail in fact.details if _of_kind(detail, figure)]
    return bool(right) and not any(agreeing(known, told) for known in right if known is not None)


def _of_kind(detail: Detail, figure: Figure) -> bool:
    return detail.figure is not None and detail.figure.kind == figure.kind


def names_invented(persona: Persona, turns: Sequence[Turn], tool_results: Sequence[str] = ()) -> list[tuple[Turn, str]]:
    """Proper names that the agent said and has from nowhere: a word of them stands neither in the prompt, nor in what the user said before,
    nor in a tool's result. What it quotes, months, weekdays, titles and abbreviations of up to three capitals are none. Needs a transcript
    with capitals: in one without, no name is found."""
    held = set(tokens(" ".join([persona.name, persona.prompt, *tool_results])))
    found = []
    for turn in turns:
        if turn.speaker == "user":
            held |= set(tokens(turn.text))
            continue
        for sentence in sentences(_NO_NAME.sub(" ", turn.text)):
            for name in names_in(sentence):
                if any(word.removesuffix("s") not in held and word not in held and not _of_the_calendar(word) for word in name):
                    found.append((turn, " ".join(name)))
    return found


def _of_the_calendar(word: str) -> bool:
    return word in MONTHS or word.removesuffix("s") in DAYS


def talk_ratio(turns: Sequence[Turn]) -> float | None:
    """The agent's share of all speech, 0 to 1, from the turns' durations in ms; None of a silent talk."""
    agent, user = (sum(turn.duration_ms for turn in of(turns, side)) for side in ("agent", "user"))
    return agent / (agent + user) if agent + user else None


def words_per_minute(turns: Sequence[Turn]) -> float | None:
    """The agent's speaking rate: words over the minutes of its turns, pauses inside them included, of turns that ran to their end. None
    when it finished none."""
    whole = [turn for turn in of(turns, "agent") if turn.words and turn.duration_ms and not turn.interrupted]
    minutes = sum(turn.duration_ms for turn in whole) / 60_000
    return sum(turn.words for turn in whole) / minutes if minutes else None


def words_per_turn(turns: Sequence[Turn]) -> float | None:
    """Words of an agent's turn, mean; None when it took none."""
    own = of(turns, "agent")
    return sum(turn.words for turn in own) / len(own) if own else None


def drift(turns: Sequence[Turn], value: Callable[[Sequence[Turn]], float | None]) -> float | None:
    """The slope of `value` over the thirds of a talk, in its unit per third: that of the least-squares line through three points, which is
    half the last less the first. A turn belongs to the third of the talk's time that it begins in. None when a third has no value."""
    length = max((max(turn.start_ms, turn.end_ms) for turn in turns), default=0.0)
    if not length:
        return None
    parts: list[list[Turn]] = [[] for _ in range(THIRDS)]
    for turn in turns:
        parts[min(THIRDS - 1, int(THIRDS * max(0.0, turn.start_ms) / length))].append(turn)
    values = [value(part) for part in parts]
    first, last = values[0], values[-1]
    return (last - first) / 2 if first is not None and last is not None and None not in values else None


def adherence(
    persona: Persona, turns: Sequence[Turn], *, facts: Knowledge | None = None, tool_results: Sequence[str] | None = ()
) -> dict[str, float | None]:
    """All measures of one talk by name; `evaluation.measured` holds their titles, units and directions.

    `facts` are those that recall is counted over, where personas are compared: a persona whose prompt lost a fact must be asked for it too.
    None: the persona's own. `tool_results` None: unknown, and then nothing can be called invented of a persona with tools.
    """
    own = knowledge([(persona.name, persona.prompt)])
    told = recall(facts or own, turns)
    said = figures_said(persona.prompt, own, turns, tool_results or ())
    # Others may talk of all the world; behind a counter a name from nowhere is a promise that nobody made.
    named = names_invented(persona, turns, tool_results or ()) if persona.role == "customer_service" else None
    refused = refusals(own, turns)
    agent = of(turns, "agent")
    unknown = bool(persona.tools) and tool_results is None
    at_fault = {turn for turn, _figure in (*said.contradicted, *(() if unknown else said.invented))} | set(refused.given_in)
    at_fault |= {turn for turn, _name in named or () if not unknown}
    at_fault |= {turn for turn in agent if wrong_name(turn, persona.name, persona.prompt) or inverts_role(turn, persona.role)}

    def faulty(part: Sequence[Turn]) -> float | None:
        spoke = of(part, "agent")
        return sum(turn in at_fault for turn in spoke) / len(spoke) if spoke else None

    return {
        "name_right": names_told(persona.name, persona.prompt, turns).share_right,
        "facts_asked": float(told.asked),
        "fact_recall": told.share,
        "figures_said": float(said.said),
        "figures_invented": None if unknown else float(len(said.invented)),
        "figures_contradicted": float(len(said.contradicted)),
        "names_invented": None if unknown or named is None else float(len(named)),
        "role_inversion": sum(inverts_role(turn, persona.role) for turn in agent) / len(agent) if agent else None,
        "refusals_kept": refused.share_kept,
        "faulty_turns": faulty(turns),
        "talk_ratio": talk_ratio(turns),
        "words_per_minute": words_per_minute(turns),
        "words_per_turn": words_per_turn(turns),
        "drift_faulty_turns": drift(turns, faulty),
        "drift_words_per_minute": drift(turns, words_per_minute),
    }
