"""Measured values beside a forecast: sums of points on one clock, means over equal parts."""

from __future__ import annotations

import math

import pytest

from hil.view.forecasts import BUCKETS, midpoints, summed


def test_a_forecast_stands_in_the_middle_of_its_step_as_time_goes_on() -> None:
    assert midpoints([1.0, 2.0], 1.0, 0.0)[0] == [0.5, 1.5]
    assert midpoints([1.0, 2.0], 1.0, 0.75)[0] == [-0.25, 0.75]
    assert midpoints([1.0, 2.0], 0.5, 0.0)[0] == [0.25, 0.75]


def test_steps_without_a_forecast_are_left_out() -> None:
    assert midpoints([math.nan, 2.0, math.nan], 1.0, 0.0) == ([1.5], [2.0])
    assert midpoints([], 1.0, 0.0) == ([], [])


def test_two_points_that_hold_their_values_are_added_with_their_signs() -> None:
    at, values = summed([([-2.0, -1.0], [10.0, 20.0]), ([-2.0], [3.0])], [1.0, -1.0], -2.0, 0.0)
    assert len(at) == BUCKETS
    assert values[0] == pytest.approx(7.0)
    assert values[-1] == pytest.approx(17.0)


def test_the_mean_of_all_parts_is_the_mean_over_time() -> None:
    times = [-3.0, -2.5, -0.7, -0.1]
    _, values = summed([(times, [4.0, 0.0, 8.0, 2.0])], [1.0], -3.0, 0.0)
    truth = (0.5 * 4.0 + 1.8 * 0.0 + 0.6 * 8.0 + 0.1 * 2.0) / 3.0
    assert sum(values) / len(values) == pytest.approx(truth)


def test_only_time_in_which_every_point_is_known_counts() -> None:
    at, _ = summed([([-24.0], [1.0]), ([-6.0], [1.0])], [1.0, 1.0], -24.0, 0.0)
    assert -6.0 < at[0] < -5.8


def test_a_point_of_which_nothing_is_recorded_leaves_no_sum() -> None:
    assert summed([([-1.0], [1.0]), ([], [])], [1.0, 1.0], -24.0, 0.0) == ([], [])
    assert summed([], [], -24.0, 0.0) == ([], [])
