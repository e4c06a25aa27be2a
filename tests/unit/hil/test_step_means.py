"""Means over steps: exact for lines, honest about gaps."""

from __future__ import annotations

import numpy as np
import pytest

from hil.step_means import StepMeans

S = 1_000_000_000
HOUR = 3600 * S


def steps(means: StepMeans, samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found = []
    for at_s, value in samples:
        for end_ns, mean in means.take(round(at_s * S), np.array([value])):
            found.append((end_ns / S, float(mean[0])))
    return found


def test_the_mean_of_a_line_is_its_middle_whatever_the_samples_are() -> None:
    samples = [(at, 2.0 * at) for at in (0.0, 500.0, 501.0, 1100.0, 1900.0, 2500.0, 3300.0, 3700.0)]
    ((end_s, mean),) = steps(StepMeans(1, HOUR), samples)
    assert end_s == 3600.0
    assert mean == pytest.approx(3600.0, rel=1e-12)  # the last part is cut at the step's end, rounding apart


def test_a_step_that_is_covered_by_less_than_half_is_unknown_and_the_next_one_is_not() -> None:
    samples = [(at, 5.0) for at in np.arange(2000.0, 7300.0, 100.0)]
    assert steps(StepMeans(1, HOUR), samples)[0] == (3600.0, pytest.approx(np.nan, nan_ok=True))
    assert steps(StepMeans(1, HOUR), samples)[1] == (7200.0, 5.0)


def test_a_gap_of_more_than_a_quarter_of_a_step_is_not_drawn_through() -> None:
    samples = [(at, 1.0) for at in np.arange(0.0, 2001.0, 100.0)] + [(3500.0, 99.0), (3650.0, 99.0)]
    ((_, mean),) = steps(StepMeans(1, HOUR), samples)
    # 2000 s of 1 and the last 100 s of 99; the jump between them counts nowhere
    assert mean == pytest.approx((2000.0 * 1.0 + 100.0 * 99.0) / 2100.0, rel=1e-12)


def test_steps_without_any_sample_are_told_as_unknown() -> None:
    found = steps(StepMeans(1, HOUR), [(0.0, 1.0), (3 * 3600.0 + 1.0, 1.0)])
    assert [end for end, _ in found] == [3600.0, 7200.0, 10800.0]
    assert all(np.isnan(mean) for _, mean in found)


def test_each_quantity_has_its_own_gaps() -> None:
    means = StepMeans(2, HOUR)
    closed = []
    for at in range(0, 3700, 100):
        bad = np.nan if at > 1000 else 3.0
        closed += [m for _, m in means.take(at * S, np.array([7.0, bad]))]
    assert closed[0][0] == 7.0
    assert np.isnan(closed[0][1])


def test_time_that_goes_back_begins_anew() -> None:
    means = StepMeans(1, HOUR)
    assert steps(means, [(at, 1.0) for at in range(0, 3000, 100)]) == []
    assert steps(means, [(at, 2.0) for at in range(0, 3700, 100)]) == [(3600.0, 2.0)]
