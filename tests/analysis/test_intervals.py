"""The bootstrap over sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.analysis.intervals import MIN_SESSIONS, Interval, Quantile, Ratio, difference, interval, intervals, share


def test_turns_of_one_talk_are_drawn_together() -> None:
    """A hundred equal turns a talk tell no more than one: the interval must not shrink."""
    rng = np.random.default_rng(1)
    talks = rng.normal(500, 100, 12)
    once = interval(Quantile(talks, np.arange(12)))
    often = interval(Quantile(np.repeat(talks, 100), np.repeat(np.arange(12), 100)))
    assert once is not None
    assert often is not None
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for seed in range(200):
        talks = np.repeat(np.arange(25), 6)
        values = 300 + np.repeat(rng.normal(0, 50, 25), 6) + rng.normal(0, 80, 150)
        found = interval(Quantile(values, talks), resamples=300, seed=seed)
        assert found is not None
        hits += found.low <= 300 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_drawn_quantile_is_that_of_the_talks_put_side_by_side(q: float) -> None:
    values, talks = np.array([5.0, 1.0, 9.0, 2.0, 7.0]), np.array(["a", "a", "b", "b", "c"])
    weights = np.array([2, 0, 1])
    assert Quantile(values, talks, q).drawn(weights) == pytest.approx(np.quantile([5, 1, 5, 1, 7], q))


def test_too_few_talks_have_none() -> None:
    assert interval(Quantile([1.0] * 50, [0] * 50)) is None
    assert interval(Ratio(np.ones(MIN_SESSIONS - 1), np.ones(MIN_SESSIONS - 1))) is None
    assert Quantile([], []).value is None
    assert Ratio([0], [0]).value is None


def test_a_ratio_weighs_each_talk_by_what_is_in_it() -> None:
    assert Ratio([1, 9], [1, 99]).value == pytest.approx(10 / 100)
    assert Ratio([1, 0, 9], [1, 0, 99]).sessions == 2, "a talk without any has no part in it"


def test_a_difference_is_the_second_less_the_first() -> None:
    rng = np.random.default_rng(3)
    fast, slow = rng.normal(300, 20, 40), rng.normal(500, 20, 40)
    found = difference(Quantile(fast, np.arange(40)), Quantile(slow, np.arange(40)))
    assert found is not None
    assert 150 < found.low < 200 < found.high < 250
    same = difference(Quantile(fast, np.arange(40)), Quantile(fast, np.arange(40)))
    assert same is not None
    assert not same.excludes_zero


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=100)
    assert interval(Quantile(values, np.arange(100)), seed=7) == interval(Quantile(values, np.arange(100)), seed=7)


def test_the_same_talks_give_the_same_interval_in_whatever_order_their_rows_come() -> None:
    """A database gives rows in the order in which its threads found them."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"session": [f"s{n % 30}" for n in range(300)], "ms": rng.normal(500, 100, 300)})
    shuffled = rows.sample(frac=1, random_state=1)
    once, again = (
        (interval(Quantile(found["ms"], found["session"])), interval(share(found["ms"] > 550, found["ms"] > 400, found["session"])))
        for found in (rows, shuffled)
    )
    assert None not in once
    assert once == again


def test_statistics_drawn_together_get_the_intervals_that_each_gets_alone() -> None:
    rng = np.random.default_rng(6)
    mixed = [
        Quantile(rng.normal(size=400), np.arange(400) % 40),
        Ratio(rng.random(40), rng.random(40) + 1),
        Ratio(rng.random(25), rng.random(25) + 1),
        Ratio([1], [2]),
        # So many values that fewer resamples are drawn.
        Quantile(rng.normal(size=4_000), np.arange(4_000) % 40),
    ]
    found = intervals(mixed)
    assert found == [interval(statistic) for statistic in mixed]
    assert [spread is None for spread in found] == [False, False, False, True, False]


def test_an_interval_that_touches_zero_does_not_leave_it_out() -> None:
    assert not Interval(0.0, 3.0).excludes_zero
    assert Interval(-3.0, -0.1).excludes_zero
