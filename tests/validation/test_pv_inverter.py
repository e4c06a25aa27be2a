"""Inverter functions of IEEE 1547-2018 against OpenDER 2.2.0 and the standard's tables.

OpenDER numbers: Category B, abnormal Category III, 100 kVA, available power 0.8 pu unless said
otherwise, step 0.1 s; printed with four decimals, hence tolerances of 5e-5 where nothing else
is said.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.plant import ieee1547 as std
from rtcore.plant.pv_inverter import FAULT, MPPT, STANDBY, STARTING, THROTTLED
from tests.support.inverter_rig import BASE_V, RATED_VA, Rig

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

PRINTED = 5.1e-5
SETTLED_S = 60.0  # 12 response times of 5 s: 1e-12 left

VOLT_VAR = [
    (0.90, 0.44),
    (0.92, 0.44),
    (0.95, 0.22),
    (0.98, 0.0),
    (1.00, 0.0),
    (1.02, 0.0),
    (1.05, -0.22),
    (1.08, -0.44),
]
VOLT_WATT = [(1.00, 1.0), (1.05, 1.0), (1.06, 1.0), (1.07, 0.75), (1.08, 0.5), (1.09, 0.25), (1.10, 0.0)]
DROOP = [
    (59.0, 0.8),
    (59.9, 0.8),
    (60.0, 0.8),
    (60.036, 0.8),
    (60.1, 0.7787),
    (60.5, 0.6453),
    (61.0, 0.4787),
    (61.2, 0.412),
]


@pytest.mark.parametrize(("v_pu", "q_pu"), VOLT_VAR)
def test_volt_var_settles_on_the_category_b_curve(v_pu: float, q_pu: float) -> None:
    rig = Rig(q_mode="volt_var")
    rig.set_v(v_pu)
    rig.run_for(SETTLED_S)
    assert rig.q_pu_out == pytest.approx(q_pu, abs=1e-9)
    assert rig.p_pu == pytest.approx(0.8, abs=1e-9)


@pytest.mark.parametrize("dt_s", [0.05, 0.001, 250e-6])
def test_volt_var_answers_a_voltage_step_as_opender_does(dt_s: float) -> None:
    """OpenDER's filter is trapezoidal: its answer to a step lags by half a step of 0.1 s."""
    rig = Rig(q_mode="volt_var", available=0.5, dt_s=dt_s)
    rig.run_for(1.0)
    rig.set_v(1.08)
    start_s = rig.t_s
    for at_s, q_pu in [(1, -0.1557), (2, -0.2606), (3, -0.3267), (5, -0.3949), (10, -0.4355)]:
        rig.run_for(start_s + at_s - 0.05 - rig.t_s)
        # half a step is exact to second order only: 0.44 (0.1 / tau)^2 / 24 = 4e-5, and the print
        assert rig.q_pu_out == pytest.approx(q_pu, abs=2.5e-4)


@pytest.mark.parametrize("dt_s", [250e-6, 0.01, 0.5, 1.0])
def test_open_loop_response_time_is_the_time_to_90_percent_at_any_step(dt_s: float) -> None:
    rig = Rig(q_mode="volt_var", available=0.5, dt_s=dt_s)
    rig.run_for(1.0)
    rig.set_v(1.08)
    rig.run_for(5.0)
    assert rig.q_pu_out == pytest.approx(-0.9 * 0.44, rel=1e-9)  # the exponential is exact


@pytest.mark.parametrize(("v_pu", "p_pu"), VOLT_WATT)
def test_volt_watt_settles_on_its_curve(v_pu: float, p_pu: float) -> None:
    rig = Rig(available=1.0, volt_watt="on", ov1_s=60.0, cease_above_pu=1.2)  # 1.10 pu is to be seen
    rig.set_v(v_pu)
    rig.run_for(50.0)  # 5 response times
    assert rig.p_pu == pytest.approx(p_pu, abs=1e-5)


@pytest.mark.parametrize(("f_hz", "p_pu"), DROOP)
def test_frequency_droop_takes_back_power(f_hz: float, p_pu: float) -> None:
    rig = Rig()
    rig.run_for(1.0)
    rig.f_hz[0] = f_hz
    rig.run_for(SETTLED_S)
    assert rig.p_pu == pytest.approx(p_pu, abs=PRINTED)
    if f_hz > 60.036:
        assert rig.p_pu == pytest.approx(0.8 - (f_hz - 60.036) / 3.0, abs=1e-9)


