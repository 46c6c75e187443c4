"""Intervals cover what they should, comparisons do not cry wolf, Holm corrects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.statistics import bootstrap, holm, paired, sign_flip_p


def test_the_interval_covers_the_true_mean_of_skewed_sessions() -> None:
    """400 simulated studies of 25 sessions with session effects: 95 % nominal, at least 90 % held, and never all."""
    rng = np.random.default_rng(7)
    covered = {"percentile": 0, "bca": 0}
    studies = 400
    for _ in range(studies):
        levels = rng.gamma(4.0, 100.0, size=25)
        sessions = [rng.normal(level, 20.0, size=rng.integers(3, 8)) for level in levels]
        for method in covered:
            found = bootstrap([[s.mean()] for s in sessions], method=method, resamples=400, seed=int(rng.integers(1 << 30)))  # type: ignore[arg-type]
            covered[method] += found.low <= 400.0 <= found.high
    assert all(0.90 <= count / studies <= 0.985 for count in covered.values()), covered


def test_resampling_events_instead_of_sessions_would_be_too_narrow() -> None:
    rng = np.random.default_rng(1)
    sessions = [rng.normal(level, 1.0, size=20) for level in rng.normal(0, 10, size=12)]
    by_session = bootstrap(sessions, resamples=2_000)
    by_event = bootstrap([[value] for session in sessions for value in session], resamples=2_000)
    assert by_session.value == pytest.approx(by_event.value)
    assert by_session.high - by_session.low > 2 * (by_event.high - by_event.low)


def test_bca_moves_towards_the_long_tail() -> None:
    values = [[float(v)] for v in np.random.default_rng(3).exponential(size=30)]
    plain, corrected = bootstrap(values, method="percentile"), bootstrap(values, method="bca")
    assert corrected.low > plain.low
    assert corrected.high > plain.high


def test_medians_of_constant_data_have_no_width() -> None:
    found = bootstrap([[2.0, 2.0], [2.0], []], lambda v: float(np.median(v)), resamples=200)
    assert (found.value, found.low, found.high, found.n) == (2.0, 2.0, 2.0, 3)


def test_a_seed_repeats_an_interval() -> None:
    values = [[float(v)] for v in range(9)]
    assert bootstrap(values, seed=5) == bootstrap(values, seed=5)
    assert bootstrap(values, seed=5) != bootstrap(values, seed=6)


@pytest.mark.parametrize(("sessions", "complaint"), [([[1.0]], "at least 2"), ([[], []], "hold no value")])
def test_too_little_to_resample_is_an_error(sessions: list[list[float]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bootstrap(sessions)


def test_identical_twins_differ_in_at_most_seven_of_a_hundred_sweeps() -> None:
    """200 sweeps of 12 paired scenarios without any difference: the type-I error of a 5 % test stays below 7 %."""
    rng = np.random.default_rng(11)
    found = [sign_flip_p(rng.normal(size=12) - rng.normal(size=12)) for _ in range(200)]
    assert np.mean(np.array(found) <= 0.05) <= 0.07


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(2)
    scenario = rng.normal(0, 50, size=20)
    found = paired(scenario + rng.normal(0, 5, size=20), scenario + 10 + rng.normal(0, 5, size=20))
    assert found.difference.excludes_zero
    assert found.difference.value == pytest.approx(10, abs=4)
    assert found.p < 0.01


def test_pairs_with_a_hole_are_dropped_and_unequal_lists_refused() -> None:
    assert paired([1.0, float("nan"), 3.0, 4.0], [2.0, 9.0, 4.0, float("inf")], resamples=100).difference.n == 2
    with pytest.raises(ValueError, match="pairs are needed"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="1 whole pairs are left"):
        paired([1.0, float("nan")], [2.0, 3.0])


def test_all_flips_are_tried_where_they_are_few() -> None:
    assert sign_flip_p([1.0, 1.0, 1.0]) == 2 / 8
    assert sign_flip_p([1.0, -1.0]) == 1.0


def test_holm_steps_down() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    with pytest.raises(ValueError, match=r"p-value of x is 1\.5"):
        holm({"x": 1.5})


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: dict[str, float]) -> None:
    adjusted = holm(p_values)
    ordered = sorted(p_values, key=lambda name: p_values[name])
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())
