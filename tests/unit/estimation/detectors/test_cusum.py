"""Run lengths of the two one-sided sums are those known for them."""

import numpy as np
import pytest

from estimation.detectors.cusum import Cusum, Sums
from estimation.detectors.scan import Scan

N = 2000
"""Sequences run side by side; a run length is geometric, its mean is known to 1/sqrt(N) = 2.2 %."""


def run_lengths(k: float, h: float, shift: float, *, two_sided: bool = True, seed: int = 1) -> np.ndarray:
    """Return the number of samples until the sum first exceeds h, of N sequences."""
    rng, sums = np.random.default_rng(seed), Sums(N, k)
    first = np.zeros(N, int)
    for t in range(1, 20_000):
        g = sums.update(rng.standard_normal(N) + shift)
        above = (g if two_sided else sums.up) > h
        first[(first == 0) & above] = t
        if first.all():
            return first
    raise AssertionError("some sequence never ended")


@pytest.mark.parametrize(
    ("k", "h", "one", "two"), [(0.5, 4.0, 333, 171), (0.5, 5.0, 925, 472), (0.25, 8.0, 749, 363)]
)
def test_time_to_false_alarm_is_the_known_one(k: float, h: float, one: int, two: int) -> None:
    # Both the figures and these are simulated: 3 standard errors of N sequences, and as much of the figures.
    assert run_lengths(k, h, 0.0, two_sided=False).mean() == pytest.approx(one, rel=0.1)
    assert run_lengths(k, h, 0.0).mean() == pytest.approx(two, rel=0.1)


@pytest.mark.parametrize(
    ("k", "h", "delays"),
    [(0.5, 4.0, (26.7, 8.3, 3.2)), (0.5, 5.0, (38.0, 10.3, 3.9)), (0.25, 8.0, (28.7, 11.3, 5.1))],
)
def test_delay_after_a_shift_is_the_known_one(k: float, h: float, delays: tuple[float, ...]) -> None:
    found = [run_lengths(k, h, shift).mean() for shift in (0.5, 1.0, 2.0)]
    # 3 standard errors of the most scattered (0.5 sigma) are 6 %; figures are rounded to 0.1.
    assert found == pytest.approx(delays, rel=0.06, abs=0.06)


def test_a_sum_of_sizes_would_be_a_false_alarm_generator() -> None:
    rng, sums = np.random.default_rng(1), Sums(N, 0.5)
    for _ in range(100):
        sums.update(np.abs(rng.standard_normal(N)))
    # mean 0.798 - 0.5 a scan; 5 standard errors of the mean of N sums of 100 (sd 6.0) are 0.7
    assert sums.up.mean() == pytest.approx(100 * 0.298, abs=2.0)


def test_a_shift_of_one_group_is_found_there_and_nowhere_else() -> None:
    rng = np.random.default_rng(2)
    cusum = Cusum({"a": np.array([0, 1]), "b": np.array([2, 3])})
    values = []
    for t in range(420):
        nu = rng.standard_normal(4)
        nu[2:] += 2.0 if t >= 400 else 0.0
        value, where = cusum.update(Scan(t_s=10.0 * t, z=nu, age_s=np.zeros(4), nu=nu))
        values.append(value)
    assert np.isnan(values[:50]).all()  # nothing learned, nothing said
    assert np.nanmax(values[:400]) < 8.0  # k = 1: e^-2h of a sum above h, so e^-16 a scan
    # 2 sqrt(2) - 1 a scan at first, less as the mean follows: over 12 in ten scans, noise may take 4
    assert max(values[400:410]) > 8.0
    assert set(where) == {2, 3}


def test_a_bias_that_stays_for_hours_is_taken_for_the_usual() -> None:
    rng, values = np.random.default_rng(3), []
    cusum = Cusum({"a": np.array([0])})
    for t in range(2000):
        nu = rng.standard_normal(1) + 1.5
        values.append(cusum.update(Scan(t_s=10.0 * t, z=nu, age_s=np.zeros(1), nu=nu))[0])
    assert np.nanmax(values[1000:]) < 10.0  # without taking the mean off it would climb by 0.5 a scan


def test_a_scan_without_innovation_leaves_the_sums_as_they_are() -> None:
    sums = Sums(1, 0.5)
    before = sums.update(np.array([3.0])).copy()
    assert sums.update(np.array([np.nan])) == before
