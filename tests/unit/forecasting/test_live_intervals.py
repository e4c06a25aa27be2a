"""Intervals one step at a time are those of the whole series at once."""

import json

import numpy as np

from forecasting.intervals import intervals
from forecasting.live_intervals import LiveIntervals

DAY, DAYS, BASE = 24, 75, 500_000
ROWS = DAY * DAYS


def case() -> tuple[np.ndarray, np.ndarray]:
    """Return points (origin, ahead) and actual values, with gaps in both."""
    rng = np.random.default_rng(8)
    actual = rng.standard_t(4, ROWS) * (1.0 + (np.arange(ROWS) % DAY > 17))
    points = 0.3 * rng.standard_normal((ROWS, DAY))
    actual[rng.random(ROWS) < 0.03] = np.nan
    points[rng.random(ROWS) < 0.03] = np.nan
    return points, actual


def run(live: LiveIntervals, points: np.ndarray, actual: np.ndarray, origins: range) -> np.ndarray:
    out = np.full((ROWS, DAY, 3), np.nan)
    for k in origins:
        if k > 0:
            live.know(BASE + k - 1, float(actual[k - 1]))
        out[k] = live.issue(BASE + k, points[k])
    return out


def test_widths_are_those_of_the_batch_at_every_horizon() -> None:
    points, actual = case()
    found = run(LiveIntervals(DAY, DAY), points, actual, range(ROWS))
    for horizon in (1, 6, 24):
        of_target = np.full(ROWS, np.nan)
        of_target[horizon - 1 :] = points[: ROWS - horizon + 1, horizon - 1]
        made = intervals(of_target, actual, horizon, DAY)
        expected = (made.upper - of_target[:, None])[horizon - 1 :]
        ours = found[: ROWS - horizon + 1, horizon - 1]
        assert np.isfinite(ours).any()
        # Running sums begin elsewhere, so last digits differ; an error on the edge of a width does not occur.
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_a_restart_changes_no_width() -> None:
    points, actual = case()
    whole = run(LiveIntervals(DAY, DAY), points, actual, range(60 * DAY))
    first, second = LiveIntervals(DAY, DAY), LiveIntervals(DAY, DAY)
    cut = 55 * DAY + 7
    run(first, points, actual, range(cut))
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    again = run(second, points, actual, range(cut, 60 * DAY))
    assert np.array_equal(again[cut : 60 * DAY], whole[cut : 60 * DAY], equal_nan=True)


def test_fewer_errors_are_enough_if_so_told() -> None:
    points, actual = case()
    widths = run(LiveIntervals(DAY, DAY, 40), points, actual, range(3 * DAY))
    assert np.isnan(widths[38, 0]).all() and np.isfinite(widths[48, 0]).all()
