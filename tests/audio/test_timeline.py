"""The user's packets on session time: loss, order, backlog, pauses, and clocks that run apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from workbench.audio.delay import DelayEstimator
from workbench.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm, silence
from workbench.audio.splice import FADE_SAMPLES, lengthen, quietest, shorten
from workbench.audio.timeline import CORRECTION_SAMPLES, TimelineFrame, UserTimeline

TRAVEL_S = 0.010


@dataclass(frozen=True)
class Packet:
    arrival_s: float
    media: int
    pcm: Pcm


@dataclass
class Client:
    """Sends `sound` in packets. Its clock is `ppm` fast; every packet travels 10 ms and up to `jitter_ms` more."""

    sound: Pcm
    packet: int = 480
    ppm: float = 0.0
    jitter_ms: float = 0.0
    in_order: bool = False
    seed: int = 0
    lost: frozenset[int] = frozenset()
    begins_s: float = 0.2

    @property
    def ends_s(self) -> float:
        """Session time when the last packet has come, at the earliest."""
        return self.begins_s + self.sound.size / (SAMPLE_RATE * (1 + self.ppm * 1e-6))

    def packets(self) -> list[Packet]:
        starts = np.arange(0, self.sound.size - self.packet + 1, self.packet)
        sent_s = self.begins_s + (starts + self.packet) / (SAMPLE_RATE * (1 + self.ppm * 1e-6))
        arrivals = sent_s + TRAVEL_S + np.random.default_rng(self.seed).uniform(0, self.jitter_ms / 1e3, starts.size)
        if self.in_order:
            arrivals = np.maximum.accumulate(arrivals)
        order = np.argsort(arrivals, kind="stable")
        return [
            Packet(float(arrivals[index]), int(starts[index]), self.sound[starts[index] : starts[index] + self.packet])
            for index in order
            if int(index) not in self.lost
        ]


@dataclass
class Run:
    """A talk's ticks over a client's packets."""

    timeline: UserTimeline
    client: Client
    stamped: bool = True
    frames: list[TimelineFrame] = field(default_factory=list)
    positions: list[tuple[float, int]] = field(default_factory=list)
    """Per frame: session seconds of its end, media position of its end."""

    def __post_init__(self) -> None:
        packets = self.client.packets()
        waiting: Iterator[Packet] = iter(packets)
        packet = next(waiting, None)
        for tick in range(1, int(self.client.ends_s * 12.5)):
            now = tick * FRAME_SAMPLES
            while packet is not None and packet.arrival_s * SAMPLE_RATE <= now:
                self.timeline.push(packet.pcm, packet.media if self.stamped else None, packet.arrival_s)
                packet = next(waiting, None)
            self.frames.append(self.timeline.take(FRAME_SAMPLES, now))
            if self.timeline._read is not None and not self.frames[-1].waited_samples:
                self.positions.append((now / SAMPLE_RATE, self.timeline._read))

    @property
    def heard(self) -> Pcm:
        return np.concatenate([frame.pcm for frame in self.frames])

    def delays_ms(self) -> np.ndarray:
        """Per frame: from the moment the client's microphone heard the last sample to the tick that took it."""
        ends = np.array(self.positions)
        spoken_s = self.client.begins_s + ends[:, 1] / (SAMPLE_RATE * (1 + self.client.ppm * 1e-6))
        return (ends[:, 0] - spoken_s) * 1e3


def _noise(samples: int, level: float = 0.1, seed: int = 0) -> Pcm:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def _talk(seconds: float, seed: int = 0) -> Pcm:
    """Speech-like: noise for 3 s, a pause of 1 s, and so on."""
    sound = _noise(int(seconds * SAMPLE_RATE), seed=seed)
    for begin in range(3 * SAMPLE_RATE, sound.size, 4 * SAMPLE_RATE):
        sound[begin : begin + SAMPLE_RATE] = 0
    return sound


def _find(heard: Pcm, wanted: Pcm) -> int:
    """Where `wanted` begins in `heard`, to the sample."""
    head = wanted[:64]
    hits = [int(at) for at in np.flatnonzero(heard == head[0]) if np.array_equal(heard[at : at + 64], head)]
    assert len(hits) == 1, hits
    return hits[0]