def test_low_frequency_raises_a_curtailed_site_to_what_the_sun_gives() -> None:
    """As in OpenDER: the droop goes before the curtailment setpoint."""
    rig = Rig()
    rig.put(limit_pct_sp=50.0)
    rig.run_for(1.0)
    rig.f_hz[0] = 59.664  # 0.3 Hz beyond the deadband: 0.1 pu
    rig.run_for(SETTLED_S)
    assert rig.p_pu == pytest.approx(0.6, abs=1e-9)
    rig.f_hz[0] = 58.6
    rig.run_for(SETTLED_S)
    assert rig.p_pu == pytest.approx(0.8, abs=1e-9)


def test_droop_in_a_long_island_follows_the_sun_from_its_memory() -> None:
    rig = Rig(available=0.2, dt_s=1.0)
    rig.run_for(5.0)
    rig.f_hz[0] = 60.336  # 0.1 pu
    rig.run_for(100.0)
    rig.available = 0.9
    rig.run_for(600.0)  # one memory: 63 % of the way from 0.2 to 0.9 at first, all of it later
    assert rig.p_pu == pytest.approx(0.2 + 0.7 * (1 - math.exp(-1)) - 0.1, abs=2e-3)
    rig.run_for(12 * 600.0)
    assert rig.p_pu == pytest.approx(0.8, abs=1e-4)
    fixed = Rig(available=0.2, dt_s=1.0, fw_memory_s=0.0)
    fixed.run_for(5.0)
    fixed.f_hz[0] = 60.336
    fixed.available = 0.9
    fixed.run_for(3600.0)
    assert fixed.p_pu == pytest.approx(0.1, abs=1e-6)


# ------------------------------------------------------------------ trips


@pytest.mark.parametrize(("v_pu", "trip_s"), [(0.45, 2.0), (0.80, 21.0), (1.15, 13.1), (1.25, 0.2)])
def test_category_iii_trips_when_opender_does(v_pu: float, trip_s: float) -> None:
    rig = Rig(dt_s=0.1)
    rig.run_for(1.0)
    rig.set_v(v_pu)
    # OpenDER compares a sum of rounded tenths with > or >=; one step of 0.1 s either way
    assert rig.seconds_until_trip(30.0) == pytest.approx(trip_s, abs=0.1 + 1e-9)


TABLES = {
    "I": [(1.21, 0.16, std.OV2), (1.12, 2, std.OV1), (0.69, 2, std.UV1), (0.44, 0.16, std.UV2)],
    "II": [(1.21, 0.16, std.OV2), (1.12, 2, std.OV1), (0.69, 10, std.UV1), (0.44, 0.16, std.UV2)],
    "III": [(1.21, 0.16, std.OV2), (1.12, 13, std.OV1), (0.87, 21, std.UV1), (0.49, 2, std.UV2)],
}


@pytest.mark.parametrize("category", TABLES)
@pytest.mark.parametrize("row", range(4))
def test_voltage_trips_take_their_clearing_time(category: str, row: int) -> None:
    v_pu, clearing_s, reason = TABLES[category][row]
    rig = Rig(dt_s=0.01, **std.settings_of("B", category))
    rig.run_for(1.0)
    rig.set_v(v_pu)
    assert rig.seconds_until_trip(30.0) == pytest.approx(clearing_s, abs=1e-9)
    assert rig.trip_reason == reason
    assert (rig.state, rig.p_pu, rig.q_pu_out) == (FAULT, 0.0, 0.0)


@pytest.mark.parametrize(
    ("f_hz", "clearing_s", "reason"),
    [(62.1, 0.16, std.OF2), (61.3, 300, std.OF1), (58.4, 300, std.UF1), (56.4, 0.16, std.UF2)],
)
def test_frequency_trips_take_their_clearing_time(f_hz: float, clearing_s: float, reason: float) -> None:
    rig = Rig(dt_s=0.04)
    rig.run_for(1.0)
    rig.f_hz[0] = f_hz
    assert rig.seconds_until_trip(301.0) == pytest.approx(clearing_s, abs=1e-6)
    assert rig.trip_reason == reason


@pytest.mark.parametrize(
    ("v_pu", "f_hz", "trips"),
    [
        (1.10, 60.0, True),
        (1.0999, 60.0, False),
        (0.88, 60.0, True),
        (0.8801, 60.0, False),
        (1.0, 61.2, True),
        (1.0, 61.199, False),
        (1.0, 58.5, True),
        (1.0, 58.501, False),
    ],
)
def test_trip_thresholds_are_inclusive(v_pu: float, f_hz: float, trips: bool) -> None:
    rig = Rig(dt_s=0.5)
    rig.set_v(v_pu)
    rig.f_hz[0] = f_hz
    assert math.isfinite(rig.seconds_until_trip(400.0)) == trips


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 0.16, 1.0])
def test_clearing_time_is_counted_in_time_not_in_steps(dt_s: float) -> None:
    rig = Rig(dt_s=dt_s)
    rig.set_v(1.25)
    expected_s = math.ceil(0.16 / dt_s - 1e-9) * dt_s  # the first step that ends at or after it
    assert rig.seconds_until_trip(3.0) == pytest.approx(expected_s, abs=1e-9)


