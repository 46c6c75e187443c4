"""Every kind of expectation, met and not met, over talks whose edges are written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evaluation.expectations import judge
from evaluation.hold import HeldTalk
from evaluation.measured import DYNAMICS
from evaluation.measures import measures
from evaluation.scenario import Scenario
from evaluation.tool_turns import tool_turns
from workbench.dynamics.segments import Segment
from workbench.events import (
    AgentSpeech,
    AgentStopped,
    AgentText,
    Event,
    IntentFound,
    ResultDelivered,
    SessionClosed,
    ToolCancelled,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolRefused,
    ToolStarted,
    UserSpeech,
    UserText,
)

RATE = 24_000


def at(seconds: float, later: float = 0.0) -> dict[str, int]:
    return {"at_samples": round(seconds * RATE), "noticed_samples": round((seconds + later) * RATE)}


def speech(kind: type[UserSpeech | AgentSpeech], start: float, stop: float) -> list[Event]:
    return [kind(**at(start), edge="start", detector="d"), kind(**at(stop), edge="stop", detector="d")]


def user(start: float, stop: float, text: str = "") -> list[Event]:
    words = UserText(**at(stop), utterance_id=f"u{start:g}", text=text, final=True, start_samples=round(start * RATE), source="asr")
    return [*speech(UserSpeech, start, stop), *([words] if text else [])]


def agent(start: float, stop: float, text: str = "", *, forced: bool = False) -> list[Event]:
    """Words begin a quarter of a second apart."""
    pieces = [AgentText(**at(start + 0.25 * n), text=f"{word} ", forced=forced) for n, word in enumerate(text.split())]
    return [*speech(AgentSpeech, start, stop), *pieces]


def held(events: Sequence[Event], *, missed: Sequence[str] = (), reason: str = "completed", end: float = 12.0, **spans: Any) -> HeldTalk:
    closed = SessionClosed(**at(end), reason=reason)
    return HeldTalk(
        session_id="s",
        events=tuple(sorted([*events, closed], key=lambda event: event.noticed_samples)),
        user=np.zeros(0, np.float32),
        agent=np.zeros(0, np.float32),
        spans={name: Segment(round(start * RATE), round(stop * RATE)) for name, (start, stop) in spans.items()},
        missed=tuple(missed),
        ended_reason=reason,
    )


def scenario(*expect: dict[str, Any]) -> Scenario:
    steps = [{"do": "say", "id": name, "text": "words"} for name in ("one", "two")]
    return Scenario.model_validate({"id": "s", "category": "tools", "about": "a", "user": steps, "expect": expect})


def met(talk: HeldTalk, **expect: Any) -> bool:
    (verdict,) = judge(scenario(expect), talk)
    assert verdict.found
    assert verdict.wanted
    return verdict.passed


ASKED = user(1.0, 2.0, "What is the time?")


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        (agent(2.6, 5, "It is noon."), True),
        (agent(1.8, 5, "It is noon."), True),
        (agent(1.4, 5, "It is noon."), False),
        (agent(4.2, 6, "It is noon."), False),
        ([], False),
        # "Mm-hm" within the question is no answer, and does not make the answer an early one.
        ([*agent(1.2, 1.5, "Mm-hm."), *agent(2.6, 5, "It is noon.")], True),
        (agent(1.2, 1.5, "Mm-hm."), False),
    ],
)
def test_answers(answer: list[Event], passed: bool) -> None:
    assert met(held([*ASKED, *answer], one=(1, 2)), expect="answers", after="one", within_ms=2_000) == passed


def test_what_was_being_said_before_the_step_is_no_answer_to_it() -> None:
    talked = agent(0.2, 1.4, "Hello there.")
    assert not met(held([*talked, *ASKED], one=(1, 2)), expect="answers", after="one", within_ms=2_000)
    # A word that stops the agent, too short for a turn of its own, is answered all the same.
    stopped = [*agent(1.0, 4.3, "It is a long"), *user(4.0, 4.6, "Stop."), *agent(5.4, 6.0, "Sure, done.")]
    assert met(held(stopped, one=(4, 4.6)), expect="answers", after="one", within_ms=2_000)


@pytest.mark.parametrize(
    ("during", "passed"),
    [
        ([], True),
        (agent(2.2, 2.5, "Mm-hm."), True),
        (agent(2.2, 2.5, "It's noon."), False),
        (agent(2.2, 4.5, "Right. It is noon."), False),
        (agent(1.8, 4.5, "It is noon."), False),
        (agent(3.1, 4.5, "It is noon."), True),
        # What was being said before may ring out, not go on.
        (agent(0.2, 2.2, "Hello there you."), True),
        (agent(0.2, 3.4, "Hello there you."), False),
    ],
)
def test_silent(during: list[Event], passed: bool) -> None:
    talk = held([*user(1, 2, "What is"), *during, *user(3, 4, "the time?")], one=(1, 2), two=(3, 4))
    assert met(talk, expect="silent", between=["one", "two"]) == passed


def test_steps_without_a_pause_are_no_pause() -> None:
    assert not met(held(user(1, 4), one=(1, 2), two=(2, 4)), expect="silent", between=["one", "two"])


@pytest.mark.parametrize(
    ("events", "passed"),
    [
        (user(1, 2), True),
        ([*user(1, 2), *agent(2.5, 4, "Pardon?")], False),
        ([*user(1, 2), *agent(1.5, 4, "Pardon?")], False),
        ([*user(1, 2), *agent(5.5, 7, "Are you there?")], True),
        # It talks on through an acknowledgement that happens to fall into its pause.
        ([*agent(0.2, 1.1, "So,"), *user(1.2, 1.6), *agent(1.9, 4, "as I said.")], True),
    ],
)
def test_ignores(events: list[Event], passed: bool) -> None:
    assert met(held(events, one=(1, 2)), expect="ignores", step="one", for_ms=3_000) == passed


@pytest.mark.parametrize(("stop", "passed"), [(4.6, True), (5.4, False)])
def test_yields(stop: float, passed: bool) -> None:
    talk = held([*agent(2, stop, "It is a long story"), *user(4, 6)], one=(4, 6))
    assert met(talk, expect="yields", step="one", within_ms=1_000) == passed


def test_an_agent_that_does_not_speak_neither_yields_nor_talks_on() -> None:
    talk = held([*agent(2, 3.5, "It is noon."), *user(4, 6)], one=(4, 6))
    assert not met(talk, expect="yields", step="one", within_ms=1_000)
    assert not met(talk, expect="talks_on", step="one", for_ms=1_000)


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        (agent(2, 6, "It is a long story"), True),
        (agent(2, 4.5, "It is a long"), False),
        (agent(2, 4.5, "That is all."), True),
        ([*agent(2, 4.5, "That is all."), AgentStopped(**at(4.4), heard_text="That is all.", cancelled_text="And more")], False),
        (agent(2, 4.5), False),
        # A pause of the agent is no stop, half a second of silence and then more is one.
        ([*agent(2, 4.3, "It is"), *agent(4.6, 6, "a story")], True),
        ([*agent(2, 4.3, "It is"), *agent(5.0, 6, "a story")], False),
    ],
)
def test_talks_on(said: list[Event], passed: bool) -> None:
    assert met(held([*said, *user(4, 4.4)], one=(4, 4.4)), expect="talks_on", step="one", for_ms=1_000) == passed


@pytest.mark.parametrize(
    ("phrases", "passed"),
    [
        ({"any_of": ["noon", "midnight"]}, True),
        ({"any_of": ["midnight"]}, False),
        ({"all_of": ["it's 12", "noon"]}, True),
        ({"all_of": ["It is twelve", "midnight"]}, False),
        ({"none_of": ["midnight"]}, True),
        ({"none_of": ["Noon!"]}, False),
        ({"any_of": ["oon"]}, False),
        ({"after": "one", "any_of": ["hello"]}, False),
        ({"after": "one", "any_of": ["noon"]}, True),
        ({"any_of": ["hello"], "none_of": ["midnight"]}, True),
    ],
)
def test_says(phrases: dict[str, Any], passed: bool) -> None:
    talk = held([*agent(0.1, 0.9, "Hello there."), *ASKED, *agent(2.5, 4, "It's 12, noon.")], one=(1, 2))
    assert met(talk, expect="says", **phrases) == passed


def test_who_says_nothing_has_not_kept_from_saying_it() -> None:
    assert not met(held(ASKED, one=(1, 2)), expect="says", none_of=["midnight"])


def tool(*ends: Event, number: str = "i", name: str = "time") -> list[Event]:
    started = ToolStarted(**at(2.3), invocation_id=number, tool=name, utterance_id="u1", provider="local", arguments={}, tier="read")
    return [started, *ends]


IDS = {"invocation_id": "i", "tool": "time"}
FINISHED = ToolFinished(**at(2.5), **IDS, result={}, spoken="It is noon.", latency_ms=200)
FAILED = ToolFailed(**at(2.5), **IDS, error="no", latency_ms=200)
CANCELLED = ToolCancelled(**at(2.4), **IDS, reason="changed mind")


def delivery(how: Any = "engine", heard: int = 3) -> ResultDelivered:
    return ResultDelivered(**at(2.8, 1.2), **IDS, how=how, words_asked=3, words_heard=heard, interrupted=heard < 3)


@pytest.mark.parametrize(
    ("events", "wanted", "passed"),
    [
        (tool(FINISHED), {}, True),
        (tool(FINISHED), {"tool": "weather"}, False),
        (tool(FINISHED), {"times": 2}, False),
        (tool(FINISHED), {"delivered": True}, False),
        (tool(FINISHED), {"delivered": False}, True),
        (tool(FINISHED, delivery()), {"delivered": True}, True),
        (tool(FINISHED, delivery()), {"delivered": False}, False),
        (tool(FINISHED, delivery(heard=2)), {"delivered": True}, False),
        (tool(FINISHED, delivery("card", 0)), {"delivered": True}, False),
        (tool(FAILED), {}, False),
        (tool(FAILED), {"status": "error"}, True),
        (tool(CANCELLED), {"status": "cancelled"}, True),
        # A result that comes after all changes nothing.
        (tool(CANCELLED, FINISHED), {}, False),
        ([ToolRefused(**at(2.2), **IDS, reason="no")], {"status": "cancelled"}, True),
        (tool(), {}, False),
        ([], {}, False),
    ],
)
def test_tool(events: list[Event], wanted: dict[str, Any], passed: bool) -> None:
    assert met(held([*ASKED, *events], one=(1, 2)), **{"expect": "tool", "tool": "time", **wanted}) == passed


def test_no_tool() -> None:
    proposed = ToolProposed(**at(2), **IDS, utterance_id="u1", arguments={}, tier="write", prompt="Sure?", deadline_samples=9 * RATE)
    assert met(held([*ASKED, proposed]), expect="no_tool")
    assert not met(held([*ASKED, *tool(CANCELLED)]), expect="no_tool")


@pytest.mark.parametrize(
    ("expect", "passed"),
    [
        ({"expect": "turns", "speaker": "user", "at_least": 2, "at_most": 2}, True),
        ({"expect": "turns", "speaker": "user", "at_least": 3}, False),
        ({"expect": "turns", "speaker": "agent", "at_most": 0}, False),
        ({"expect": "turns", "speaker": "agent", "at_least": 1, "at_most": 1}, True),
        ({"expect": "talk_ratio", "at_least": 0.45, "at_most": 0.55}, True),
        ({"expect": "talk_ratio", "at_most": 0.45}, False),
        ({"expect": "talk_ratio", "at_least": 0.55}, False),
    ],
)
def test_turns_and_talk_ratio(expect: dict[str, Any], passed: bool) -> None:
    assert met(held([*user(1, 2), *agent(2.5, 4.5), *user(5, 6)]), **expect) == passed


def test_a_talk_in_which_nobody_spoke_has_no_ratio() -> None:
    assert not met(held([]), expect="talk_ratio")


EVERY: tuple[dict[str, Any], ...] = (
    {"expect": "answers", "after": "two", "within_ms": 100},
    {"expect": "silent", "between": ["one", "two"]},
    {"expect": "ignores", "step": "two", "for_ms": 100},
    {"expect": "yields", "step": "two", "within_ms": 100},
    {"expect": "talks_on", "step": "two", "for_ms": 100},
    {"expect": "says", "after": "two", "none_of": ["no"]},
    {"expect": "says", "after": "two", "none_of": ["yes"]},
)


def test_a_step_that_was_missed_fails_what_names_it() -> None:
    verdicts = judge(scenario(*EVERY, {"expect": "no_tool"}), held(ASKED, missed=["two"], one=(1, 2)))
    assert [v.passed for v in verdicts] == [False] * len(EVERY) + [True]
    assert all("'two' was missed" in v.found for v in verdicts[:-1])
    assert [v.name for v in verdicts][-3:] == ["says two", "says two (2)", "no_tool"]


def test_a_step_that_the_talk_did_not_reach_fails_what_names_it() -> None:
    verdicts = judge(scenario(*EVERY), held(ASKED, reason="time_limit", one=(1, 2)))
    assert all(not v.passed and "never played" in v.found for v in verdicts)


def test_a_talk_that_broke_off_fails_everything() -> None:
    (verdict,) = judge(scenario({"expect": "no_tool"}), held(ASKED, reason="engine_failed", one=(1, 2)))
    assert (verdict.passed, verdict.found) == (False, "the talk broke off: engine_failed")


TALK = held(
    [
        *ASKED,
        IntentFound(**at(2.2), utterance_id="u1", intent="query", tool="time", arguments={}, confidence=1, source="rules", duration_ms=1),
        *tool(FINISHED, delivery()),
        *agent(2.8, 5.0, "It is noon.", forced=True),
        *user(4.0, 4.3, "Mm-hm."),
        *user(7.5, 8.0, "And in Rome?"),
        *agent(8.4, 10.3, "In Rome it is"),
        *user(9.8, 11.0, "Stop it now."),
    ],
    one=(1, 2),
)


def test_a_talk_in_numbers() -> None:
    found = measures(TALK)
    assert list(found) == [measure.name for measure in DYNAMICS]
    wanted = {
        "duration_s": 12,
        "user_turns_count": 3,
        "agent_turns_count": 2,
        "agent_talk_ratio": 4.1 / 7.1,
        "reply_fto_p50_ms": 600,
        "replies_count": 2,
        "gaps_per_min": 15,
        "gap_s_per_min": (0.8 + 2.5 + 0.4) * 5,
        "overlaps_per_min": 10,
        "barge_ins_count": 1,
        "barge_ins_yielded_count": 1,
        "stop_latency_p50_ms": 500,
        "user_backchannels_count": 1,
        # The agent ended a second after the acknowledgement began: that cannot be told from a stop.
        "false_barge_ins_count": 1,
        "dead_air_count": 1,
        "dead_air_s": 2.5,
        "tools_run_count": 1,
        "tools_succeeded_count": 1,
        "tool_results_said_share": 1,
        "tool_intent_p50_ms": 200,
        "tool_dispatch_p50_ms": 100,
        "tool_answer_p50_ms": 200,
        "tool_delivery_p50_ms": 300,
        "tool_total_p50_ms": 800,
        "user_words_count": 11,
        "agent_words_count": 7,
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_what_did_not_happen_is_unknown_and_not_nought() -> None:
    found = measures(held(user(1, 2)))
    silent = {name for name, value in found.items() if value is None}
    tools = {f"tool_{part}_p50_ms" for part in ("intent", "dispatch", "answer", "delivery", "total")}
    assert silent == tools | {
        "reply_fto_p50_ms",
        "reply_fto_p95_ms",
        "stop_latency_p50_ms",
        "stop_latency_p95_ms",
        "tool_results_said_share",
    }


def test_a_tool_turn_has_the_moments_that_came() -> None:
    (turn,) = tool_turns(TALK.events)
    assert turn.parts.spoken_s == pytest.approx(0)
    assert turn.parts.total_s == pytest.approx(0.8)
    (failed,) = tool_turns(held([*ASKED, *tool(FAILED)]).events)
    assert (failed.moments.tool_result_s, failed.moments.result_injected_s, failed.parts.total_s) == (2.5, None, None)
    (shown,) = tool_turns(held([*ASKED, *tool(FINISHED, delivery("card", 0))]).events)
    assert shown.moments.result_injected_s is None
    assert tool_turns(held(tool(FINISHED)).events) == []