@pytest.mark.parametrize("packet", [240, 480, 960, 1_440, 1_920, 700])
@pytest.mark.parametrize("stamped", [True, False])
def test_nothing_lost_means_nothing_changed(packet: int, stamped: bool) -> None:
    sound = _noise(packet * (96_000 // packet))
    run = Run(UserTimeline(), Client(sound, packet=packet), stamped=stamped)
    at = _find(run.heard, sound)
    end = min(run.heard.size, at + sound.size)
    np.testing.assert_array_equal(run.heard[at:end], sound[: end - at])
    assert end - at > 80_000
    assert run.timeline.counts.corrections == run.timeline.counts.lost_samples == 0


def test_the_margin_is_the_one_asked_for() -> None:
    sound = _noise(96_000)
    for depth_ms in (0.0, 20.0, 60.0):
        run = Run(UserTimeline(target_depth_ms=depth_ms), Client(sound))
        wait_ms = (_find(run.heard, sound) / SAMPLE_RATE - 0.2) * 1e3 - 10
        assert depth_ms - 0.1 <= wait_ms <= depth_ms + 20.1


def test_lost_packets_become_silence_of_their_length_and_are_counted() -> None:
    sound = _noise(200 * 480)
    lost = frozenset({10, 11, 50, 120})
    run = Run(UserTimeline(), Client(sound, lost=lost))
    holed = sound.copy()
    for index in lost:
        holed[index * 480 : (index + 1) * 480] = 0
    at = _find(run.heard, sound)
    np.testing.assert_array_equal(run.heard[at : at + 180 * 480], holed[: 180 * 480])
    assert run.timeline.counts.lost_samples == 4 * 480
    assert sum(frame.lost_packets for frame in run.frames) == 4
    assert sum(frame.lost_samples for frame in run.frames) == 4 * 480


def test_reordered_packets_are_put_in_place_and_duplicates_dropped() -> None:
    timeline = UserTimeline(target_depth_ms=40)
    sound = _noise(40 * 480)
    frames = []
    for tick in range(1, 7):
        for step, index in enumerate(((0, 2, 1, 3), (3, 5, 4, 5, 6, 7), (6, 2), (), (), ())[tick - 1]):
            timeline.push(sound[index * 480 : (index + 1) * 480], index * 480, (tick - 1 + step / 4) * 0.08)
        frames.append(timeline.take(FRAME_SAMPLES, FRAME_SAMPLES * tick).pcm)
    heard = np.concatenate(frames)
    at = _find(heard, sound)
    np.testing.assert_array_equal(heard[at : at + 8 * 480], sound[: 8 * 480])
    assert timeline.counts.duplicate_packets + timeline.counts.late_packets == 4
    assert timeline.counts.duplicate_packets > 0
    assert timeline.counts.lost_samples == 0


def test_a_packet_that_comes_after_its_place_was_read_is_counted_and_left_out() -> None:
    timeline = UserTimeline(target_depth_ms=0)
    sound = _noise(12 * 480)
    for index in (0, 1, 3):
        timeline.push(sound[index * 480 : (index + 1) * 480], index * 480, 0.08)
    first = timeline.take(FRAME_SAMPLES, 1_920)
    assert (first.lost_samples, first.lost_packets) == (480, 1)
    timeline.push(sound[960:1_440], 960, 0.1)
    assert timeline.counts.late_packets == 1
    assert timeline.buffered_samples == 0


def test_sound_from_before_the_talk_is_heard_and_its_delay_goes_in_the_pauses() -> None:
    timeline = UserTimeline()
    early = _noise(SAMPLE_RATE)
    timeline.push(early, None, 0.0)
    frames = []
    for tick in range(1, 100):
        frames.append(timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES))
        timeline.push(silence(FRAME_SAMPLES), None, tick * 0.08)
    heard = np.concatenate([frame.pcm for frame in frames])
    assert _find(heard, early) == 0
    assert timeline.counts.dropped_samples == 0
    assert sum(frame.correction_samples for frame in frames) <= -20_000
    assert timeline.buffered_samples <= 2 * FRAME_SAMPLES


def test_quiet_from_before_the_talk_delays_nothing_and_the_onset_of_the_first_word_is_kept() -> None:
    timeline = UserTimeline()
    sound = silence(4 * SAMPLE_RATE) + 0.001
    sound[SAMPLE_RATE + 12_000 :] = _noise(sound.size - SAMPLE_RATE - 12_000)
    heard = []
    for index in range(sound.size // 480):
        # For 2 s nothing is taken: the talk is being opened.
        timeline.push(sound[index * 480 : (index + 1) * 480], index * 480, (index + 1) * 0.02 - 2.0)
        if index >= 100 and index % 4 == 3:
            heard.append(timeline.take(FRAME_SAMPLES, (index + 1) * 480 - 2 * SAMPLE_RATE).pcm)
    everything = np.concatenate(heard)
    at = _find(everything, sound[SAMPLE_RATE + 12_000 :])
    assert 0 < at <= 0.2 * SAMPLE_RATE + 480, "of 1.5 s of quiet at most 0.2 s are left"
    assert timeline.counts.lost_samples == timeline.counts.dropped_samples == 0


def test_the_jitter_seen_while_the_talk_opens_gives_the_margin_it_begins_with() -> None:
    """Otherwise the first seconds of a talk would be moved, 20 ms at a time."""
    sound = _noise(1_500 * 480)
    arrivals = np.random.default_rng(3).normal(0.05, 0.01, 1_500) + np.arange(1, 1_501) * 0.02
    arrivals = np.maximum.accumulate(arrivals)
    timeline, frames, sent = UserTimeline(target_depth_ms=10), [], 0
    for tick in range(1, 360):
        now_s = tick * 0.08
        # The packets of a second are there when the talk begins.
        while sent < 1_500 and arrivals[sent] - 1.0 <= now_s:
            timeline.push(sound[sent * 480 : (sent + 1) * 480], sent * 480, float(arrivals[sent]) - 1.0)
            sent += 1
        frames.append(timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES))
    assert sum(frame.waited_samples for frame in frames[1:]) <= 480
    assert timeline.counts.lost_samples == 0


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    outages=st.lists(st.tuples(st.integers(20, 900), st.integers(1, 150)), max_size=6),
    single=st.frozensets(st.integers(20, 990), max_size=40),
    jitter_ms=st.sampled_from([0.0, 5.0]),
    packet=st.sampled_from([240, 480, 960, 1_440]),
    seed=st.integers(0, 100),
)
def test_every_loss_is_counted_however_long_and_what_is_heard_stays_in_its_place(
    outages: list[tuple[int, int]], single: frozenset[int], jitter_ms: float, packet: int, seed: int
) -> None:
    """The sound's values are its own sample numbers: what is heard tells where it belongs."""
    count = 1_100 * 480 // packet
    lost = frozenset(i for i in {*single, *(begin + step for begin, length in outages for step in range(length))} if i < count - 100)
    client = Client(np.arange(1, count * packet + 1, dtype=np.float32), packet=packet, jitter_ms=jitter_ms, lost=lost, seed=seed)
    # Nothing counts as quiet, so that nothing is moved: what moves all the same is a fault.
    run = Run(UserTimeline(target_depth_ms=20, quiet_rms=-1.0), client)
    assert run.timeline.counts.late_packets == 0
    assert sum(frame.lost_packets for frame in run.frames) == len(lost)
    assert run.timeline.counts.lost_samples == len(lost) * packet
    heard = run.heard
    at = np.flatnonzero(heard)
    offsets = at - heard[at].astype(np.int64)
    assert np.ptp(offsets) <= CORRECTION_SAMPLES
    assert np.isin((heard[at].astype(np.int64) - 1) // packet, np.array([*lost], dtype=np.int64), invert=True).all()


def test_a_client_that_stopped_its_clock_too_has_lost_nothing() -> None:
    timeline = UserTimeline()
    sound = _noise(200 * 480)
    for tick in range(1, 60):
        for step in range(4):
            index = (tick - 1) * 4 + step if tick < 20 else (tick - 21) * 4 + step
            # Between tick 20 and 40 nothing is sent, and the timestamps stand still.
            if tick < 20 or tick >= 40:
                index = index if tick < 20 else (tick - 40 + 19) * 4 + step
                timeline.push(sound[index * 480 : (index + 1) * 480], index * 480, tick * 0.08 - 0.08 + step * 0.02)
        timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES)
    assert timeline.counts.lost_samples == 0


