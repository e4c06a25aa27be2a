"""Load factors: off by default, frequency, growth of the pickup with the outage, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.plant.load_dynamics import LoadDynamics, factors, init

SPEC = REGISTRY["load_dynamics"]
F0_HZ = 60.0


class Rig:
    """One load."""

    def __init__(self, **params: float) -> None:
        self.p = rows_of([LoadDynamics(**params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.s)
        self.k_p, self.k_q = np.full(1, -9.0), np.full(1, -9.0)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def step(self, f_hz: float = F0_HZ, is_live: float = 1.0, dt_s: float = 1e-3) -> tuple[float, float]:
        factors(self.p, self.s, np.array([f_hz]), F0_HZ, np.array([is_live]), dt_s, self.k_p, self.k_q)
        assert (self.k_p_pu, self.k_q_pu) == (self.k_p[0], self.k_q[0])
        return float(self.k_p[0]), float(self.k_q[0])


def test_defaults_change_nothing_whatever_happens() -> None:
    rig = Rig()
    for f_hz, is_live, dt_s in [(60.0, 1, 1e-3), (57.0, 1, 60.0), (0.0, 0, 7200.0), (60.0, 1, 1.0)]:
        assert rig.step(f_hz, is_live, dt_s) == (1.0, 1.0)


def test_at_nominal_frequency_without_an_outage_the_factors_are_exactly_one() -> None:
    rig = Rig(kpf=1.5, kqf=-1.0, su_pu=3.0)
    assert {rig.step(dt_s=dt_s) for dt_s in (250e-6, 1.0, 60.0)} == {(1.0, 1.0)}


def test_power_follows_frequency_in_per_cent_per_per_cent() -> None:
    rig = Rig(kpf=1.5, kqf=-1.0)
    assert rig.step(59.4) == (pytest.approx(0.985), pytest.approx(1.01))
    assert rig.step(60.6) == (pytest.approx(1.015), pytest.approx(0.99))
    assert rig.step() == (1.0, 1.0)


@pytest.mark.parametrize("f_hz", [math.nan, math.inf, -math.inf])
def test_a_frequency_that_is_no_number_counts_as_nominal(f_hz: float) -> None:
    rig = Rig(kpf=1.5, kqf=-1.0)
    assert rig.step(f_hz) == (1.0, 1.0)
    assert rig.step(59.4) == (pytest.approx(0.985), pytest.approx(1.01))


def test_far_from_nominal_the_factor_stays_where_it_means_something() -> None:
    rig = Rig(kpf=5.0, kqf=10.0)
    assert rig.step(0.0) == (0.0, 0.0)
    assert rig.step(1e9) == (2.0, 3.0)


def test_a_dead_load_has_no_frequency() -> None:
    assert Rig(kpf=1.5).step(0.0, is_live=0.0) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("outage_s", "low", "high"),
    [(1.0, 1.0, 1.001), (1800.0, 1.95, 2.05), (3 * 3600.0, 2.9, 3.0), (86400.0, 2.999, 3.0)],
)
def test_pickup_grows_with_the_outage(outage_s: float, low: float, high: float) -> None:
    """About 2 after half an hour and 3 after three hours or more."""
    rig = Rig(su_pu=3.0)
    rig.step(is_live=0.0, dt_s=outage_s)
    k_p, k_q = rig.step()
    assert low <= k_p == k_q <= high
    assert rig.outage_s == outage_s


@pytest.mark.parametrize("dt_s", [0.01, 1.0, 60.0])
def test_outage_and_pickup_do_not_depend_on_the_step(dt_s: float) -> None:
    coarse, fine = Rig(su_pu=2.5, hold_time_s=330.0), Rig(su_pu=2.5, hold_time_s=330.0)
    for is_live, minutes in ((0.0, 20), (1.0, 15)):  # the fall begins within a minute
        coarse.step(is_live=is_live, dt_s=minutes * 60.0)
        for _ in range(round(minutes * 60.0 / dt_s)):
            fine.step(is_live=is_live, dt_s=dt_s)
        assert fine.pickup_pu == pytest.approx(coarse.pickup_pu, abs=1e-9)
        assert fine.outage_s == pytest.approx(1200.0)


def test_a_second_outage_goes_on_from_what_is_left() -> None:
    rig = Rig(su_pu=3.0)
    rig.step(is_live=0.0, dt_s=3600.0)
    rig.step(dt_s=900.0 + 1800.0)
    left = rig.pickup_pu
    assert 1.5 < left < 2.5
    rig.step(is_live=0.0, dt_s=600.0)
    assert rig.outage_s == 600.0
    expected = 3.0 - (3.0 - left) * math.exp(-600.0 / 2600.0)
    assert rig.step(dt_s=1.0)[0] == pytest.approx(expected, abs=1e-12)


def test_the_factor_ends_at_exactly_one() -> None:
    rig = Rig(su_pu=3.0)
    rig.step(is_live=0.0, dt_s=86400.0)
    assert rig.step(dt_s=900.0)[0] > 2.9
    assert rig.step(dt_s=86400.0) == (1.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_spoilt_state_recovers(bad: float) -> None:
    rig = Rig(su_pu=3.0)
    rig.s["excess_pu"] = bad
    assert rig.step() == (1.0, 1.0)


def test_loads_have_their_own_supply_and_frequency() -> None:
    p = rows_of([LoadDynamics(su_pu=2.0), LoadDynamics(kpf=2.0), LoadDynamics()], SPEC)
    s = np.zeros(3, SPEC.state_dtype)
    init(s)
    k_p, k_q = np.zeros(3), np.zeros(3)
    f_hz = np.array([59.0, 59.4, 59.4])
    factors(p, s, f_hz, F0_HZ, np.array([False, True, True]), 86400.0, k_p, k_q)
    assert list(k_p) == [pytest.approx(2.0), pytest.approx(0.98), 1.0]
    assert list(k_q) == [pytest.approx(2.0), 1.0, 1.0]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"kpf": 9.0}, "load_dynamics.kpf = 9.0 pu/pu: must be <= 5 pu/pu"),
        ({"su_pu": 0.5}, "load_dynamics.su_pu = 0.5 pu: must be >= 1 pu"),
        ({"alpha_per_h": 0.0}, "load_dynamics.alpha_per_h = 0.0 1/h: must be > 0 1/h"),
        ({"hold_time_s": math.nan}, "load_dynamics.hold_time_s = nan s: must be >= 0 s"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(params: dict[str, float], text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        LoadDynamics(**params)
    assert text in str(caught.value)
