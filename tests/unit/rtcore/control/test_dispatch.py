"""Dispatch: the import stays between its levels as far as the battery can, at any step and without jumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, rows_of
from rtcore.control.dispatch import MANUAL, OPTIMISING, RULES, Dispatch, init, step
from rtcore.plant.battery import FOLLOWING, FORMING, OFF

SPEC, BATTERY = REGISTRY["dispatch"], REGISTRY["battery"]
HIGH, LOW, P_MAX = 2.0e6, 0.3e6, 1.5e6


class Rig:
    """A feeder of given demand with a battery that takes its setpoint at once."""

    def __init__(self, dt_s: float = 0.1, **params: float) -> None:
        self.p = rows_of([Dispatch(import_max_w=HIGH, import_min_w=LOW, **params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.p, self.s)
        self.bat = np.zeros(1, BATTERY.state_dtype)
        self.bat["mode"] = FOLLOWING
        self.bat["p_discharge_max_w"] = self.bat["p_charge_max_w"] = P_MAX
        self.of, self.dt_s = np.zeros(1, np.int32), dt_s
        self.demand_w = 1.0e6

    @property
    def import_w(self) -> float:
        return self.demand_w - float(self.bat["p_w"][0])

    @property
    def p_w(self) -> float:
        return float(self.bat["p_w"][0])

    def seconds(self, t_s: float) -> None:
        for _ in range(max(1, round(t_s / self.dt_s))):
            step(self.p, self.s, self.of, self.bat, self.import_w, self.dt_s)
            if self.bat["mode"][0] == FOLLOWING:
                self.bat["p_w"] = self.bat["p_w_sp"]


@pytest.mark.parametrize("dt_s", [0.001, 0.1, 1.0, 10.0, 60.0])
@pytest.mark.parametrize(
    ("demand_w", "import_w"),
    [(3.0e6, HIGH), (2.0e6, 2.0e6), (1.0e6, 1.0e6), (0.3e6, 0.3e6), (-0.5e6, LOW), (5.0e6, 5.0e6 - P_MAX)],
)
def test_the_import_settles_at_the_level_it_passed(dt_s: float, demand_w: float, import_w: float) -> None:
    rig = Rig(dt_s)
    rig.demand_w = demand_w
    rig.seconds(max(60.0, 10 * dt_s))
    # 60 s are 12 time constants: 6e-6 of 1 MW is left
    assert rig.import_w == pytest.approx(import_w, abs=10.0)
    assert rig.s["import_w"][0] == pytest.approx(import_w, abs=10.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_between_the_levels_the_battery_comes_to_rest_without_leaving_them(sign: float) -> None:
    rig = Rig(1.0, rest_s=300.0)
    rig.demand_w = 3.5e6 if sign > 0 else -1.0e6
    rig.seconds(100.0)
    assert sign * rig.p_w > 1.2e6
    rig.demand_w = 2.0e6 if sign > 0 else 0.6e6  # import 0.5 and 1.9 MW, between the levels
    seen = []
    for _ in range(3600):
        rig.seconds(1.0)
        seen.append(rig.import_w)
    assert min(seen) >= LOW - 1.0
    assert max(seen) <= HIGH + 1.0
    assert abs(rig.p_w) < 20.0  # 12 time constants of rest


def test_rest_stops_at_the_other_level() -> None:
    rig = Rig(60.0, rest_s=60.0)
    rig.demand_w = 3.4e6
    rig.seconds(600.0)
    rig.demand_w = 2.5e6  # without the battery it would be above the level
    for _ in range(100):
        rig.seconds(60.0)
        assert rig.import_w <= HIGH + 1.0


def test_what_the_battery_cannot_do_does_not_wind_up() -> None:
    rig = Rig(1.0)
    rig.demand_w = 9.0e6
    rig.seconds(3600.0)
    assert rig.p_w == P_MAX
    rig.demand_w = 1.0e6
    rig.seconds(30.0)  # 6 time constants of the 0.8 MW that are missing at first
    assert rig.import_w == pytest.approx(LOW, abs=0.8e6 * np.exp(-6.0) * 1.1)


def test_an_empty_battery_is_asked_for_nothing_and_a_full_one_takes_nothing() -> None:
    rig = Rig(1.0)
    rig.bat["p_discharge_max_w"] = 0.0
    rig.demand_w = 5.0e6
    rig.seconds(100.0)
    assert rig.p_w == 0.0
    rig.bat["p_charge_max_w"] = 0.0
    rig.demand_w = -5.0e6
    rig.seconds(100.0)
    assert rig.p_w == 0.0


def test_in_manual_it_leaves_the_setpoint_to_the_operator_and_goes_on_from_there() -> None:
    rig = Rig(1.0)
    rig.s["mode_sp"] = MANUAL
    rig.bat["p_w_sp"] = 400e3
    rig.demand_w = 9.0e6
    rig.seconds(100.0)
    assert rig.p_w == 400e3
    rig.s["mode_sp"], rig.demand_w = RULES, 2.4e6  # the import is 2.0 MW, on its level
    rig.seconds(1.0)
    assert rig.p_w == pytest.approx(400e3, abs=2e3)  # 1 s of rest takes 1/300 of it


@pytest.mark.parametrize("dt_s", [0.1, 10.0, 60.0])
def test_a_plan_holds_the_battery_until_it_is_too_old_and_the_next_one_takes_it_back(dt_s: float) -> None:
    rig = Rig(dt_s, mode=OPTIMISING, plan_max_s=3600.0)
    rig.demand_w = 3.0e6
    rig.s["plan_sp"], rig.bat["p_w_sp"] = 7.0, -200e3
    rig.seconds(3600.0)
    assert rig.p_w == -200e3
    assert (rig.s["plan_age_s"][0], rig.s["is_fallback"][0]) == (pytest.approx(3600.0 - dt_s, abs=1e-6), 0.0)
    rig.seconds(max(60.0, 10.0 * dt_s))
    assert rig.s["is_fallback"][0] == 1.0
    assert rig.import_w == pytest.approx(HIGH, abs=100.0)  # the rules: 12 time constants of 1.2 MW
    rig.s["plan_sp"], rig.bat["p_w_sp"] = 8.0, 300e3
    rig.seconds(dt_s)
    assert rig.p_w == 300e3
    assert (rig.s["plan_age_s"][0], rig.s["is_fallback"][0]) == (0.0, 0.0)


def test_before_the_first_plan_the_rules_command_a_battery_that_waits_for_one() -> None:
    rig = Rig(1.0, mode=OPTIMISING)
    rig.demand_w = 3.0e6
    rig.seconds(60.0)
    assert rig.s["is_fallback"][0] == 1.0
    assert rig.import_w == pytest.approx(HIGH, abs=10.0)  # 12 time constants, as above


def test_the_same_number_again_is_no_new_plan_and_what_is_no_number_is_none() -> None:
    rig = Rig(1.0, mode=OPTIMISING, plan_max_s=60.0)
    for number in (5.0, 5.0, np.nan):
        rig.s["plan_sp"] = number
        rig.seconds(30.0)
    assert rig.s["plan_age_s"][0] == 89.0
    assert rig.s["is_fallback"][0] == 1.0


@pytest.mark.parametrize("mode", [MANUAL, RULES])
def test_the_age_of_plans_counts_in_every_mode_but_only_optimising_falls_back(mode: float) -> None:
    rig = Rig(1.0, mode=mode, plan_max_s=60.0)
    rig.s["plan_sp"] = 1.0
    rig.seconds(100.0)
    assert rig.s["plan_age_s"][0] == 99.0
    assert rig.s["is_fallback"][0] == 0.0


@pytest.mark.parametrize("mode", [FORMING, OFF])
def test_after_an_island_it_goes_on_with_the_power_of_that_moment(mode: float) -> None:
    rig = Rig(1.0)
    rig.demand_w = 3.0e6
    rig.seconds(60.0)
    rig.bat["mode"], rig.bat["p_w"] = mode, -700e3
    rig.seconds(60.0)
    assert rig.bat["p_w_sp"][0] == -700e3
    rig.bat["mode"], rig.demand_w = FOLLOWING, 0.5e6  # the import is 1.2 MW
    rig.seconds(1.0)
    assert rig.p_w == pytest.approx(-700e3, abs=3e3)


@settings(max_examples=100, deadline=None)
@given(
    demands=st.lists(st.floats(-20e6, 20e6), min_size=1, max_size=30),
    dt_s=st.sampled_from([0.001, 0.1, 1.0, 60.0]),
    levels=st.tuples(st.floats(-5e6, 5e6), st.floats(-5e6, 5e6)),
)
def test_the_battery_is_never_asked_beyond_its_limits(
    demands: list[float], dt_s: float, levels: tuple[float, float]
) -> None:
    rig = Rig(dt_s)
    rig.s["import_max_w_sp"], rig.s["import_min_w_sp"] = levels  # also the wrong way round
    for demand_w in demands:
        rig.demand_w = demand_w
        for _ in range(5):
            rig.seconds(dt_s)
            assert -P_MAX <= rig.bat["p_w_sp"][0] <= P_MAX
