"""Weights of members, learned from what they forecast."""

import numpy as np
import pytest

from forecasting.combining import combine, weights

ROWS = 2000


def said(*sigmas: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts of members with independent errors, and what came."""
    rng = np.random.default_rng(seed)
    actual = rng.normal(100.0, 20.0, ROWS)
    return np.column_stack([actual + rng.normal(0.0, s, ROWS) for s in sigmas]), actual


def test_independent_members_weigh_as_the_inverse_of_their_variance() -> None:
    forecasts, actual = said(1.0, 2.0)
    # 0.8 and 0.2 in theory (Bates and Granger 1969); 2000 rows give about 0.01.
    assert weights(forecasts, actual, pull=0.0) == pytest.approx([0.8, 0.2], abs=0.03)


def test_weights_are_not_negative_and_add_to_one() -> None:
    forecasts, actual = said(1.0, 1.0, 9.0)
    forecasts[:, 2] = 2.0 * forecasts[:, 0] - actual  # best of use with a weight below zero
    found = weights(forecasts, actual)
    assert (found >= 0.0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_strong_pull_makes_weights_go_with_the_inverse_square_of_the_mean_square_error() -> None:
    forecasts, actual = said(1.0, 2.0)
    square = np.mean((forecasts - actual[:, None]) ** 2, axis=0)
    # The pull is 1e6 times the errors' own part.
    assert weights(forecasts, actual, pull=1e6) == pytest.approx(square**-2 / (square**-2).sum(), abs=1e-5)


def test_weights_do_not_depend_on_the_unit() -> None:
    forecasts, actual = said(1.0, 2.0, 3.0)
    assert weights(forecasts * 1e3, actual * 1e3) == pytest.approx(weights(forecasts, actual), abs=1e-9)


def test_a_member_without_forecasts_weighs_nothing_and_does_not_disturb_the_others() -> None:
    forecasts, actual = said(1.0, 2.0)
    with_nobody = np.column_stack([forecasts, np.full(ROWS, np.nan)])
    assert np.array_equal(weights(with_nobody, actual), [*weights(forecasts, actual), 0.0])


def test_with_few_rows_members_weigh_the_same() -> None:
    forecasts, actual = said(1.0, 5.0)
    assert weights(forecasts[:40], actual[:40]).tolist() == [0.5, 0.5]


def test_perfect_members_weigh_the_same() -> None:
    _, actual = said(1.0)
    assert weights(np.column_stack([actual, actual]), actual).tolist() == [0.5, 0.5]


def test_who_has_no_forecast_leaves_its_weight_to_the_others() -> None:
    forecasts = np.array([[1.0, 3.0], [np.nan, 3.0], [np.nan, np.nan]])
    assert combine(forecasts, np.array([0.75, 0.25])).tolist()[:2] == [1.5, 3.0]
    assert np.isnan(combine(forecasts, np.array([0.75, 0.25]))[2])
    assert combine(forecasts, np.array([1.0, 0.0]))[1] == 3.0