def test_a_short_sag_resets_the_timer() -> None:
    rig = Rig(dt_s=0.1)
    for _ in range(5):
        rig.set_v(0.80)
        rig.run_for(20.0)
        rig.set_v(1.0)
        rig.steps()
    assert not rig.is_tripped


def test_one_low_phase_is_enough_to_trip() -> None:
    rig = Rig(dt_s=0.1)
    rig.set_v(1.0, 0.8, 1.0)
    assert rig.seconds_until_trip(22.0) == pytest.approx(21.0, abs=1e-9)


# ------------------------------------------------------------------ cessation and entering service


def test_category_iii_ceases_below_half_voltage_and_comes_back() -> None:
    rig = Rig(dt_s=0.01)
    rig.run_for(1.0)
    rig.set_v(0.49)
    rig.steps()
    assert (rig.p_pu, rig.i_a, rig.state) == (0.0, 0.0, STANDBY)
    rig.run_for(0.98)
    assert not rig.is_tripped
    rig.set_v(1.0)
    rig.run_for(0.2)
    assert rig.p_pu == pytest.approx(0.4, abs=1e-9)  # half of the 0.4 s to full output
    rig.run_for(0.2)
    assert rig.p_pu == pytest.approx(0.8, abs=1e-9)
    assert rig.state == MPPT


@pytest.mark.parametrize(
    ("category", "v_pu", "delivers"),
    [
        ("III", 0.50, True),
        ("III", 0.499, False),
        ("III", 1.10, True),
        ("III", 1.11, False),
        ("II", 0.35, True),
        ("II", 0.29, False),
        ("I", 0.55, True),
        ("I", 0.49, False),
        ("II", 1.15, True),
    ],
)
def test_momentary_cessation_begins_strictly_beyond_its_threshold(
    category: str, v_pu: float, delivers: bool
) -> None:
    rig = Rig(dt_s=0.01, **std.settings_of("B", category))
    rig.run_for(1.0)
    rig.set_v(v_pu)
    rig.steps()
    assert (rig.p_pu > 0.1) == delivers


@pytest.mark.parametrize("dt_s", [0.01, 0.7, 1.0])
def test_service_is_entered_after_the_delay_and_along_the_ramp(dt_s: float) -> None:
    rig = Rig(dt_s=dt_s, available=1.0)
    rig.set_v(1.25)
    rig.run_for(2.1)
    assert rig.is_tripped
    rig.set_v(1.0)
    n_delay = math.ceil(300.0 / dt_s - 1e-9)
    rig.steps(n_delay - 1)
    assert (rig.is_tripped, rig.p_pu) == (1.0, 0.0)
    assert 0.0 < rig.reconnect_s <= dt_s + 1e-6
    rig.steps()
    assert (rig.is_tripped, rig.reconnect_s) == (0.0, 0.0)
    more = round(150.0 / dt_s)
    rig.steps(more)
    # what the last step of the delay counted too much is already part of the ramp
    assert rig.p_pu == pytest.approx((dt_s * (n_delay + more) - 300.0) / 300.0, abs=1e-8)
    assert rig.state == STARTING
    rig.run_for(160.0)
    assert rig.p_pu == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("v_pu", "f_hz", "enters"),
    [
        (0.917, 60.0, True),
        (0.916, 60.0, False),
        (1.05, 60.0, True),
        (1.051, 60.0, False),
        (1.0, 59.5, True),
        (1.0, 59.49, False),
        (1.0, 60.1, True),
        (1.0, 60.11, False),
    ],
)
def test_service_is_entered_inside_the_window_only(v_pu: float, f_hz: float, enters: bool) -> None:
    rig = Rig(dt_s=0.5)
    rig.set_v(0.3)
    rig.run_for(3.0)
    assert rig.is_tripped
    rig.set_v(v_pu)
    rig.f_hz[0] = f_hz
    rig.run_for(301.0)
    assert (rig.is_tripped == 0.0) == enters


def test_leaving_the_window_starts_the_delay_again() -> None:
    rig = Rig(dt_s=0.5)
    rig.set_v(0.3)
    rig.run_for(3.0)
    rig.set_v(1.0)
    rig.run_for(299.0)
    rig.set_v(1.06)
    rig.steps()
    rig.set_v(1.0)
    rig.run_for(299.0)
    assert rig.is_tripped
    rig.run_for(1.0)
    assert not rig.is_tripped


# ------------------------------------------------------------------ reactive power and limits