def test_a_client_faster_than_real_time_is_bounded_and_told() -> None:
    timeline = UserTimeline(max_backlog_ms=1_000, adaptive=False)
    sound = _noise(10 * SAMPLE_RATE)
    for begin in range(0, sound.size, 480):
        timeline.push(sound[begin : begin + 480], begin, 0.1)
    assert timeline.buffered_samples == SAMPLE_RATE
    assert timeline.counts.dropped_samples == 9 * SAMPLE_RATE
    np.testing.assert_array_equal(timeline.take(FRAME_SAMPLES, 4_800).pcm, sound[9 * SAMPLE_RATE :][:FRAME_SAMPLES])


def test_a_stall_delays_sound_and_loses_none_of_it() -> None:
    sound = _noise(4 * SAMPLE_RATE)
    sound[3 * SAMPLE_RATE :] = 0
    timeline = UserTimeline()
    frames, sent = [], 0
    for tick in range(1, 49):
        stalled = 10 <= tick < 14
        while not stalled and sent < min(sound.size, tick * FRAME_SAMPLES):
            timeline.push(sound[sent : sent + 480], None, tick * 0.08 - 0.01)
            sent += 480
        frames.append(timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES))
    heard = np.concatenate([frame.pcm for frame in frames])
    kept = heard[heard != 0]
    np.testing.assert_array_equal(kept[: 2 * SAMPLE_RATE], sound[: 2 * SAMPLE_RATE])
    assert 0 < timeline.counts.waited_samples <= 5 * FRAME_SAMPLES
    assert timeline.counts.lost_samples == 0


