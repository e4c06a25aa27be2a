"""Demand: profile between its samples, wrap and end, ripple, scale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.assemble import Profile
from rtcore.component import REGISTRY, rows_of
from rtcore.engine import Engine
from rtcore.network.grid_arrays import Loads
from rtcore.noise import quantile_table, step_key
from rtcore.plant.load import Load, demand
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

HOUR_NS = 3600 * 10**9
P = np.array([[100e3, 10e3], [200e3, 30e3], [400e3, 20e3]])
Q = 0.25 * P


def engine(start_ns: int, *, wraps: bool = True, dt_ns: int = 10**9, rows: int = 3, **more: float) -> Engine:
    """Return an engine whose profile starts ``start_ns`` before its epoch."""
    profile = Profile(
        start_ns=small.EPOCH_NS - start_ns, step_ns=HOUR_NS, p_w=P[:rows], q_var=Q[:rows], wraps=wraps
    )
    return Engine(small.setup(dt_ns=dt_ns, profile=profile, **more))  # type: ignore[arg-type]


def asked(e: Engine) -> np.ndarray:
    return np.asarray(e.world.loads.s["demand_w"])


@pytest.mark.parametrize(
    ("at_h", "expected"),
    [
        (0.0, P[0]),
        (0.5, (P[0] + P[1]) / 2),
        (1.0, P[1]),
        (1.25, 0.75 * P[1] + 0.25 * P[2]),
        (2.0, P[2]),
        (2.5, (P[2] + P[0]) / 2),  # wraps: the last interval leads back to the first row
        (3.0, P[0]),
        (3000.5, (P[0] + P[1]) / 2),
    ],
)
def test_demand_is_linear_between_samples_and_wraps_at_the_end(at_h: float, expected: np.ndarray) -> None:
    e = engine(round(at_h * HOUR_NS))
    e.step()
    np.testing.assert_allclose(asked(e), expected, rtol=1e-14)  # a few roundings
    np.testing.assert_allclose(e.world.loads.s["demand_var"], 0.25 * expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("at_h", "expected"),
    [(-5.5, P[0]), (0.5, (P[0] + P[1]) / 2), (2.0, P[2]), (2.7, P[2]), (3.0, P[2]), (50.5, P[2])],
)
def test_a_profile_that_does_not_wrap_holds_its_ends(at_h: float, expected: np.ndarray) -> None:
    e = engine(round(at_h * HOUR_NS), wraps=False)
    e.step()
    np.testing.assert_allclose(asked(e), expected, rtol=1e-14)


@pytest.mark.parametrize("wraps", [True, False])
def test_a_profile_of_one_row_is_constant(wraps: bool) -> None:
    e = engine(HOUR_NS * 3 // 2, wraps=wraps, rows=1)
    e.step()
    np.testing.assert_allclose(asked(e), P[0], rtol=1e-14)


def test_demand_crosses_the_hour_without_a_jump() -> None:
    e = engine(HOUR_NS - 5 * 10**9)
    seen = []
    for _ in range(10):
        e.step()
        seen.append(asked(e).copy())
    slopes = np.diff(np.array(seen), axis=0)
    np.testing.assert_allclose(slopes[:5], np.tile((P[1] - P[0]) / 3600, (5, 1)), rtol=1e-6)  # cancellation
    np.testing.assert_allclose(slopes[5:], np.tile((P[2] - P[1]) / 3600, (4, 1)), rtol=1e-6)


def test_scale_multiplies_every_demand_from_the_step_it_is_set() -> None:
    e = engine(0)
    e.step()
    before = asked(e).copy()
    e.do("S.SCALE_SP", 1.5)
    grown = 1.5 * (before + (P[1] - P[0]) / 3600)
    np.testing.assert_allclose(asked(e), grown, rtol=1e-12)
    e.do("S.SCALE_SP", 0.0)
    assert np.all(asked(e) == 0.0)
    # a lossless bank and the 1e-9 S shunts are all that is left on the loads' side
    assert abs(e.value("S.P")) < 1e-6


def test_the_initial_scale_is_the_setups() -> None:
    e = engine(0, load_scale=0.5)
    e.step()
    np.testing.assert_allclose(asked(e), 0.5 * P[0], rtol=1e-14)


def test_branches_share_the_demand_of_their_load() -> None:
    e = engine(0)
    e.step()
    loads = e.world.grid.loads
    for i in range(2):
        mine = loads.s[loads.load == i]
        np.testing.assert_allclose(mine.sum(), (1 + 0.25j) * P[0, i], rtol=1e-14)
        np.testing.assert_allclose(mine, np.full(len(mine), mine.mean()), rtol=1e-14)


def ripples(dt_s: float, tau_s: float, sigma: float, n_loads: int, n_steps: int) -> np.ndarray:
    """Run the kernel alone: shape (n_steps, n_loads)."""
    spec = REGISTRY["load"]
    p = rows_of([Load(ripple_pu=sigma, ripple_tau_s=tau_s)] * n_loads, spec)
    s, totals = np.zeros(n_loads, spec.state_dtype), np.ones(1, REGISTRY["loads"].state_dtype)
    flat, empty = np.full((1, n_loads), 1000.0), np.zeros(0)
    none = np.zeros(0, np.int32)
    branches = Loads(
        none,
        none,
        none,
        empty,
        empty,
        none,
        empty,
        empty,
        empty,
        np.zeros((0, 7)),
        np.zeros((0, 4), np.int32),
        empty + 0j,
        empty + 0j,
    )
    neutral = np.repeat(np.array([[1.0], [1.0], [0.0], [0.0]]), n_loads, axis=1)
    table, out = quantile_table(), np.empty((n_steps, n_loads))
    for step in range(n_steps):
        key = np.uint64(step_key(np.uint64(99), step))
        demand(p, s, totals, flat, flat, 0, 0, 0.0, table, key, dt_s, branches, neutral)
        out[step] = s["ripple_pu"]
        assert np.array_equal(s["demand_w"], 1000.0 * (1.0 + s["ripple_pu"]))
    return out


@pytest.mark.parametrize("dt_s", [1.0, 10.0])
def test_ripple_is_stationary_with_the_declared_deviation_and_correlation_at_any_step(dt_s: float) -> None:
    sigma, tau_s, n = 0.02, 20.0, 400
    skip = round(8 * tau_s / dt_s)  # from 0 to stationary: exp(-16) of the variance is missing
    r = ripples(dt_s, tau_s, sigma, n, skip + round(1000 / dt_s))[skip:]
    # n independent loads over 1000 s, about 1000 s / (2 tau) independent samples each of the square
    n_eff = n * 1000.0 / (2 * tau_s)
    assert r.var() == pytest.approx(sigma**2, rel=5 * math.sqrt(2 / n_eff))
    assert abs(r.mean()) < 5 * sigma / math.sqrt(n_eff / 2)
    for lag_s in (dt_s, 20.0, 60.0):
        lag = round(lag_s / dt_s)
        seen = np.mean(r[lag:] * r[:-lag]) / r.var()
        assert seen == pytest.approx(math.exp(-lag_s / tau_s), abs=5 / math.sqrt(n_eff))
    assert abs(np.mean(r[:, 0::2] * r[:, 1::2])) < 5 * sigma**2 / math.sqrt(n_eff / 2)


def test_no_ripple_means_exactly_the_profile() -> None:
    assert not ripples(1.0, 60.0, 0.0, 3, 50).any()