def test_reactive_power_goes_first_at_the_rating_in_category_b() -> None:
    rig = Rig(q_mode="volt_var", available=1.0)
    rig.set_v(1.08)
    rig.run_for(SETTLED_S)
    assert rig.q_pu_out == pytest.approx(-0.44, abs=1e-9)
    assert rig.p_pu == pytest.approx(math.sqrt(1 - 0.44**2), abs=1e-9)
    assert rig.state == THROTTLED


def test_active_power_goes_first_when_the_site_says_so() -> None:
    rig = Rig(q_mode="volt_var", available=0.95, priority="active")
    rig.set_v(1.08)
    rig.run_for(SETTLED_S)
    assert rig.p_pu == pytest.approx(0.95, abs=1e-9)
    assert rig.q_pu_out == pytest.approx(-math.sqrt(1 - 0.95**2), abs=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("available", "p_pu"), [(0.5, 0.5), (1.0, 0.9)])
def test_constant_power_factor_holds_up_to_the_rating(sign: float, available: float, p_pu: float) -> None:
    rig = Rig(pf=0.9 * sign, available=available)
    rig.run_for(SETTLED_S)
    assert rig.p_pu == pytest.approx(p_pu, abs=1e-9)
    assert rig.q_pu_out == pytest.approx(sign * p_pu * math.tan(math.acos(0.9)), abs=1e-9)
    assert rig.pf == pytest.approx(0.9, abs=1e-9)


@pytest.mark.parametrize(("available", "q_pu"), [(0.3, 0.0), (0.5, 0.0), (0.75, -0.22), (0.9, -0.352)])
def test_watt_var_follows_its_curve(available: float, q_pu: float) -> None:
    rig = Rig(q_mode="watt_var", available=available)
    rig.run_for(100.0)
    assert rig.q_pu_out == pytest.approx(q_pu, abs=1e-9)


def test_category_a_absorbs_less_than_it_injects() -> None:
    for q_var, expected in [(RATED_VA, 0.44), (-RATED_VA, -0.25)]:
        rig = Rig(q_mode="constant_q", **std.settings_of("A", "II"))
        rig.put(q_var_sp=q_var)
        rig.run_for(SETTLED_S)
        assert rig.q_pu_out == pytest.approx(expected, abs=1e-9)


VOLTAGE = st.one_of(st.floats(0.0, 1.6), st.sampled_from([0.0, 0.5, 0.88, 1.1, 1.2, math.nan]))


@settings(max_examples=150, deadline=None)
@given(
    moves=st.lists(
        st.tuples(
            VOLTAGE,
            st.tuples(st.floats(0.5, 1), st.floats(0.5, 1)),
            st.one_of(st.floats(59.6, 60.1), st.sampled_from([55.0, 58.6, 61.1, 65.0, math.nan])),
            st.one_of(st.floats(0, 1.5), st.just(math.nan)),
            st.integers(0, 4),
            st.floats(-1.2, 1.2),
            st.floats(-200e3, 200e3),
            st.floats(-10, 130),
            st.sampled_from([250e-6, 1e-3, 0.1, 1.0]),
            st.sampled_from([1, 2, 20, 400]),
        ),
        min_size=1,
        max_size=8,
    ),
    priority=st.sampled_from(["active", "reactive"]),
    category=st.sampled_from(["I", "II", "III"]),
)
def test_apparent_power_and_current_never_exceed_their_limits(moves, priority, category) -> None:  # type: ignore[no-untyped-def]
    settings = std.settings_of("B", category)
    rig = Rig(priority=priority, volt_watt="on", es_delay_s=1.0, es_ramp_s=2.0, **settings)
    limit_a = 1.1 * RATED_VA / (3 * BASE_V)
    for v, others, f_hz, sun, mode, pf, q_var, limit_pct, dt_s, n in moves:
        rig.set_v(v, others[0] * v, others[1] * v)
        rig.f_hz[0], rig.available, rig.dt_s = f_hz, sun, dt_s
        rig.put(q_mode_sp=mode, pf_sp=pf, q_var_sp=q_var, limit_pct_sp=limit_pct)
        rig.steps(n)
        asked = math.hypot(rig.p_cmd_w, rig.q_cmd_var)
        assert asked <= RATED_VA * (1 + 1e-12)  # rounding of the root
        assert np.all(np.abs(rig.inj) <= limit_a * (1 + 1e-12))
        bad = [name for name in rig.s.dtype.names if not math.isfinite(rig.s[name][0])]
        assert not bad, "a bad input got into a state"
    rig.set_v(1.0)
    rig.f_hz[0], rig.available, rig.dt_s = 60.0, 0.5, 1.0
    rig.put(q_mode_sp=0.0, pf_sp=1.0, limit_pct_sp=100.0)
    rig.run_for(3600.0)
    assert rig.p_pu == pytest.approx(0.5, abs=1e-6), "recovers from anything"