def test_sound_lost_in_a_stall_is_not_replaced_twice() -> None:
    sound = _noise(100 * 480)
    run = Run(UserTimeline(), Client(sound, lost=frozenset(range(40, 55))))
    before, after = _find(run.heard, sound), _find(run.heard, sound[60 * 480 :])
    assert after - before == 60 * 480
    assert run.timeline.counts.lost_samples == 15 * 480


def test_a_client_that_paused_begins_afresh() -> None:
    timeline = UserTimeline()
    first, second = _noise(12 * FRAME_SAMPLES), _noise(12 * FRAME_SAMPLES, seed=1)
    heard = []
    for tick in range(1, 200):
        for sound, begins in ((first, 5), (second, 120)):
            begin = (tick - begins) * FRAME_SAMPLES
            if 0 <= begin < sound.size:
                timeline.push(sound[begin : begin + FRAME_SAMPLES], None, tick * 0.08 - 0.03)
        heard.append(timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES).pcm)
    everything = np.concatenate(heard)
    assert _find(everything, second) - _find(everything, first) == 115 * FRAME_SAMPLES
    assert timeline.counts.corrections == 0


def test_a_new_numbering_goes_on_where_the_old_one_was() -> None:
    timeline = UserTimeline()
    sound = _noise(200 * 480)
    heard = []
    for tick in range(1, 55):
        begin = (tick - 1) * FRAME_SAMPLES
        renumbered = 1_000_000 if 20 <= tick < 35 else 0 if tick < 20 else -5_000_000
        if begin < sound.size:
            timeline.push(sound[begin : begin + FRAME_SAMPLES], begin + renumbered, tick * 0.08 - 0.02)
        heard.append(timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES).pcm)
    everything = np.concatenate(heard)
    at = _find(everything, sound)
    np.testing.assert_array_equal(everything[at : at + sound.size], sound)
    assert timeline.counts.jumps == 2


