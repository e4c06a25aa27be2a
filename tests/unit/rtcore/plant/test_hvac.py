"""Thermostatic group: duty against the closed form, steps, outage, commands, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import njit

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.plant.hvac import ROOM, RUN, UNITS, Hvac, init, step

SPEC = REGISTRY["hvac"]
KEY = np.uint64(20170101)
EVEN: dict[str, float] = {"setpoint_spread_k": 0.0, "tau_spread_pu": 0.0, "lockout_s": 0.0}


class Group:
    """One group of 100 kW."""

    def __init__(self, ambient_degc: float = 33.0, key: np.uint64 = KEY, **params: Any) -> None:
        self.p = rows_of([Hvac(**params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        self.rooms = np.zeros((1, UNITS, 2))
        init(self.p, self.s, self.rooms, ambient_degc, key)
        self.ambient_degc = ambient_degc

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def run(self, seconds: float, dt_s: float = 60.0, is_live: float = 1.0) -> float:
        """Advance; returns the mean demand [W]."""
        n = round(seconds / dt_s)
        live = np.array([is_live])
        return float(_run(self.p, self.s, self.rooms, self.ambient_degc, live, n, dt_s))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _run(p: Any, s: Any, rooms: Any, ambient_degc: float, live: Any, n: int, dt_s: float) -> float:
    total = 0.0
    for _ in range(n):
        step(p, s, rooms, ambient_degc, live, dt_s)
        total += s["p_w"][0]
    return total / n


def expected_duty(ambient_degc: float, *, tau_s: float = 7200.0, lockout_s: float = 0.0) -> float:
    """Closed form for the defaults: 24 +- 0.5 degC, gain 3 K, pull 20 K."""
    off, on = ambient_degc + 3.0, ambient_degc - 17.0
    if off <= 24.5:
        return 0.0
    if on >= 23.5:
        return 1.0
    on_s = tau_s * math.log((24.5 - on) / (23.5 - on))
    off_s = tau_s * math.log((off - 23.5) / (off - 24.5))
    assert off_s > lockout_s, "the closed form knows no lockout"
    return on_s / (on_s + off_s)


@pytest.mark.parametrize("ambient_degc", [15.0, 22.0, 25.0, 30.0, 35.0, 40.0, 43.0])
def test_duty_is_the_closed_form(ambient_degc: float) -> None:
    group = Group(ambient_degc, n_units=1, **EVEN)
    mean_w = group.run(100 * 86400.0)
    # one unfinished cycle (1500 s at most) of 100 days
    assert mean_w / 100e3 == pytest.approx(expected_duty(ambient_degc), abs=3e-4)


def test_demand_grows_with_ambient_temperature_from_none_to_all() -> None:
    means = [Group(t).run(6 * 3600.0) for t in (18.0, 24.0, 28.0, 32.0, 36.0, 40.0, 45.0)]
    assert means == sorted(means)
    assert means[0] == 0.0
    assert means[-1] == 100e3


def test_a_group_begins_diversified_at_its_expected_demand() -> None:
    shares = [Group(33.0, np.uint64(k), **EVEN).on_pu for k in range(40)]
    duty = expected_duty(33.0)
    sigma = math.sqrt(duty * (1 - duty) / UNITS)
    # mean of 40 independent groups of 64 within four standard errors; each group scatters by sigma
    assert np.mean(shares) == pytest.approx(duty, abs=4 * sigma / math.sqrt(40))
    assert np.std(shares) == pytest.approx(sigma, rel=0.5)


def test_rooms_at_the_start_are_already_in_their_cycles() -> None:
    group = Group(33.0)
    start = group.on_pu
    room = group.rooms[0, :, ROOM].copy()
    assert room.min() > 24.0 - 1.0 - 0.5
    assert room.max() < 24.0 + 1.0 + 0.5
    assert len(set(room)) == UNITS
    assert group.run(1.0, 1.0) == pytest.approx(start * 100e3, abs=2 * 100e3 / UNITS)  # a switch or two


def test_the_same_key_gives_the_same_rooms_and_another_key_others() -> None:
    one, same, other = Group(), Group(), Group(key=np.uint64(7))
    assert np.array_equal(one.rooms, same.rooms)
    assert not np.array_equal(one.rooms, other.rooms)


@pytest.mark.parametrize("dt_s", [0.01, 1.0, 7.5])
def test_rooms_and_energy_do_not_depend_on_the_step(dt_s: float) -> None:
    coarse, fine = Group(n_units=8), Group(n_units=8)
    a, b = coarse.run(3 * 3600.0, 60.0), fine.run(3 * 3600.0, dt_s)
    assert b == pytest.approx(a, rel=1e-7)  # crossings fall in another step: rounding of their logarithm
    assert np.allclose(coarse.rooms[0, :8, ROOM], fine.rooms[0, :8, ROOM], atol=1e-7, rtol=0)
    assert np.array_equal(coarse.rooms[0, :8, RUN] > 0, fine.rooms[0, :8, RUN] > 0)


def test_heating_is_the_mirror_image_of_cooling() -> None:
    heat = Group(0.0, mode="heating", setpoint_degc=20.0, pull_k=40.0, n_units=1, **EVEN)
    off, on = 3.0, 43.0
    on_s = 7200.0 * math.log((on - 19.5) / (on - 20.5))
    off_s = 7200.0 * math.log((20.5 - off) / (19.5 - off))
    assert heat.run(100 * 86400.0) / 100e3 == pytest.approx(on_s / (on_s + off_s), abs=3e-4)
    assert 19.5 - 1e-6 <= heat.room_degc <= 20.5 + 1e-6
    assert Group(25.0, mode="heating", setpoint_degc=20.0).run(3600.0) == 0.0


def test_a_dead_bus_stops_all_units_and_the_rooms_drift() -> None:
    group = Group(33.0)
    before = group.room_degc
    assert group.run(1.0, 1e-3, is_live=0.0) == 0.0
    assert group.on_pu == 0.0
    group.run(2 * 3600.0, is_live=0.0)
    assert before + 5.0 < group.room_degc < 36.0


def test_restoration_after_an_outage_is_a_cold_load_pickup() -> None:
    group = Group(33.0)
    normal_w = group.run(24 * 3600.0)
    group.run(2 * 3600.0, is_live=0.0)
    first_w = group.run(600.0)
    assert first_w == 100e3, "every unit runs"
    assert first_w / normal_w > 1.5
    during = [group.run(1800.0) for _ in range(48)]
    assert np.mean(during[-8:]) == pytest.approx(normal_w, rel=0.1)  # diversity is back within a day
    assert during[0] > during[5] > 0.0
    short = Group(33.0)
    short.run(60.0, is_live=0.0)
    assert short.run(60.0) < 0.5 * 100e3, "a minute's outage loses no diversity, and units are locked out"


def test_a_stopped_unit_waits_for_its_lockout() -> None:
    group = Group(50.0, n_units=4)  # hot enough to run for ever
    group.run(60.0)
    assert group.on_pu == 1.0
    group.run(1.0, 0.5, is_live=0.0)
    group.run(178.0, 0.5)
    assert group.on_pu == 0.0
    group.run(2.0, 0.5)
    assert group.on_pu == 1.0


def test_lockout_lengthens_a_cycle_whose_pause_is_shorter() -> None:
    kinds = {"n_units": 1, "deadband_k": 0.2, "setpoint_spread_k": 0.0, "tau_spread_pu": 0.0}
    free, locked = Group(40.0, lockout_s=0, **kinds), Group(40.0, lockout_s=600, **kinds)
    free_w, locked_w = free.run(20 * 86400.0), locked.run(20 * 86400.0)
    assert locked_w < 0.99 * free_w  # warmer room, less heat let in
    again = Group(40.0, lockout_s=600, **kinds)
    assert again.run(20 * 86400.0, 1.0) == pytest.approx(locked_w, rel=1e-7)  # ends within the step
    # pause of exactly 600 s from 23.9 degC, then back down
    top = 43.0 + (23.9 - 43.0) * math.exp(-600.0 / 7200.0)
    on_s = 7200.0 * math.log((top - 23.0) / (23.9 - 23.0))
    assert locked_w / 100e3 == pytest.approx(on_s / (on_s + 600.0), abs=3e-3)


def test_setpoint_offset_lets_the_rooms_warm_and_drops_the_demand() -> None:
    group = Group(33.0)
    normal_w = group.run(24 * 3600.0)
    group.s["offset_k_sp"] = 2.0
    assert group.run(600.0) < 0.5 * normal_w
    group.run(24 * 3600.0)
    assert group.room_degc == pytest.approx(26.0, abs=0.3)
    assert group.run(24 * 3600.0) == pytest.approx(100e3 * expected_duty(31.0), rel=0.05)  # 2 K less to pull


def test_a_disabled_group_draws_nothing_and_comes_back() -> None:
    group = Group(33.0)
    group.s["is_enabled_sp"] = 0.0
    assert group.run(3600.0) == 0.0
    group.s["is_enabled_sp"] = 1.0
    assert group.run(60.0) > 0.0


def test_reactive_power_follows_the_power_factor() -> None:
    group = Group(50.0, pf=0.8)
    group.run(60.0)
    assert (group.p_w, group.q_var) == (100e3, pytest.approx(75e3))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_ambient_that_is_no_number_holds_the_last_one(bad: float) -> None:
    good, other = Group(33.0), Group(33.0)
    other.ambient_degc = bad
    assert other.run(3600.0) == good.run(3600.0)


def test_spoilt_rooms_recover() -> None:
    group = Group(33.0)
    group.s["offset_k_sp"] = math.nan
    group.rooms[0, 0] = math.nan
    group.rooms[0, 1, ROOM] = 1e30
    group.rooms[0, 2, RUN] = -math.inf
    group.run(3600.0)
    assert np.isfinite(group.rooms).all()
    assert 22.0 < group.room_degc < 26.0


def test_groups_have_their_own_supply_and_phases() -> None:
    p = rows_of([Hvac(), Hvac(rated_w=50e3, n_units=10)], SPEC)
    s, rooms = np.zeros(2, SPEC.state_dtype), np.zeros((2, UNITS, 2))
    init(p, s, rooms, 33.0, KEY)
    assert not np.array_equal(rooms[0, :10, ROOM], rooms[1, :10, ROOM])
    step(p, s, rooms, 33.0, np.array([False, True]), 1.0)
    assert s["p_w"][0] == 0.0
    assert 0.0 < s["p_w"][1] < 50e3
    assert not rooms[1, 10:].any(), "wrote beyond its units"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"n_units": 65}, "hvac.n_units = 65: must be <= 64"),
        ({"rated_w": -1.0}, "hvac.rated_w = -1.0 W: must be > 0 W"),
        ({"pf": 1.1}, "hvac.pf = 1.1: must be <= 1"),
        ({"setpoint_degc": 60.0}, "hvac.setpoint_degc = 60.0 degC: must be <= 35 degC"),
        ({"mode": "heat"}, "hvac.mode = 'heat': must be one of cooling, heating"),
        ({"tau_s": math.nan}, "hvac.tau_s = nan s: must be >= 600 s"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Hvac(**params)
    assert text in str(caught.value)
