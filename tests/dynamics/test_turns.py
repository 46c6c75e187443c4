"""Turns, floor transfers and barge-ins out of speech tracks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.dynamics.barge_ins import barge_ins
from workbench.dynamics.segments import Segment, ipus, merge, overlaps
from workbench.dynamics.turns import turns


def seconds(*edges: tuple[float, float]) -> list[Segment]:
    return [Segment(round(a * 24_000), round(b * 24_000)) for a, b in edges]


def test_pauses_up_to_200_ms_stay_inside_an_ipu() -> None:
    assert ipus(seconds((0, 1), (1.2, 2), (2.21, 3))) == seconds((0, 2), (2.21, 3))


def test_an_alternating_talk_has_gaps_as_positive_offsets() -> None:
    found = turns(seconds((0, 1), (3, 4)), seconds((1.25, 2.5), (4.5, 5)))
    assert [(turn.speaker, turn.fto_ms) for turn in found] == [("user", None), ("agent", 250.0), ("user", 500.0), ("agent", 500.0)]


def test_an_early_start_is_a_negative_offset() -> None:
    found = turns(seconds((0, 2)), seconds((1.5, 4)))
    assert [(turn.speaker, turn.fto_ms) for turn in found] == [("user", None), ("agent", -500.0)]


def test_a_short_word_within_the_others_speech_takes_no_turn() -> None:
    found = turns(seconds((0, 1), (3, 3.4)), seconds((1.5, 6)))
    assert [turn.speaker for turn in found] == ["user", "agent"]


def test_a_long_stretch_within_the_others_speech_takes_a_turn() -> None:
    found = turns(seconds((2, 4)), seconds((0, 6)))
    assert [(turn.speaker, turn.fto_ms) for turn in found] == [("agent", None), ("user", -4000.0)]


def test_a_pause_of_one_speaker_joins_and_a_long_one_splits() -> None:
    assert len(turns(seconds((0, 1), (2, 3)), [])) == 1
    assert len(turns(seconds((0, 1), (2.6, 3)), [])) == 2


def test_an_agent_that_stops_after_the_onset_yielded() -> None:
    (found,) = barge_ins(seconds((2, 4)), seconds((0, 2.3)))
    assert (found.outcome, found.stop_latency_ms) == ("yielded", 300.0)


def test_an_agent_that_talks_on_ignored_it_and_a_user_who_gives_up_censors() -> None:
    assert [b.outcome for b in barge_ins(seconds((2, 5)), seconds((0, 6)))] == ["ignored"]
    assert [b.outcome for b in barge_ins(seconds((2, 2.5)), seconds((0, 6)))] == ["censored"]
    assert [b.outcome for b in barge_ins(seconds((2, 2.5)), seconds((0, 3.5)))] == ["censored"]


def test_a_pause_of_the_agent_is_not_a_stop() -> None:
    (found,) = barge_ins(seconds((2, 4)), seconds((0, 2.3), (2.6, 3.0)))
    assert found.stop_latency_ms == 1000.0


def test_a_user_who_starts_in_silence_does_not_barge_in() -> None:
    assert barge_ins(seconds((2, 3)), seconds((0, 1.9), (3.2, 4))) == []


tracks = st.lists(st.tuples(st.integers(0, 500_000), st.integers(1, 60_000)), max_size=12).map(
    lambda pairs: merge([Segment(start, start + length) for start, length in pairs], 0)
)


@given(tracks, tracks)
def test_turns_are_ordered_cover_only_speech_and_alternate_or_pause(user: list[Segment], agent: list[Segment]) -> None:
    found = turns(user, agent)
    assert [turn.start for turn in found] == sorted(turn.start for turn in found)
    for turn in found:
        own = user if turn.speaker == "user" else agent
        assert any(segment.start == turn.start for segment in own)
        assert any(segment.end == turn.end for segment in own)


@given(tracks, tracks)
def test_overlaps_do_not_depend_on_the_order_of_the_tracks(user: list[Segment], agent: list[Segment]) -> None:
    assert overlaps(user, agent) == overlaps(agent, user)
    covered = sum(s.end - s.start for s in overlaps(user, agent))
    assert covered <= min(sum(s.end - s.start for s in user), sum(s.end - s.start for s in agent))