def test_sound_on_the_session_clock_is_passed_on_as_it_is() -> None:
    timeline = UserTimeline(adaptive=False)
    sound = _noise(20 * FRAME_SAMPLES)
    for tick in range(1, 21):
        timeline.push(sound[(tick - 1) * FRAME_SAMPLES : tick * FRAME_SAMPLES], None, tick * 0.08)
        frame = timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES)
        np.testing.assert_array_equal(frame.pcm, sound[(tick - 1) * FRAME_SAMPLES : tick * FRAME_SAMPLES])


def test_a_tick_that_was_held_up_for_seconds_is_late_and_loses_nothing() -> None:
    timeline = UserTimeline()
    sound = np.arange(5 * SAMPLE_RATE, dtype=np.float32) / (5 * SAMPLE_RATE)
    for packet in range(sound.size // 480):
        timeline.push(sound[packet * 480 : (packet + 1) * 480], packet * 480, (packet + 1) * 0.02)
        if packet == 100:
            break
    # Two seconds have come, and only now the ticks of these two seconds are made up for.
    frames = [timeline.take(FRAME_SAMPLES, tick * FRAME_SAMPLES) for tick in range(1, 26)]
    assert sum(frame.lost_samples + frame.dropped_samples for frame in frames) == 0
    assert np.max(np.concatenate([frame.pcm for frame in frames])) > 0.3


def test_what_the_backlog_throws_away_is_told_with_the_next_frame_and_only_once() -> None:
    timeline = UserTimeline(max_backlog_ms=1_000)
    timeline.push(np.ones(3 * SAMPLE_RATE, dtype=np.float32), 0, 0.02)
    first, second = timeline.take(FRAME_SAMPLES, FRAME_SAMPLES), timeline.take(FRAME_SAMPLES, 2 * FRAME_SAMPLES)
    assert first.dropped_samples == timeline.counts.dropped_samples > 0
    assert second.dropped_samples == 0


def test_arrivals_that_are_no_session_time_are_refused() -> None:
    timeline = UserTimeline()
    timeline.push(silence(480), None, 86_400.0)
    with pytest.raises(ValueError, match="arrived at 86400"):
        timeline.take(FRAME_SAMPLES, FRAME_SAMPLES)
    with pytest.raises(ValueError, match="shape"):
        timeline.push(np.zeros((2, 4), dtype=np.float32), None, 0.0)


@pytest.mark.parametrize(("ppm", "stamped"), [(-200.0, True), (200.0, True), (-200.0, False), (30.0, False)])
def test_half_an_hour_of_drift_stays_within_20_ms(ppm: float, stamped: bool) -> None:
    client = Client(_talk(1_800), ppm=ppm, jitter_ms=30, in_order=not stamped, seed=int(ppm) + 500)
    run = Run(UserTimeline(), client, stamped=stamped)
    settled = run.delays_ms()[10 * 12 :]
    line = TRAVEL_S * 1e3 + run.timeline.depth_ms
    assert float(np.abs(settled - line).max()) <= 20.0
    counts = run.timeline.counts
    assert counts.forced_corrections <= 1
    assert counts.lost_samples + counts.waited_samples <= 3 * FRAME_SAMPLES
    assert abs(sum(frame.correction_samples for frame in run.frames) + ppm * 1e-6 * 1_800 * SAMPLE_RATE) <= 4 * CORRECTION_SAMPLES
    measured = run.frames[-1].drift_ppm
    assert measured is not None
    assert abs(measured - ppm) < 5


def test_a_user_who_never_pauses_is_held_within_20_ms_too() -> None:
    client = Client(_noise(600 * SAMPLE_RATE), ppm=200, jitter_ms=30)
    run = Run(UserTimeline(), client)
    settled = run.delays_ms()[10 * 12 :]
    assert float(np.abs(settled - TRAVEL_S * 1e3 - run.timeline.depth_ms).max()) <= 21.0
    assert run.timeline.counts.forced_corrections > 3
    assert all(frame.forced for frame in run.frames if frame.correction_samples)


def test_corrections_are_heard_where_they_are_told() -> None:
    """A click every second is found where the client's clock says, without a look inside."""
    sound = silence(300 * SAMPLE_RATE)
    clicks = np.arange(SAMPLE_RATE, sound.size - SAMPLE_RATE, SAMPLE_RATE)
    sound[clicks] = 0.9
    run = Run(UserTimeline(), Client(sound, ppm=150, jitter_ms=20))
    found = np.flatnonzero(run.heard > 0.5)
    assert found.size == clicks.size
    told = np.cumsum([frame.correction_samples for frame in run.frames])
    moved = found - clicks - (found[0] - clicks[0])
    assert {int(step) for step in np.diff(moved)} == {0, -CORRECTION_SAMPLES}
    assert abs(int(moved[-1]) - int(told[-1])) <= 2 * CORRECTION_SAMPLES
    session_s = found / SAMPLE_RATE
    spoken_s = 0.2 + clicks / (SAMPLE_RATE * (1 + 150e-6))
    assert float(np.ptp((session_s - spoken_s)[12:])) <= 0.025


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    ppm=st.floats(-200, 200),
    jitter_ms=st.floats(0, 30),
    packet=st.sampled_from([240, 480, 960, 1_920]),
    stamped=st.booleans(),
    lost=st.frozensets(st.integers(20, 1_000), max_size=30),
    seed=st.integers(0, 1_000),
)
def test_whatever_the_network_does_the_clocks_stay_together(
    ppm: float, jitter_ms: float, packet: int, stamped: bool, lost: frozenset[int], seed: int
) -> None:
    client = Client(
        _talk(45, seed=seed),
        packet=packet,
        ppm=ppm,
        jitter_ms=jitter_ms,
        in_order=not stamped,
        seed=seed,
        lost=lost if stamped else frozenset(),
    )
    run = Run(UserTimeline(), client, stamped=stamped)
    assert all(frame.pcm.shape == (FRAME_SAMPLES,) for frame in run.frames)
    settled = run.delays_ms()[15 * 12 :]
    assert float(np.abs(settled - TRAVEL_S * 1e3 - run.timeline.depth_ms).max()) <= 21.0
    counts = run.timeline.counts
    assert counts.lost_samples == sum(frame.lost_samples for frame in run.frames)
    assert counts.lost_samples <= packet * (len(client.lost) + counts.late_packets + 1)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 5_000), st.none() | st.integers(-(2**40), 2**40) | st.integers(0, 40_000), st.floats(0, 2), st.booleans()),
        max_size=60,
    )
)
def test_no_sequence_of_packets_makes_it_fall_over(steps: list[tuple[int, int | None, float, bool]]) -> None:
    timeline = UserTimeline(max_backlog_ms=500)
    now, arrival = 0, 0.0
    for size, media, wait, take in steps:
        arrival = max(arrival, now / SAMPLE_RATE) + min(wait, 0.5)
        timeline.push(_noise(size), media, arrival)
        assert timeline.buffered_samples <= SAMPLE_RATE // 2
        if take:
            now = max(now, int(arrival * SAMPLE_RATE)) + FRAME_SAMPLES
            frame = timeline.take(FRAME_SAMPLES, now)
            assert frame.pcm.shape == (FRAME_SAMPLES,)
            assert abs(frame.correction_samples) in {0, CORRECTION_SAMPLES}


def test_drift_is_unknown_until_it_is_measured() -> None:
    delay = DelayEstimator()
    for second in range(9):
        delay.observe(second * SAMPLE_RATE, second * SAMPLE_RATE)
    assert delay.drift_ppm is None


def test_splices_change_length_by_what_is_asked_and_keep_the_rest() -> None:
    pcm = _noise(2_400)
    pcm[1_000:1_700] = 0
    begin, rms = quietest(pcm, 480 + FADE_SAMPLES)
    assert rms == 0
    assert 1_000 <= begin <= 1_124
    short, long = shorten(pcm, begin, 480), lengthen(pcm, begin, 480)
    assert (short.size, long.size) == (1_920, 2_880)
    np.testing.assert_array_equal(short[1_220:], pcm[1_700:])
    np.testing.assert_array_equal(long[:1_000], pcm[:1_000])
    np.testing.assert_array_equal(long[2_180:], pcm[1_700:])
