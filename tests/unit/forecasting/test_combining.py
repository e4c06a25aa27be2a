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
    assert weights(forecasts, actual, spread=1e6) == pytest.approx([0.8, 0.2], abs=0.03)


def test_weights_are_not_negative_and_add_to_one() -> None:
    forecasts, actual = said(1.0, 1.0, 9.0)
    forecasts[:, 2] = 2.0 * forecasts[:, 0] - actual  # best of use with a weight below zero
    found = weights(forecasts, actual)
    assert (found >= 0.0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_where_no_spread_is_allowed_weights_go_with_the_inverse_square_of_the_mean_square_error() -> None:
    forecasts, actual = said(1.0, 2.0)
    prior = np.mean((forecasts - actual[:, None]) ** 2, axis=0) ** -2.0
    # The pull is 5e5 times the errors' own part.
    found = weights(forecasts, actual, spread=3e-5)
    assert found == pytest.approx(prior / prior.sum(), abs=1e-5)
    trusted = prior * [0.1, 1.0]
    found = weights(forecasts, actual, trust=np.array([0.1, 1.0]), spread=3e-5)
    assert found == pytest.approx(trusted / trusted.sum(), abs=1e-5)


def test_the_farther_ahead_the_closer_are_weights_to_what_is_believed_of_them() -> None:
    forecasts, actual = said(1.0, 1.2)
    forecasts = forecasts[:200]
    trust = np.array([0.1, 1.0])
    near, far = (weights(forecasts, actual[:200], horizon, trust) for horizon in (1, 24))
    assert near[0] > far[0] > 0.1


def test_with_few_rows_weights_are_as_members_are_trusted() -> None:
    forecasts, actual = said(1.0, 5.0)
    found = weights(forecasts[:40], actual[:40], trust=np.array([0.3, 1.2]))
    assert found == pytest.approx([0.2, 0.8])  # rounding


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
