"""Published metrics beyond the reference values: invariants, and what an input that is not right does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import fdb_v1, fdb_v2_judge, fdb_v3_latency, fdb_v15_behaviour, mtr
from evaluation.fdb_v1_backchannel import jensen_shannon, score, stretched, timing_distance
from evaluation.fdb_v2_scores import sentences
from evaluation.fdb_v3_tools import Call, arguments_match
from evaluation.fdb_v3_tools import score as tool_score
from evaluation.fdb_v15_before_after import keep, kept, split
from evaluation.fdb_v15_timing import timing
from evaluation.fto import Utterance, offsets_ms
from evaluation.paired import paired_t
from evaluation.tau_voice import panel
from evaluation.tau_voice_events import Tick, events_of
from evaluation.tool_latency import ToolEvents, breakdown
from evaluation.words import Word

TIMES = st.integers(0, 600).map(lambda hundredth: hundredth / 20)
SPANS = st.lists(st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair) + 0.05)), max_size=8)


def words(*edges: tuple[float, float]) -> list[Word]:
    return [Word(f"w{index}", start, end) for index, (start, end) in enumerate(edges)]


@given(st.lists(st.floats(0.001, 10), min_size=3, max_size=20), st.data())
def test_the_distance_is_symmetric_and_bounded(first: list[float], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.floats(0.001, 10), min_size=len(first), max_size=len(first)))
    distance = jensen_shannon(first, second)
    assert distance == pytest.approx(jensen_shannon(second, first))
    assert 0 <= distance <= math.sqrt(math.log(2)) + 1e-12
    assert jensen_shannon(first, first) == pytest.approx(0, abs=1e-7)


def test_a_histogram_of_the_same_length_is_not_changed_and_a_stretched_one_keeps_its_ends() -> None:
    assert stretched([1, 2, 4], 3).tolist() == [1, 2, 4]
    assert stretched([1, 3], 5).tolist() == [1, 1.5, 2, 2.5, 3]


def test_perfect_timing_has_a_smaller_distance_than_the_wrong_one() -> None:
    human = np.zeros(51)
    human[20:25] = 1
    right, wrong = timing_distance([(4.0, 4.9)], 10.0, human), timing_distance([(8.0, 8.9)], 10.0, human)
    assert right < 0.05 < wrong


def test_only_a_segment_that_needs_words_asks_for_a_transcript() -> None:
    assert not score([], None, 10.0, [1, 1]).takeover
    assert score([(0, 4)], None, 10.0, [1, 1]).takeover
    with pytest.raises(ValueError, match="no transcript"):
        score([(0, 1)], None, 10.0, [1, 1])
    with pytest.raises(ValueError, match="needs a length"):
        score([], [], 0.0, [1, 1])


def test_summaries_average_latency_over_taken_turns_only() -> None:
    taken = fdb_v1.turn_taking(words((5.5, 7.0)), 5.0)
    missed = fdb_v1.turn_taking([], 5.0)
    found = fdb_v1.summarise([taken, missed])
    assert (found.n, found.taken, found.rate, found.latency_s) == (2, 1, 0.5, 0.5)
    with pytest.raises(ValueError, match="no files"):
        fdb_v1.summarise([])


@given(SPANS, SPANS)
def test_stop_intervals_lie_in_both_and_responses_follow_a_user_end(
    user: list[tuple[float, float]], model: list[tuple[float, float]]
) -> None:
    found = timing(user, model)
    for stop in found.stops:
        assert any(start <= stop.start_s and stop.end_s <= end for start, end in found.user)
        assert any(start <= stop.start_s and stop.end_s <= end for start, end in found.model)
    ends = [end for _, end in found.user]
    assert all(response.user_end_s in ends and response.latency_s > 0 for response in found.responses)
    assert len({response.model_start_s for response in found.responses}) == len(found.responses)


def test_a_model_that_never_stops_is_marked_censored() -> None:
    (stop,) = timing([(7.0, 9.0)], [(3.1, 14.0)]).stops
    assert (stop.latency_s, stop.censored) == (2.0, True)
    (stop,) = timing([(7.0, 9.0)], [(3.1, 7.4)]).stops
    assert (round(stop.latency_s, 9), stop.censored) == (0.4, False)


def test_a_judge_without_json_is_an_error_and_nested_json_is_one_object() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        fdb_v15_behaviour.judge_behaviour("I think it resumed.")
    assert fdb_v15_behaviour.judge_behaviour('{"behaviour": ["C_RESUME"], "why": {"a": 1}}')["behaviour"] == ["C_RESUME"]
    with pytest.raises(ValueError, match="with a 'behaviour'"):
        fdb_v15_behaviour.judge_behaviour('{"note": 1}')


def test_split_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="no words"):
        split([], 1.0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.sampled_from(["none", "trim", "iqr", "mad", "zscore", "winsor"]))
def test_outlier_rules_keep_the_middle(values: list[float], rule: str) -> None:
    left = kept(values, rule)  # type: ignore[arg-type]
    assert len(left) == int(keep(values, rule).sum())  # type: ignore[arg-type]
    assert min(values) <= left.min()
    assert left.max() <= max(values)


def test_a_paired_test_needs_pairs_that_differ() -> None:
    with pytest.raises(ValueError, match="pairs that differ"):
        paired_t([1, 2, 3], [2, 3, 4])
    with pytest.raises(ValueError, match="winsor"):
        paired_t([1, 2, 3], [2, 3, 5], "winsor")
    assert paired_t([1, 2, float("nan")], [2, 4, 1]).n_valid == 2


def test_judged_layouts_that_are_dropped_are_counted() -> None:
    text = '{"Turn-taking event and score": [[[8.0, 9.0]: 1, 1],[[30.0, 40.0]: 4, 3]], "Task-specific score": null}'
    found = fdb_v2_judge.parse(text)
    assert (found.events, found.task, found.unread) == ((), None, 2)
    assert found.empty
    unwrapped = '{"Turn-taking event and score": [[8.0, 9.0]: 1, 2, [[{"start_time": "1:02", "end_time": 70}], [80, 90]]: null, 3]}'
    assert [(e.start_s, e.end_s, e.turn_taking, e.instruction_following) for e in fdb_v2_judge.parse(unwrapped).events] == [
        (8.0, 9.0, 1, 2),
        (62.0, 70.0, None, 3),
        (80.0, 90.0, None, 3),
    ]
    assert fdb_v2_judge.parse("nothing here") == fdb_v2_judge.Judgement((), None)


@given(st.text(max_size=80))
def test_a_judges_text_never_breaks_the_parser(text: str) -> None:
    fdb_v2_judge.parse(text)
    fdb_v1.judge_verdict(text)


def test_sentences_break_only_after_a_long_silence() -> None:
    assert [s.text for s in sentences(words((0, 1), (2.1, 3), (4.21, 5)))] == ["w0 w1", "w2"]


def test_arguments_match_without_case_and_placeholders_match_anything() -> None:
    assert arguments_match({"city": "New York", "id": "$RESULT_0.id"}, {"city": "new_york ", "id": 7})
    assert not arguments_match({"id": "$RESULT_0.id"}, {})
    assert arguments_match({"n": 40}, {"n": 40.0})
    assert not arguments_match({"n": 40}, {"n": "40"})
    assert not arguments_match({"city": "New York"}, {})
    assert tool_score([], [Call("a", {})]).failure == "Unexpected tools: ['a']"
    assert tool_score([Call("b", {})], [Call("a", {})]).failure == "Missing tools: ['b']; Unexpected tools: ['a']"
    assert tool_score([], []).passed


def test_upper_median_and_interruptions_are_apart() -> None:
    samples = [fdb_v3_latency.latency(5.0, words((5.0 + s, 6.0 + s)), [], "{}") for s in (-1.0, 1.0, 2.0)]
    found = fdb_v3_latency.summarise(samples)
    assert (found.latency_s, found.median_s, found.interruption_rate) == (1.5, 2.0, 1 / 3)
    assert fdb_v3_latency.user_speech_end_s(words((0, 1), (3.5, 4))) == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_every_user_turn_over_the_agent_is_one_event(rows: list[tuple[bool, bool]]) -> None:
    ticks = [Tick(user, agent) for user, agent in rows]
    found = events_of(ticks)
    kept_ticks = ticks[:-1] if len(ticks) > 1 and ticks[-1].user and not ticks[-2].user else ticks
    starts = [i for i, t in enumerate(kept_ticks) if t.user and (i == 0 or not kept_ticks[i - 1].user)]
    over = [i for i in starts if kept_ticks[i].agent]
    assert [e.tick for e in found if e.type in ("yield", "no_yield")] == over
    assert [e.tick for e in found] == sorted(e.tick for e in found)
    if any(e.type != "agent_interrupts_user" for e in found):
        assert panel([found]).counts.yields == len(over)
    else:
        with pytest.raises(ValueError, match="no event"):
            panel([found])


def test_inserted_sounds_are_judged_by_the_agents_reaction() -> None:
    def kinds(*rows: tuple[int, int, str | None]) -> list[str]:
        return [e.type for e in events_of([Tick(bool(u), bool(a), insert=i) for u, a, i in rows])]  # type: ignore[arg-type]

    talked_on = [(0, 1, None), (0, 1, "vocal_tic"), *[(0, 1, None)] * 8]
    assert kinds(*talked_on) == []
    assert kinds((0, 1, None), (0, 1, "vocal_tic"), *[(0, 1, None)] * 4, (0, 0, None)) == ["vocal_tic_error"]
    assert kinds((0, 0, "non_directed"), *[(0, 0, None)] * 12, (0, 1, None)) == ["non_directed_correct"]


def test_mtr_refuses_a_range_without_times() -> None:
    with pytest.raises(ValueError, match="needs a start and an end"):
        mtr.interruption([], (1.0, 2.0), (None, 3.0))
    with pytest.raises(ValueError, match="no start of the user's turn"):
        mtr.turn_taking([], (None, 2.0), (2.0, 3.0))


def test_an_utterance_of_a_third_speaker_leaves_no_offset() -> None:
    rows = [Utterance("A", 0, 1_000), Utterance("B", 1_200, 2_000), Utterance("C", 2_100, 3_000)]
    assert offsets_ms(rows) == [None, 200, None]
    assert offsets_ms(rows, speakers=3) == [None, 200, 100]
    assert offsets_ms([Utterance("A", 0, 1_000), Utterance("B", 12_000, 13_000)]) == [None, None]


def test_a_tool_turn_that_never_answers_has_no_window() -> None:
    found = breakdown(ToolEvents(3.0, intent_detected_s=3.2), [[0, 3]], [[3.5, 4]])
    assert (round(found.intent_s or 0, 9), found.dispatch_s, found.filler_coverage, found.silences_s) == (0.2, None, None, None)
    assert found.time_to_first_audio_s == 0.5
    assert breakdown(ToolEvents(3.0), [[0, 3]], []).time_to_first_audio_s is None
