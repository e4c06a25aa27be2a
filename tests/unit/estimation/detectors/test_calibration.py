"""Thresholds hold the rate that they are made for; bounds are the published ones."""

import numpy as np
import pytest

from estimation.detectors.alarm import Rule, begins
from estimation.detectors.calibration import (
    peaks,
    poisson_interval,
    poisson_upper,
    threshold_for,
    verify,
)

DAY = 8640


@pytest.mark.parametrize(
    ("n", "low", "high"),
    # Exact limits of Garwood (1936), as tabulated in Biometrika Tables for Statisticians and ICRU reports.
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (2, 0.242, 7.225), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_two_sided_bounds_are_those_of_the_tables(n: int, low: float, high: float) -> None:
    assert poisson_interval(n) == pytest.approx((low, high), abs=6e-4)  # the tables' last digit


@pytest.mark.parametrize(("n", "upper"), [(0, 2.996), (1, 4.744), (2, 6.296), (5, 10.513)])
def test_one_sided_bounds_are_those_of_the_tables(n: int, upper: float) -> None:
    assert poisson_upper(n) == pytest.approx(upper, abs=6e-4)  # the tables' last digit


def test_no_alarm_in_five_days_shows_fewer_than_one_a_day() -> None:
    found = verify([np.zeros(DAY)] * 5, DAY, 1.0, Rule())
    assert (found.n, found.days) == (0, 5.0)
    assert found.upper_per_day == pytest.approx(2.996 / 5.0, abs=1e-3)


def test_scans_without_a_number_are_not_time_watched() -> None:
    values = np.concatenate((np.full(DAY, np.nan), np.zeros(DAY)))
    assert verify([values], DAY, 1.0, Rule()).days == 1.0
    assert verify([np.full(DAY, np.nan)], DAY, 1.0, Rule()).upper_per_day == np.inf


def test_thresholds_keep_the_rate_that_they_were_made_for() -> None:
    rng = np.random.default_rng(1)
    n = 0
    for _ in range(20):
        h = threshold_for([rng.standard_normal(DAY) for _ in range(5)], DAY, 1.0, Rule())
        n += sum(len(begins(rng.standard_normal(DAY), h, Rule())) for _ in range(5))
    # 100 days: Poisson makes a standard error of 10, thresholds from some 5 events each (45 %) another 10;
    # normal tails fall faster than exponential ones, which errs to the safe side by up to a half.
    assert 40 < n < 140


def test_a_rate_below_one_in_the_clean_time_is_extrapolated_beyond_every_clean_value() -> None:
    runs = [np.random.default_rng(k).standard_normal(DAY) for k in range(5)]
    h = threshold_for(runs, DAY, 0.1, Rule())
    # 10 days of normal numbers reach 4.24 (1 in 86400); the exponential tail is a little heavier.
    assert max(r.max() for r in runs) < h < 5.2


def test_the_mean_excess_of_an_exponential_tail_is_met_without_bias() -> None:
    """Of n ordered peaks the n - 1 above the lowest tell it; divided by n it is a twelfth short."""
    rng = np.random.default_rng(4)
    rule, b = Rule(rearm=1), 2.0
    found = []
    for _ in range(400):
        x = np.zeros(36)
        x[::3] = 5.0 + rng.exponential(b, 12)  # 12 peaks, each a cluster, and 12 of height 0
        h = threshold_for([x], 36.0, 12.0 / np.exp(5.0), rule)  # ln(r / f) = 5
        found.append((h - np.sort(x)[-12]) / 5.0)
    # standard error of the mean: b / sqrt(11 * 400) = 0.030; three of them. Divided by n it would be 1.83.
    assert np.mean(found) == pytest.approx(b, abs=0.09)


def test_peaks_are_one_for_each_alarm_also_with_a_rule_of_several_scans() -> None:
    values = np.random.default_rng(3).standard_normal(2000)
    for rule in (Rule(rearm=30), Rule(3, 5, 30)):
        found = peaks(values, rule)
        assert found[0] > found[1]
        assert len(begins(values, found[0], rule)) == 0
        assert len(begins(values, float(np.nextafter(found[0], 0.0)), rule)) == 1


def test_clean_runs_of_zeros_give_the_floor() -> None:
    assert threshold_for([np.zeros(DAY)], DAY, 0.1, Rule(), floor=7.0) == 7.0


def test_clean_runs_without_a_number_are_no_base_for_a_threshold() -> None:
    with pytest.raises(ValueError, match="needs clean scans"):
        threshold_for([np.full(10, np.nan)], DAY, 1.0, Rule())
