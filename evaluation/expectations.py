"""What a scenario expects, judged from the talk that was held.

Turns, backchannels and pauses are those of `workbench.dynamics`, over the edges that the talk's own detectors found; where a step fell is
known from what was played. One thing the tracks alone cannot tell: between two steps that the script means as one the floor is the user's,
so that an acknowledgement in the pause is a backchannel although nobody speaks there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from evaluation.heard_talk import HeardTalk
from evaluation.hold import HeldTalk
from evaluation.scenario import (
    Answers,
    Expectation,
    Ignores,
    NoTool,
    Says,
    Scenario,
    Silent,
    TalkRatio,
    TalksOn,
    Tool,
    Turns,
    Yields,
    steps_named,
)
from workbench.bridge.fidelity import spoken_words
from workbench.dynamics.barge_ins import YIELD_WINDOW_MS
from workbench.dynamics.segments import SAMPLES_PER_MS, Segment

WHOLE = ("completed", "time_limit")
"""A talk that ended otherwise broke off: what did not happen in it tells nothing."""

Finding = tuple[bool, str]
"""Whether the expectation is met, and what was found."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, judged. `found` and `wanted` are for people, with the values that decided."""

    name: str
    """The expectation and what it is about, such as `answers rest`; a second one of that name ends in ` (2)`."""
    passed: bool
    found: str
    wanted: str


def judge(scenario: Scenario, held: HeldTalk) -> list[Verdict]:
    """A verdict for each expectation, in the order of the file. A step that was never played fails what names it, and a talk that broke
    off fails everything. Raises ValueError for a talk without events."""
    talk = HeardTalk(held)
    seen: Counter[str] = Counter()
    verdicts = []
    for expectation in scenario.expect:
        name = _name(expectation)
        seen[name] += 1
        fault = _fault(expectation, held)
        passed, found = (False, fault) if fault is not None else _judged(expectation, talk)
        verdicts.append(Verdict(name if seen[name] == 1 else f"{name} ({seen[name]})", passed, found, _wanted(expectation)))
    return verdicts


def _fault(expectation: Expectation, held: HeldTalk) -> str | None:
    """Why nothing can be judged."""
    for step in steps_named(expectation):
        if step in held.missed:
            return f"the step {step!r} was missed: its cue never came"
        if step not in held.spans:
            return f"the step {step!r} was never played: the talk ended before it ({held.ended_reason})"
    return None if held.ended_reason in WHOLE else f"the talk broke off: {held.ended_reason}"


def _name(expectation: Expectation) -> str:
    match expectation:
        case Tool():
            about: tuple[str, ...] = (expectation.tool, expectation.status)
        case Turns():
            about = (expectation.speaker,)
        case _:
            about = steps_named(expectation)
    return " ".join((expectation.expect, *about))


def _wanted(expectation: Expectation) -> str:
    match expectation:
        case Answers():
            return f"speech from {expectation.not_before_ms:.0f} to {expectation.within_ms:.0f} ms after {expectation.after!r}"
        case Silent(between=(first, then)):
            return f"no turn of the agent between {first!r} and {then!r}"
        case Ignores():
            return f"no turn of the agent for {expectation.for_ms:.0f} ms after {expectation.step!r}"
        case Yields():
            return f"silence within {expectation.within_ms:.0f} ms of the onset of {expectation.step!r}"
        case TalksOn():
            return f"speech for {expectation.for_ms:.0f} ms after the onset of {expectation.step!r}, or to the end of its words"
        case Says():
            asked = (("any of", expectation.any_of), ("all of", expectation.all_of), ("none of", expectation.none_of))
            return "; ".join(f"{how} {', '.join(map(repr, phrases))}" for how, phrases in asked if phrases)
        case Tool():
            said = {None: "", True: ", the result said", False: ", the result not said"}[expectation.delivered]
            return f"{expectation.tool} {expectation.status} {expectation.times} times{said}"
        case NoTool():
            return "no tool"
        case Turns():
            most = "" if expectation.at_most is None else f", at most {expectation.at_most}"
            return f"at least {expectation.at_least}{most} turns of the {expectation.speaker}"
        case TalkRatio():
            return f"a talk ratio of {expectation.at_least:.2f} to {expectation.at_most:.2f}"


