"""The counter-based noise: a standard normal within what the sample size can tell."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from rtcore.noise import LEVELS, draw_key, normal, quantile_table, step_key

TABLE = quantile_table()
KEY = draw_key(np.random.default_rng(7))
N_STEPS, N_STREAMS = 2000, 500
Z = 5.0
"""Bounds are five standard errors: a right generator fails one test in 1.7 million."""


@njit
def block(table, key, n_steps, n_streams):  # type: ignore[no-untyped-def]
    out = np.empty((n_steps, n_streams))
    for step in range(n_steps):
        k = step_key(key, step)
        for stream in range(n_streams):
            out[step, stream] = normal(table, k, stream)
    return out


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    return np.asarray(block(TABLE, KEY, N_STEPS, N_STREAMS))


def test_mean_is_zero_and_variance_one_over_everything(draws: np.ndarray) -> None:
    n = draws.size
    assert abs(draws.mean()) < Z / np.sqrt(n)
    assert abs(draws.var() - 1.0) < Z * np.sqrt(2.0 / n)


def test_every_stream_and_every_step_by_itself_has_mean_zero_and_variance_one(draws: np.ndarray) -> None:
    for axis, n in ((0, N_STEPS), (1, N_STREAMS)):
        means, variances = draws.mean(axis=axis), draws.var(axis=axis)
        assert np.abs(means).max() < Z / np.sqrt(n)
        # the variance of a variance of n normals is 2/n; its tail is that of chi-square, so test by quantile
        tail = stats.norm.sf(Z)
        assert variances.max() < stats.chi2.isf(tail, n - 1) / n
        assert variances.min() > stats.chi2.ppf(tail, n - 1) / n


def test_kurtosis_is_that_of_the_table_and_near_normal(draws: np.ndarray) -> None:
    # Exact excess kurtosis of a sum of two table draws: half that of one draw.
    exact = 0.5 * (np.mean(TABLE**4) / np.mean(TABLE**2) ** 2 - 3.0)
    assert abs(exact) < 0.01
    assert abs(stats.kurtosis(draws, axis=None) - exact) < Z * np.sqrt(24.0 / draws.size)


def test_tails_hold_the_share_of_a_normal_distribution(draws: np.ndarray) -> None:
    # Convolution of the table with itself gives the exact share; the bound is the binomial's.
    sums = (TABLE[:, None] + TABLE[None, :]).ravel()
    # what 4096 levels cost against a true normal: measured 1 % at 3 sigma, 13 % at 4
    for limit, rel in ((1.0, 0.01), (2.0, 0.01), (3.0, 0.02), (4.0, 0.15)):
        share = np.mean(np.abs(sums) > limit)
        assert share == pytest.approx(2.0 * stats.norm.sf(limit), rel=rel)
        seen = np.mean(np.abs(draws) > limit)
        assert abs(seen - share) < Z * np.sqrt(share * (1 - share) / draws.size)
    assert 5.0 < 2.0 * TABLE.max() < 5.3  # as the module says: to 5.1 sigma


def test_streams_do_not_correlate(draws: np.ndarray) -> None:
    c = np.corrcoef(draws[:, :200].T)[np.triu_indices(200, 1)]
    # 19900 pairs: the greatest of so many normals of deviation 1/sqrt(n) stays below 6.5 of them (1e-6)
    assert np.abs(c).max() < 6.5 / np.sqrt(N_STEPS)
    assert abs(c.mean()) < Z / np.sqrt(N_STEPS * len(c))


@pytest.mark.parametrize("lag", [1, 2, 7, 64, 1000])
def test_steps_do_not_correlate(draws: np.ndarray, lag: int) -> None:
    n = draws[lag:].size
    assert abs(np.mean(draws[lag:] * draws[:-lag])) < Z / np.sqrt(n)
    squares = draws**2 - 1.0  # of variance 2: nor do their sizes
    assert abs(np.mean(squares[lag:] * squares[:-lag])) < Z * 2.0 / np.sqrt(n)


def test_stream_and_step_do_not_alias_on_diagonals(draws: np.ndarray) -> None:
    n = (N_STEPS - 1) * (N_STREAMS - 1)
    assert abs(np.mean(draws[1:, :-1] * draws[:-1, 1:])) < Z / np.sqrt(n)
    assert abs(np.mean(draws[1:, 1:] * draws[:-1, :-1])) < Z / np.sqrt(n)


def test_keys_of_one_seed_give_unrelated_families() -> None:
    rng = np.random.default_rng(3)
    a, b = (block(TABLE, draw_key(rng), 500, 200) for _ in range(2))
    assert abs(np.mean(a * b)) < Z / np.sqrt(a.size)


def test_same_inputs_give_the_same_output_whatever_was_drawn_before() -> None:
    first = block(TABLE, KEY, 50, 20)
    keys = [np.uint64(step_key(KEY, step)) for step in range(50)]
    again = [[normal(TABLE, key, stream) for stream in reversed(range(20))] for key in reversed(keys)]
    assert np.array_equal(first, np.array(again)[::-1, ::-1])


def test_steps_of_a_year_long_run_give_finite_noise() -> None:
    far = np.array([normal(TABLE, np.uint64(step_key(KEY, 10**14 + s)), 3) for s in range(100)])
    assert np.abs(far).max() < 5.3
    assert 0.5 < far.std() < 1.5  # chi-square of 100: beyond 5 standard errors either side


def test_table_is_symmetric_and_two_draws_of_it_have_variance_one() -> None:
    assert len(TABLE) == LEVELS
    assert np.all(np.diff(TABLE) > 0)
    # ndtri is symmetric to about 1e-12 near 0.5 +- x, rounding of the argument
    assert np.allclose(TABLE, -TABLE[::-1], rtol=0, atol=1e-12)
    assert 2.0 * TABLE.var() == pytest.approx(1.0, abs=1e-12)
