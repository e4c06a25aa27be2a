"""Scores of points and intervals, by hand."""

import numpy as np
import pytest

from forecasting.scores import coverage, coverage_by_slot, naive_mae_of, pinball, ratio_bound, scores

NAN = np.nan


def test_scores_of_points_are_their_definitions() -> None:
    found = scores(np.array([11.0, 18.0, 5.0, NAN]), np.array([10.0, 20.0, NAN, 7.0]), 2.0)
    assert found is not None
    assert found.rmse == pytest.approx(np.sqrt(2.5))
    assert (found.mae, found.bias, found.mase, found.count) == (1.5, -0.5, 0.75, 2)
    assert found.mape_pct == pytest.approx(10.0)


def test_a_share_of_nothing_is_not_given() -> None:
    found = scores(np.array([1.0, 2.0]), np.array([0.0, 2.0]), 0.0)
    assert found is not None
    assert found.mape_pct is None
    assert found.mase is None


def test_without_rows_there_are_no_scores() -> None:
    nothing = np.array([NAN])
    assert scores(nothing, np.array([1.0]), 1.0) is None
    assert coverage(nothing, nothing, np.array([1.0])) is None
    assert pinball(np.full((1, 2), NAN), np.full((1, 2), NAN), np.array([1.0]), (0.5, 0.8)) is None
    assert ratio_bound(nothing, nothing, 7, np.random.default_rng(1)) is None


def test_the_naive_error_is_that_of_rows_a_day_apart() -> None:
    assert naive_mae_of(np.array([1.0, 5.0, 2.0, NAN, 4.0]), 2) == 1.5
    assert naive_mae_of(np.array([1.0, 2.0]), 2) == 0.0


def test_coverage_counts_what_lies_inside() -> None:
    lower, upper, actual = np.zeros(4), np.ones(4), np.array([0.0, 0.5, 1.5, NAN])
    assert coverage(lower, upper, actual) == pytest.approx(2 / 3)
    shares = coverage_by_slot(lower, upper, actual, np.array([0, 0, 1, 1]), 3)
    assert shares[:2] == [1.0, 0.0]
    assert np.isnan(shares[2])


def test_pinball_is_the_mean_over_both_bounds() -> None:
    # Quantiles 0.1 and 0.9: 3 below the lower bound costs 0.9 * 3 there and 0.1 * 5 at the upper one.
    found = pinball(np.array([[10.0]]), np.array([[12.0]]), np.array([7.0]), (0.8,))
    assert found == pytest.approx((0.9 * 3.0 + 0.1 * 5.0) / 2.0)


def test_the_bound_of_a_ratio_lies_above_it_and_shrinks_with_more_weeks() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(0.0, 1.0, (2, 168 * 40))
    few = ratio_bound(ours[: 168 * 5], theirs[: 168 * 5], 168, np.random.default_rng(1))
    many = ratio_bound(ours, theirs, 168, np.random.default_rng(1))
    assert few is not None
    assert many is not None
    assert few[1] > few[0]
    assert 0.0 < many[1] - many[0] < few[1] - few[0]


def test_models_with_the_same_errors_have_a_ratio_of_one_and_no_doubt() -> None:
    errors = np.random.default_rng(3).normal(0.0, 1.0, 1000)
    assert ratio_bound(errors, -errors, 168, np.random.default_rng(1)) == (1.0, 1.0)
