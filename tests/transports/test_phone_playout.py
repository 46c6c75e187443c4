"""What marks say of what was heard."""

from __future__ import annotations

from workbench.transports.phone_playout import MAX_UNHEARD_MS, TRIM_ABOVE_MS, Playout


def test_a_mark_says_that_everything_before_it_was_heard() -> None:
    playout = Playout()
    names = [playout.sent(80, at_s) for at_s in (0.0, 0.08, 0.16)]
    assert playout.unheard_ms is None, "nobody has answered yet"
    assert playout.heard(names[1], 0.2)
    assert playout.unheard_ms == 80
    delays = playout.take_delays()
    assert delays is not None
    assert (round(delays.median_ms), delays.n) == (40, 1)
    assert playout.take_delays() is None
    assert playout.heard(names[2], 0.3)
    assert playout.unheard_ms == 0


def test_marks_of_dropped_sound_and_made_up_ones_count_for_nothing() -> None:
    playout = Playout()
    names = [playout.sent(80, 0.0) for _ in range(5)]
    assert playout.heard(names[0], 0.1)
    assert playout.cleared() == 320
    assert not any(playout.heard(name, 0.2) for name in (*names, "", "0.99", "x" * 200))
    assert playout.unheard_ms == 0
    assert playout.heard(playout.sent(80, 0.3), 0.4)


def test_after_a_burst_quiet_frames_are_left_out_and_in_the_end_all() -> None:
    playout = Playout()
    assert playout.heard(playout.sent(80, 0.0), 0.1)
    while playout.wanted(quiet=True):
        playout.sent(80, 0.2)
    assert playout.unheard_ms == TRIM_ABOVE_MS // 80 * 80 + 80
    assert playout.wanted(quiet=False)
    while playout.wanted(quiet=False):
        playout.sent(80, 0.2)
    assert (playout.unheard_ms or 0) >= MAX_UNHEARD_MS


def test_a_network_that_answers_no_marks_gets_everything() -> None:
    playout = Playout()
    for _ in range(1_000):
        assert playout.wanted(quiet=True)
        playout.sent(80, 0.0)
    assert playout.cleared() is None
