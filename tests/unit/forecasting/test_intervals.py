"""Conformal intervals: what they cover, hour by hour, whatever the errors do."""

import numpy as np
import pytest

from forecasting.intervals import LEAST_DAYS, LEVELS, Intervals, conformal, intervals
from forecasting.scores import coverage, coverage_by_slot

DAY, DAYS = 24, 150
SLOTS = np.arange(DAY * DAYS) % DAY
SCORED = slice(50 * DAY, None)


def errors(kind: str) -> np.ndarray:
    rng = np.random.default_rng(4)
    rows = np.arange(DAY * DAYS)
    size = {
        "by hour": 5.0 + 40.0 * (SLOTS >= 18),
        "growing": 5.0 * (1.0 + rows / rows[-1] * 3.0),
        "stormy": 5.0 * np.exp(np.sin(2.0 * np.pi * rows / (DAY * 11))),
    }[kind]
    return np.asarray(size * rng.standard_t(4, len(rows)))


def made(kind: str, horizon: int = 1) -> tuple[Intervals, np.ndarray]:
    actual = errors(kind)
    return intervals(np.zeros(len(actual)), actual, horizon, DAY), actual


@pytest.mark.parametrize("kind", ["by hour", "growing", "stormy"])
def test_each_level_is_covered_over_all_and_in_every_hour(kind: str) -> None:
    found, actual = made(kind)
    for k, level in enumerate(LEVELS):
        lower, upper = found.lower[SCORED, k], found.upper[SCORED, k]
        # 2400 rows: three standard errors are 0.03 at 50 % and less elsewhere.
        assert coverage(lower, upper, actual[SCORED]) == pytest.approx(level, abs=0.03)
    shares = coverage_by_slot(
        found.lower[SCORED, 1], found.upper[SCORED, 1], actual[SCORED], SLOTS[SCORED], DAY
    )
    # 100 days an hour would leave 0.68 to 0.92 to chance alone in one of 24 hours (three standard errors).
    assert 0.70 <= min(shares) <= max(shares) <= 0.90


def test_levels_are_nested_and_wide_where_errors_are_large() -> None:
    found, _ = made("by hour")
    widths = (found.upper - found.lower)[SCORED]
    assert (np.diff(widths, axis=1) >= 0.0).all()
    night, evening = widths[SLOTS[SCORED] == 3, 1].mean(), widths[SLOTS[SCORED] == 20, 1].mean()
    assert evening > 4.0 * night  # nine times in theory, less what all hours have in common


@pytest.mark.parametrize("horizon", [1, 24, 30])
def test_an_interval_uses_only_errors_that_are_known_at_its_origin(horizon: int) -> None:
    actual = errors("stormy")[: 60 * DAY]
    origin = 50 * DAY + 7
    later = actual.copy()
    later[origin + 1 :] *= -9.0
    point = np.zeros(len(actual))
    ours, theirs = (intervals(point, x, horizon, DAY) for x in (actual, later))
    upto = origin + horizon + 1
    assert np.array_equal(ours.upper[:upto], theirs.upper[:upto], equal_nan=True)
    assert not np.array_equal(ours.upper[upto : upto + DAY], theirs.upper[upto : upto + DAY])


def test_there_is_no_interval_before_a_week_of_errors_is_known() -> None:
    found, _ = made("growing", horizon=24)
    first = int(np.flatnonzero(np.isfinite(found.lower[:, 0]))[0])
    assert first == LEAST_DAYS * DAY + 23


def test_gaps_in_what_came_and_in_forecasts_are_passed_over() -> None:
    actual, point = errors("stormy")[: 40 * DAY], np.zeros(40 * DAY)
    actual[700:750], point[500:600] = np.nan, np.nan
    found = intervals(point, actual, 1, DAY)
    assert np.isnan(found.lower[500:600]).all()
    assert np.isfinite(found.lower[600:]).all()


def test_perfect_forecasts_have_intervals_of_no_width() -> None:
    still = np.zeros(30 * DAY)
    found = intervals(still, still, 1, DAY)
    assert np.nanmax(found.upper - found.lower) < 1e-300  # the smallest number stands for nothing


def test_quantiles_are_more_of_the_latest_errors_than_of_old_ones() -> None:
    """Of a thousand errors the last hundred, ten times as large, are a tenth by count."""
    ratio = np.concatenate([np.full(900, 0.1), np.full(100, 1.0)])
    # Half-life 167 rows: the last hundred are 1 - 2^-0.6 = 34 % of all that counts.
    assert conformal(ratio, (0.5, 0.65, 0.67, 0.95)).tolist() == [0.1, 0.1, 1.0, 1.0]


def test_of_few_errors_the_largest_stands_for_what_is_rarer_than_they_tell() -> None:
    assert conformal(np.array([3.0, 1.0, 2.0]), (0.95,)).tolist() == [3.0]
