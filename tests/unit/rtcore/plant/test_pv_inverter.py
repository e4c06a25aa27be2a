"""Photovoltaic sites: array, connections, current limit, penetration, bad inputs, parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import ParameterError
from rtcore.plant.ieee1547 import settings_of
from rtcore.plant.pv_inverter import FAULT, MPPT, OFF, SLEEPING, STANDBY, THROTTLED, Pv, init
from tests.support.inverter_rig import BASE_V, RATED_VA, SPEC, Rig

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

REAL = {"dc_ac_ratio": 1.2, "derate_pu": 0.9, "gamma_per_k": -0.004, "efficiency": 0.96, "cell_tau_s": 300.0}


# ------------------------------------------------------------------ array


def test_power_follows_irradiance_cell_temperature_and_losses() -> None:
    rig = Rig(available=0.6, dt_s=10.0, **REAL)
    rig.ambient_degc = 30.0
    rig.run_for(6000.0)  # 20 time constants
    cell = 30.0 + (45.0 - 20.0) * 600.0 / 800.0
    expected = RATED_VA * 1.2 * 0.9 * 0.6 * (1 - 0.004 * (cell - 25.0)) * 0.96
    assert rig.cell_degc == pytest.approx(cell, abs=1e-6)
    assert rig.p_avail_w == pytest.approx(expected, rel=1e-7)
    assert rig.p_w == pytest.approx(expected, rel=1e-7)
    assert rig.p_dc_w == pytest.approx(expected / 0.96, rel=1e-7)


@pytest.mark.parametrize("dt_s", [1e-3, 0.25, 30.0])
def test_cells_warm_with_their_time_constant_at_any_step(dt_s: float) -> None:
    rig = Rig(available=0.8, dt_s=dt_s, **REAL)
    rig.run_for(30.0)
    assert rig.cell_degc == pytest.approx(25.0 + 25.0 * (1 - math.exp(-30.0 / 300.0)), abs=1e-9)


def test_the_inverter_clips_what_a_large_array_gives() -> None:
    rig = Rig(available=1.1, dt_s=1.0, dc_ac_ratio=1.5)
    rig.steps()
    assert rig.p_pu == pytest.approx(1.0, abs=1e-12)
    assert rig.p_avail_w == RATED_VA


def test_a_cloud_over_the_site_takes_its_share() -> None:
    rig = Rig(available=0.8)
    rig.clearness[0] = 0.25
    rig.steps()
    assert rig.p_pu == pytest.approx(0.2, abs=1e-12)


def test_energy_is_the_sum_of_the_power_delivered() -> None:
    rig = Rig(available=0.5, dt_s=0.25)
    rig.run_for(3600.0)
    rig.available = 0.0
    rig.steps()
    assert rig.energy_wh == pytest.approx(50e3, rel=1e-12)  # 14400 additions


def test_at_night_it_sleeps_without_power() -> None:
    rig = Rig(available=0.0, q_mode="volt_var")
    rig.set_v(1.08)
    rig.run_for(60.0)
    assert (rig.state, rig.p_w, rig.q_var) == (SLEEPING, 0.0, 0.0)


def test_reactive_power_at_night_when_the_site_can() -> None:
    rig = Rig(available=0.0, q_mode="volt_var", q_from_pu=0.0)
    rig.set_v(1.08)
    rig.run_for(60.0)
    assert rig.q_pu_out == pytest.approx(-0.44, abs=1e-9)


# ------------------------------------------------------------------ commands


def test_curtailment_holds_and_lets_go() -> None:
    rig = Rig(available=0.8)
    rig.put(limit_pct_sp=30.0)
    rig.steps()
    assert (rig.p_pu, rig.state) == (pytest.approx(0.3, abs=1e-12), THROTTLED)
    rig.put(limit_pct_sp=100.0)
    rig.steps()
    assert (rig.p_pu, rig.state) == (pytest.approx(0.8, abs=1e-12), MPPT)


def test_disconnecting_is_at_once_and_connecting_waits() -> None:
    rig = Rig(dt_s=1.0)
    rig.steps()
    rig.put(connect_sp=0.0)
    rig.steps()
    assert (rig.p_w, rig.state, rig.is_tripped) == (0.0, OFF, 0.0)
    rig.put(connect_sp=1.0)
    rig.steps(299)
    assert (rig.p_w, rig.state, rig.reconnect_s) == (0.0, STANDBY, pytest.approx(1.0))
    rig.steps(2)
    assert rig.p_w > 0.0


def test_a_site_that_does_not_take_part_is_not_there() -> None:
    rig = Rig(dt_s=0.1)
    rig.run_for(1.0)
    rig.put(is_enabled=0.0)
    rig.set_v(1.25)
    rig.run_for(10.0)
    assert (rig.p_w, rig.q_var, rig.i_a, rig.state, rig.is_tripped) == (0.0, 0.0, 0.0, OFF, 0.0)
    assert not rig.inj.any()
    rig.set_v(1.0)
    rig.put(is_enabled=1.0)
    rig.run_for(0.5)  # no enter-service delay: the setting says what exists, nothing was switched
    assert rig.p_pu == pytest.approx(0.8, abs=1e-12)


# ------------------------------------------------------------------ connection and current


def test_each_phase_carries_its_share_of_the_power() -> None:
    rig = Rig(q_mode="constant_q", available=0.6)
    rig.put(q_var_sp=-30e3)
    rig.run_for(20.0)
    each = rig.v[:3] * rig.inj[0].conj()
    assert each == pytest.approx((60e3 - 30e3j) / 3, rel=1e-9)
    assert rig.s_va == pytest.approx(math.hypot(60e3, 30e3), rel=1e-9)
    assert rig.pf == pytest.approx(2 / math.sqrt(5), rel=1e-9)


def test_a_fault_sees_the_limit_and_the_power_factor_of_before() -> None:
    rig = Rig(available=1.0, cease_below_pu=0.0)
    rig.steps()
    rig.set_v(1.0, 0.2, 1.0)
    rig.steps()
    limit_a = 1.1 * RATED_VA / 3 / BASE_V
    assert np.abs(rig.inj[0]) == pytest.approx([limit_a / 1.1, limit_a, limit_a / 1.1], rel=1e-9)
    assert np.angle(rig.inj[0]) == pytest.approx(np.angle(rig.v[:3]), abs=1e-9)
    assert rig.i_a == pytest.approx(limit_a, rel=1e-9)
    rig.set_v(1.0, 0.005, 1.0)  # below 1 % there is nothing to lock to
    rig.steps()
    assert rig.inj[0, 1] == 0.0


def test_a_single_phase_site_and_one_between_two_legs_know_their_own_voltage() -> None:
    single = Rig(available=0.5, dt_s=0.1, v_base_v=120.0)
    single.at[:] = [[1, -1, -1]]
    single.v[:] = [999.0, 120.0 * 1.02j, 999.0, 0.0]
    single.steps()
    assert single.v_pu[0].tolist() == [pytest.approx(1.02), -1.0, -1.0]
    assert single.inj[0].tolist() == [0.0j + single.inj[0, 0], 0.0, 0.0]
    assert single.v[1] * single.inj[0, 0].conjugate() == pytest.approx(50e3)
    legs = Rig(available=0.5, dt_s=0.1, v_base_v=240.0)
    legs.at[:] = [[0, -1, -1]]
    legs.back[:] = [[2, 3, 3]]
    legs.v[:] = [120.0, 0.0, -120.0, 0.0]
    legs.steps()
    assert legs.v_pu[0, 0] == pytest.approx(1.0)
    assert 240.0 * legs.inj[0, 0].conjugate() == pytest.approx(50e3)


def test_a_dead_node_gets_no_current_and_trips_the_site_in_time() -> None:
    rig = Rig(dt_s=0.1)
    rig.run_for(1.0)
    rig.live[0] = 0.0  # the voltage of the last solution is still there
    rig.steps()
    assert not rig.inj.any()
    assert rig.s["f_hz"][0] == 0.0
    rig.run_for(1.8)
    assert not rig.is_tripped
    rig.steps()
    assert (rig.is_tripped, rig.state, rig.trip_reason) == (1.0, FAULT, 4.0)


def test_measuring_at_the_solved_voltage_shows_its_power() -> None:
    from rtcore.plant.pv_inverter import measure

    rig = Rig(available=0.5)
    rig.steps()
    rig.set_v(1.02)
    measure(rig.p, rig.s, rig.v, rig.at, rig.back, rig.inj)
    assert rig.p_pu == pytest.approx(0.51, rel=1e-12)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_input_is_gone_with_the_next_good_one(bad: float) -> None:
    rig, good = (Rig(dt_s=0.1, q_mode="volt_var", volt_watt="on") for _ in range(2))
    rig.run_for(1.0)
    rig.available, rig.ambient_degc = bad, bad
    rig.f_hz[0] = bad
    rig.v[:3] = complex(bad, bad)
    rig.put(limit_pct_sp=bad, pf_sp=bad, q_var_sp=bad)
    rig.steps()
    assert all(math.isfinite(rig.s[n][0]) for n in rig.s.dtype.names if not n.endswith("_sp"))
    rig.available, rig.ambient_degc = 0.8, 25.0
    rig.f_hz[0] = 60.0
    rig.set_v(1.0)
    rig.put(limit_pct_sp=100.0, pf_sp=1.0, q_var_sp=0.0)
    rig.run_for(400.0)
    good.run_for(401.1)
    assert rig.p_pu == pytest.approx(good.p_pu, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("s_rated_va", 0.0, "must be > 0 VA"),
        ("efficiency", 1.01, "must be <= 1"),
        ("gamma_per_k", 0.004, "must be <= 0 1/K"),
        ("ov1_s", -1.0, "must be >= 0 s"),
        ("fw_k", 0.0, "must be >= 0.005"),
        ("vv_q1_pu", 1.5, "must be <= 1 pu"),
        ("i_max_pu", 0.9, "must be >= 1 pu"),
        ("derate_pu", math.nan, "pu"),
        ("q_mode", "volt-var", "must be one of constant_pf, volt_var, watt_var, constant_q"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(
    name: str, value: object, message: str
) -> None:
    given = {"s_rated_va": 1e4, "v_base_v": 120.0, name: value}
    with pytest.raises(ParameterError, match=rf"pv\.{name} = .*{message}"):
        Pv(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("normal", ["A", "B"])
@pytest.mark.parametrize("abnormal", ["I", "II", "III"])
def test_every_category_is_a_set_of_allowed_parameters(normal: str, abnormal: str) -> None:
    Pv(s_rated_va=1e4, v_base_v=120.0, **settings_of(normal, abnormal))


def test_defaults_are_category_b_iii() -> None:
    site = Pv(s_rated_va=1e4, v_base_v=120.0)
    assert {k: getattr(site, k) for k in settings_of()} == settings_of("B", "III")


def test_every_attribute_but_the_inputs_starts_from_init() -> None:
    s = np.zeros(1, SPEC.state_dtype)
    init(Rig().p, s, 12.0)
    assert (s["cell_degc"][0], s["limit_pct_sp"][0], s["connect_sp"][0], s["freq_watt_sp"][0]) == (
        12,
        100,
        1,
        1,
    )