def _judged(expectation: Expectation, talk: HeardTalk) -> Finding:
    match expectation:
        case Answers():
            return _answers(expectation, talk)
        case Silent():
            return _silent(expectation, talk)
        case Ignores():
            return _ignores(expectation, talk)
        case Yields():
            return _yields(expectation, talk)
        case TalksOn():
            return _talks_on(expectation, talk)
        case Says():
            return _says(expectation, talk)
        case Tool():
            return _tool(expectation, talk)
        case NoTool():
            return not talk.tools_run, f"ran: {', '.join(talk.tools_run)}" if talk.tools_run else "none ran"
        case Turns():
            count = talk.summary.user_turns if expectation.speaker == "user" else talk.summary.agent_turns
            return count >= expectation.at_least and (expectation.at_most is None or count <= expectation.at_most), f"{count} turns"
        case TalkRatio():
            ratio = talk.summary.agent_talk_ratio
            if ratio is None:
                return False, "nobody spoke"
            return expectation.at_least <= ratio <= expectation.at_most, f"{ratio:.2f}"


def _answers(wanted: Answers, talk: HeardTalk) -> Finding:
    step = talk.spans[wanted.after]
    onset = talk.answer_onset(step)
    if onset is None:
        return False, f"the agent said nothing after {wanted.after!r}"
    late_ms = _ms(onset - step.end)
    return wanted.not_before_ms <= late_ms <= wanted.within_ms, f"it began to speak {_beside(late_ms)} the end of {wanted.after!r}"


def _silent(wanted: Silent, talk: HeardTalk) -> Finding:
    first, then = (talk.spans[step] for step in wanted.between)
    pause = Segment(first.end, then.start)
    if pause.end <= pause.start:
        return False, f"there is no pause: {wanted.between[1]!r} begins {_ms(pause.start - pause.end):.0f} ms before the other's end"
    # What was being said when the first step broke in may ring out for as long as an agent may take to yield.
    ringing = first.start + YIELD_WINDOW_MS * SAMPLES_PER_MS
    for speech in talk.floor_taken(Segment(first.start, then.end)):
        if speech.start < pause.end and speech.end > pause.start and (speech.start >= first.start or speech.end > ringing):
            return False, f"it spoke from {_beside(_ms(speech.start - first.end))} the end of {wanted.between[0]!r}, for {speech.ms:.0f} ms"
    return True, f"no turn in {pause.ms:.0f} ms"


def _ignores(wanted: Ignores, talk: HeardTalk) -> Finding:
    step = talk.spans[wanted.step]
    until = step.end + wanted.for_ms * SAMPLES_PER_MS
    # The step claims no floor: without its own sound a turn of the agent that goes on is one turn.
    for turn in talk.agent_turns_without(step):
        if step.start <= turn.start <= until:
            return False, f"a turn of the agent began {_beside(_ms(turn.start - step.end))} the end of {wanted.step!r}"
    return True, "no turn began"


def _yields(wanted: Yields, talk: HeardTalk) -> Finding:
    step = talk.spans[wanted.step]
    speech = talk.agent_speaking_at(step.start)
    if speech is None:
        return False, f"the agent did not speak when {wanted.step!r} began"
    after_ms = _ms(speech.end - step.start)
    return after_ms <= wanted.within_ms, f"silent {after_ms:.0f} ms after the onset"


def _talks_on(wanted: TalksOn, talk: HeardTalk) -> Finding:
    step = talk.spans[wanted.step]
    speech = talk.agent_speaking_at(step.start)
    if speech is None:
        return False, f"the agent did not speak when {wanted.step!r} began"
    after_ms = _ms(speech.end - step.start)
    if after_ms >= wanted.for_ms:
        return True, f"it spoke on for {after_ms:.0f} ms"
    if talk.finished_its_words(speech, since=step.start):
        return True, f"it had said all after {after_ms:.0f} ms"
    return False, f"it broke off {after_ms:.0f} ms after the onset"


def _says(wanted: Says, talk: HeardTalk) -> Finding:
    text = talk.agent_text(after=talk.spans[wanted.after] if wanted.after is not None else None)
    said = f" {' '.join(spoken_words(text))} "

    def holds(phrase: str) -> bool:
        return f" {' '.join(spoken_words(phrase))} " in said

    met = (
        (not wanted.any_of or any(map(holds, wanted.any_of)))
        and all(map(holds, wanted.all_of))
        and not any(map(holds, wanted.none_of))
        # Nothing said is no proof that it would have been said rightly.
        and bool(text)
    )
    return met, f"it said {text!r}" if text else "it said nothing"


def _tool(wanted: Tool, talk: HeardTalk) -> Finding:
    calls = [call for call in talk.tool_calls if call.tool == wanted.tool]
    fitting = [call for call in calls if call.status == wanted.status and wanted.delivered in (None, call.said)]
    found = ", ".join(f"{call.status}{', said' if call.said else ''}" for call in calls) or "never called"
    return len(fitting) == wanted.times, f"{wanted.tool}: {found}"


def _ms(samples: float) -> float:
    return samples / SAMPLES_PER_MS


def _beside(ms: float) -> str:
    return f"{abs(ms):.0f} ms {'after' if ms >= 0 else 'before'}"
