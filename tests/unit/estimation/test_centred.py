"""Offsets of one station's residuals: learned from clean scans, then taken off."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.centred import LEARN_H, CentredTest

SCAN_NS = 60_000_000_000
N = 12


def correlated(rng: np.random.Generator, n_scans: int) -> np.ndarray:
    """Residuals with offsets, different spreads, and a common part."""
    offsets = np.linspace(-2.0, 2.0, N)
    common = rng.standard_normal((n_scans, 1))
    own = rng.standard_normal((n_scans, N))
    return offsets + np.linspace(0.1, 0.5, N) * (0.6 * common + 0.8 * own)


def learned(rng: np.random.Generator) -> CentredTest:
    test = CentredTest(N)
    for k, r in enumerate(correlated(rng, round(LEARN_H * 60) + 2)):
        test.learn(k * SCAN_NS, r)
    return test


def test_nothing_is_said_before_a_day_is_learned() -> None:
    test = CentredTest(N)
    for k in range(600):
        test.learn(k * SCAN_NS, np.zeros(N))
    assert not test.is_ready
    assert np.isnan(test.statistic(np.zeros(N)))
    assert test.learned_h == pytest.approx(599 / 60, rel=1e-9)


def test_false_alarms_of_correlated_residuals_are_a_little_below_one_per_cent() -> None:
    """20,000 clean scans. Below: what an hour of few scans scatters by counts as one between hours, too."""
    rng = np.random.default_rng(4)
    test = learned(rng)
    alarms = [test.statistic(r) > test.threshold for r in correlated(rng, 20_000)]
    assert 0.001 < np.mean(alarms) < 0.0125


def test_hours_that_differ_raise_the_threshold() -> None:
    """Residuals that are twice as large in some hours: the alarms stay near one per cent."""
    rng = np.random.default_rng(5)

    def scans(hours: int) -> np.ndarray:
        factor = np.exp(0.3 * rng.standard_normal(hours))
        return np.repeat(factor, 60)[:, None] * (correlated(rng, 60 * hours) - np.linspace(-2.0, 2.0, N))

    test, plain = CentredTest(N), learned(rng)
    for k, r in enumerate(scans(round(LEARN_H) + 1)):
        test.learn(k * SCAN_NS, r)
    alarms = [test.statistic(r) > test.threshold for r in scans(2_000)]
    assert test.threshold > plain.threshold
    assert np.mean(alarms) < 0.03  # 24 hours are a small sample of how hours differ


def test_an_error_smaller_than_the_offsets_is_seen() -> None:
    """Offsets are up to 2 sigma: half a sigma on a channel with a spread of 0.1 is invisible to J."""
    rng = np.random.default_rng(5)
    test = learned(rng)
    r = correlated(rng, 1)[0]
    assert test.statistic(r) < test.threshold
    r[0] += 0.6
    assert test.statistic(r) > test.threshold


def test_time_without_clean_scans_is_not_learned_from() -> None:
    test = CentredTest(N)
    test.learn(0, np.zeros(N))
    test.learn(SCAN_NS, np.zeros(N))
    test.pause()
    test.learn(60 * SCAN_NS, np.zeros(N))
    assert test.learned_h == pytest.approx(1 / 60, rel=1e-9)


def test_channels_that_are_seldom_there_are_left_out() -> None:
    rng = np.random.default_rng(6)
    test = CentredTest(N)
    for k, r in enumerate(correlated(rng, round(LEARN_H * 60) + 2)):
        r[3] = np.nan
        test.learn(k * SCAN_NS, r)
    assert test.is_ready
    r = correlated(rng, 1)[0]
    base = test.statistic(r)
    r[3] = 1e6
    assert test.statistic(r) == base
