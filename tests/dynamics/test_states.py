"""Invariants of everything that is derived from two speech tracks, and the worked cases behind the names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dynamics.backchannels import TimedText, backchannels, is_acknowledgement
from workbench.dynamics.barge_ins import barge_ins
from workbench.dynamics.floor import floor_transfer_offsets, summarise, wasserstein_1
from workbench.dynamics.reactions import re_response_ms, reaction, restarted, resumption_ms, talk_over_ms
from workbench.dynamics.segments import Segment, from_seconds, ipus, merge, overlaps, silences, to_seconds, total_samples
from workbench.dynamics.states import dead_air, gaps, pauses, stretches
from workbench.dynamics.summary import summarise_talk
from workbench.dynamics.turns import turns, within_overlap

MS = 24
EDGES = st.integers(0, 400).map(lambda step: step * 50 * MS)
"""On a grid of 50 ms, so that touching and equal edges really come up."""
TRACK = st.lists(st.tuples(EDGES, EDGES).map(lambda e: Segment(min(e), max(e) + 50 * MS)), max_size=10)
WINDOW = Segment(0, 21_000 * MS)
OTHER = {"user": "agent", "agent": "user"}


def seconds(*edges: tuple[float, float]) -> list[Segment]:
    return from_seconds(edges)


def later(track: list[Segment], by: int) -> list[Segment]:
    return [Segment(s.start + by, s.end + by) for s in track]


@given(TRACK, TRACK)
def test_the_states_cover_the_window_without_a_hole(user: list[Segment], agent: list[Segment]) -> None:
    found = stretches(user, agent, WINDOW)
    assert [s.start for s in found] == [WINDOW.start, *(s.end for s in found[:-1])]
    assert found[-1].end == WINDOW.end
    spoken = {state: sum(s.end - s.start for s in found if s.state == state) for state in ("user", "agent", "overlap")}
    assert spoken["user"] + spoken["overlap"] == total_samples(ipus(user))
    assert spoken["agent"] + spoken["overlap"] == total_samples(ipus(agent))


@given(TRACK, TRACK)
def test_swapping_the_speakers_mirrors_every_finding(user: list[Segment], agent: list[Segment]) -> None:
    mirrored = [(OTHER.get(s.state, s.state), s.start, s.end) for s in stretches(agent, user, WINDOW)]
    assert [tuple(s) for s in stretches(user, agent, WINDOW)] == mirrored
    assert pauses(user, agent) == pauses(agent, user)
    assert gaps(user, agent) == gaps(agent, user)
    assert dead_air(user, agent, WINDOW) == dead_air(agent, user, WINDOW)
    swapped = {(OTHER[b.speaker], b.start, b.end) for b in backchannels(agent, user)}
    assert {(b.speaker, b.start, b.end) for b in backchannels(user, agent)} == swapped


@given(TRACK, TRACK)
def test_turns_mirror_too_where_no_two_ipus_are_the_same(user: list[Segment], agent: list[Segment]) -> None:
    """Two equal IPUs at once have no order; every other talk has."""
    if set(ipus(user)) & set(ipus(agent)):
        return
    mirrored = [(OTHER[t.speaker], t.start, t.end, t.fto_ms) for t in turns(agent, user)]
    assert [(t.speaker, t.start, t.end, t.fto_ms) for t in turns(user, agent)] == mirrored


@given(TRACK, TRACK, st.integers(0, 10**9))
def test_a_shift_in_time_shifts_the_findings_and_nothing_else(user: list[Segment], agent: list[Segment], by: int) -> None:
    users, agents = later(user, by), later(agent, by)
    window = Segment(WINDOW.start + by, WINDOW.end + by)
    assert [(s.state, s.start - by, s.end - by) for s in stretches(users, agents, window)] == [
        tuple(s) for s in stretches(user, agent, WINDOW)
    ]
    assert floor_transfer_offsets(users, agents) == floor_transfer_offsets(user, agent)
    assert [b.stop_latency_ms for b in barge_ins(users, agents)] == [b.stop_latency_ms for b in barge_ins(user, agent)]
    assert summarise_talk(users, agents, window) == summarise_talk(user, agent, WINDOW)


@given(TRACK, TRACK)
def test_every_ipu_is_in_a_turn_or_within_the_others_speech(user: list[Segment], agent: list[Segment]) -> None:
    taken = turns(user, agent)
    for speaker, own, others in (("user", ipus(user), ipus(agent)), ("agent", ipus(agent), ipus(user))):
        for ipu in own:
            in_turn = any(t.speaker == speaker and t.start <= ipu.start and ipu.end <= t.end for t in taken)
            assert in_turn or within_overlap(ipu, others)


@given(TRACK, TRACK)
def test_barge_ins_begin_inside_the_agents_speech_and_a_latency_means_a_stop(user: list[Segment], agent: list[Segment]) -> None:
    floor = merge(agent, 500)
    for found in barge_ins(user, agent):
        assert any(s.start < found.onset < s.end for s in floor)
        assert (found.outcome == "yielded") == (found.stop is not None) == (found.stop_latency_ms is not None)
        assert found.stop_latency_ms is None or 0 < found.stop_latency_ms <= 2_000


@given(TRACK)
def test_silences_and_speech_fill_the_window(track: list[Segment]) -> None:
    quiet = silences(track, WINDOW)
    assert total_samples(quiet) + total_samples(merge(track, 0)) == WINDOW.end
    assert not overlaps(quiet, merge(track, 0))
    assert from_seconds(to_seconds(track)) == track


def test_a_silence_belongs_to_who_speaks_on_both_sides() -> None:
    user, agent = seconds((0, 1), (2.5, 3), (6, 7)), seconds((3.4, 5.5))
    assert to_seconds(pauses(user, agent)) == [(1, 2.5)]
    assert to_seconds(gaps(user, agent)) == [(3, 3.4), (5.5, 6)]
    found = stretches(user, agent, Segment(*seconds((-1, 8))[0]))
    assert [s.state for s in found] == ["edge", "user", "pause", "user", "gap", "agent", "gap", "user", "edge"]


def test_a_window_inside_the_talk_cuts_and_does_not_rename() -> None:
    (inside,) = stretches(seconds((0, 1), (4, 5)), [], seconds((2, 3))[0])
    assert inside.state == "pause"


def test_dead_air_is_strictly_longer_and_reaches_the_rims() -> None:
    window = seconds((0, 10))[0]
    assert to_seconds(dead_air(seconds((2.5, 3)), seconds((5, 6)), window)) == [(0, 2.5), (6, 10)]
    assert to_seconds(dead_air(seconds((2.5, 3)), seconds((5, 6)), window, longer_than_ms=4_000)) == []


@pytest.mark.parametrize(
    ("text", "acknowledges"), [("Mm-hm.", True), ("uh huh", True), ("stop", False), ("yeah okay right", False), ("", True)]
)
def test_only_words_of_acknowledgement_make_a_backchannel(text: str, acknowledges: bool) -> None:
    assert is_acknowledgement(text) is acknowledges


def test_a_backchannel_is_short_within_the_others_speech_and_acknowledges() -> None:
    user, agent = seconds((2, 2.4), (4, 4.5), (6, 7.5)), seconds((0, 9))
    said = [TimedText(round(2.1 * 24_000), "Yeah."), TimedText(round(4.0 * 24_000), "stop")]
    assert [(b.speaker, b.text, b.duration_ms) for b in backchannels(user, agent, said)] == [("user", "Yeah.", 400.0)]
    assert len(backchannels(user, agent)) == 2


def test_a_false_barge_in_is_a_stop_within_a_second_or_a_reply_to_silence() -> None:
    (event,) = seconds((2, 2.3))
    stopped = reaction(event, seconds((0, 2.5), (4, 6)))
    assert (stopped.reaction, stopped.error, stopped.resumed_ms) == ("stopped", True, 1_500.0)
    assert reaction(event, seconds((0, 3.1))).reaction == "talked_on"
    assert reaction(event, seconds((4.3, 5))).reaction == "replied"
    assert reaction(event, seconds((4.31, 5))).reaction == "kept_silent"
    assert reaction(event, seconds((0, 2.5), (4, 6)), user=seconds((3, 3.8))).resumed_ms is None


def test_resuming_too_late_is_no_resumption_and_a_restart_is_told_from_going_on() -> None:
    assert resumption_ms(round(2.5 * 24_000), seconds((0, 2.5), (4.6, 6))) is None
    assert restarted(["The", "capital", "of", "France"], ["the", "capital", "of"])
    assert not restarted(["The", "capital", "of", "France"], ["France", "is"])
    assert not restarted([], ["Hello"])


def test_talk_over_runs_to_the_stop_or_three_seconds() -> None:
    user, agent = seconds((2, 8)), seconds((0, 9))
    assert talk_over_ms(user, agent, onset=48_000, stop=60_000) == 500.0
    assert talk_over_ms(user, agent, onset=48_000, stop=None) == 3_000.0


def test_a_new_answer_may_come_before_the_user_has_ended() -> None:
    (interruption,) = seconds((2, 5))
    assert re_response_ms(interruption, stop=60_000, agent=seconds((0, 2.5), (4.5, 6))) == -500.0
    assert re_response_ms(interruption, stop=60_000, agent=seconds((0, 2.5), (7, 8)), user=seconds((2, 5), (6, 6.5))) is None


def test_a_summary_counts_per_minute_and_keeps_the_censored_apart() -> None:
    found = summarise_talk(seconds((0, 10), (20, 20.5), (40, 50)), seconds((10.2, 30), (50.5, 60)), seconds((0, 60))[0])
    assert (found.user_turns, found.agent_turns, found.user_backchannels) == (2, 2, 1)
    assert (found.yielded, found.ignored, found.censored) == (0, 0, 0)
    assert (found.dead_air.count, found.longest_silence_s, found.overlap.seconds) == (1, 10.0, 0.5)
    assert found.offsets.n == 3
    assert found.agent_talk_ratio == pytest.approx(29.3 / 49.8)
    with pytest.raises(ValueError, match="must have a length"):
        summarise_talk([], [], Segment(5, 5))


def test_offsets_are_summarised_signed() -> None:
    found = summarise([-400.0, 100.0, 200.0, 900.0])
    assert (found.n, found.median_ms, found.mean_ms, found.overlap_share, found.over_700_share) == (4, 150.0, 200.0, 0.25, 0.25)
    assert (found.smooth_share, found.under_200_share) == (0.5, 0.5)
    assert summarise([]).median_ms is None


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), st.floats(-500, 500))
def test_the_distance_to_a_shifted_sample_is_the_shift(values: list[float], by: float) -> None:
    assert wasserstein_1(values, [v + by for v in values]) == pytest.approx(abs(by), abs=1e-6)
    assert wasserstein_1(values, values) == 0


def test_a_distance_needs_two_samples() -> None:
    assert wasserstein_1([0, 1, 3], [5, 6, 8]) == 5
    assert wasserstein_1([0, 0], [0, 10]) == 5
    with pytest.raises(ValueError, match="0 and 1 values"):
        wasserstein_1([], [1])
