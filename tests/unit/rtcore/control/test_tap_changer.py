"""Voltage relay of a tap changer: compensation, timers, blocks, policies, modes, no hunting."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.control import tap_changer as tc
from rtcore.control.tap_changer import TapChanger
from rtcore.plant import regulator
from rtcore.plant.regulator import Regulator

STEP_PU = 0.00625
TAP_TIME_S = 2.0


class Rig:
    """One relay, its mechanism, and a stiff source behind the tap: V = source times ratio."""

    def __init__(
        self,
        source_v: float = 120.0,
        dt_s: float = 0.1,
        tap: float = 0.0,
        top: float = 16.0,
        **params: object,
    ) -> None:
        p = {"vreg_v": 120.0, "band_v": 2.0, "pt_ratio": 60.0, "ct_primary_a": 300.0} | params
        self.p = rows_of([TapChanger(**p)], REGISTRY["tap_changer"])
        self.s = np.zeros(1, REGISTRY["tap_changer"].state_dtype)
        self.reg_p = rows_of(
            [Regulator(step_pu=STEP_PU, tap_max=top, tap_time_s=TAP_TIME_S)], REGISTRY["regulator"]
        )
        self.reg = np.zeros(1, REGISTRY["regulator"].state_dtype)
        self.reg["tap"] = tap
        self.reg["wait_s"] = TAP_TIME_S
        self.unit = np.ones((1, 3))
        self.source_v, self.dt_s, self.t = source_v, dt_s, 0.0
        self.i_a, self.forward_w = 0j, 1e6
        self.load: Callable[[float], complex] = complex
        tc.init(self.p, self.s, self.reg)

    def __getitem__(self, name: str) -> float:
        return float(self.s[name][0])

    @property
    def tap(self) -> float:
        return float(self.reg["tap"][0])

    @property
    def v_sec(self) -> float:
        return self.source_v * (1.0 + self.tap * STEP_PU)

    def step(self) -> int:
        regulator.step(self.reg_p, self.reg, np.zeros(1, np.int32), self.unit, self.dt_s)
        v = np.array([self.load(self.v_sec) * self.p["pt_ratio"][0]])
        orders = tc.step(
            self.p,
            self.s,
            self.reg_p,
            self.reg,
            v,
            v,
            np.array([self.i_a], np.complex128),
            np.array([self.forward_w]),
            self.dt_s,
        )
        self.t += self.dt_s
        return int(orders)

    def orders(self, seconds: float) -> list[float]:
        """Times of the orders given, from the first step that saw the present voltage."""
        start, times = self.t + self.dt_s, []
        for _ in range(round(seconds / self.dt_s)):
            if self.step():
                times.append(round(self.t - start, 6))
        return times


# -- what the relay sees ---------------------------------------------------------------------


def test_line_drop_compensation_takes_the_drop_of_the_load_current_off() -> None:
    # CT 300 A, R 6 V, X 3 V, 200 A at pf 0.9 lagging, 122 V: worked by hand as
    # |122 - (6 + 3j) 2/3 (0.9 - j 0.43589)| = 117.528233763 V.
    rig = Rig(source_v=122.0, r_v=6.0, x_v=3.0)
    rig.i_a = -cmath.rect(200.0, -math.acos(0.9))  # into the winding: against the load current
    rig.step()
    assert rig["v_relay_v"] == pytest.approx(117.528233763, abs=1e-9)
    assert rig["error_v"] == pytest.approx(-2.471766237, abs=1e-9)
    assert rig["direction"] == 1.0
    assert rig["i_a"] == pytest.approx(200.0)


def test_without_compensation_a_lost_current_measurement_does_no_harm() -> None:
    rig = Rig(source_v=117.0)
    rig.i_a = complex(math.nan, 0.0)
    assert rig.orders(16.0) == [15.0]


def test_a_distant_bus_is_regulated_as_it_stands() -> None:
    rig = Rig(is_distant=1.0, r_v=6.0, x_v=3.0)
    rig.i_a = -200.0 + 0j
    far = np.array([117.0 * 60.0 + 0j])
    near = np.array([122.0 * 60.0 + 0j])
    tc.step(rig.p, rig.s, rig.reg_p, rig.reg, near, far, np.array([rig.i_a]), np.ones(1), 0.1)
    assert rig["v_relay_v"] == pytest.approx(117.0)


# -- timers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dt_s", [1e-3, 0.1, 0.5, 5.0, 60.0])
def test_first_tap_after_the_delay_for_any_step(dt_s: float) -> None:
    rig = Rig(source_v=118.5, dt_s=dt_s)
    first = rig.orders(120.0 if dt_s == 60.0 else 20.0)[0]
    assert 15.0 - 1e-6 <= first < 15.0 + dt_s


@pytest.mark.parametrize(("source_v", "way"), [(110.0, 1.0), (130.0, -1.0)])
def test_following_taps_come_at_the_inter_tap_delay(source_v: float, way: float) -> None:
    rig = Rig(source_v=source_v, tap_delay_s=5.0)
    assert rig.orders(31.0) == [15.0, 20.0, 25.0, 30.0]
    assert rig.tap == way * 3.0


def test_a_tap_in_progress_is_awaited_even_with_a_shorter_delay() -> None:
    rig = Rig(source_v=110.0, tap_delay_s=0.0)
    assert rig.orders(20.0) == [15.0, 17.0, 19.0]  # the mechanism needs 2 s a tap


@pytest.mark.parametrize(
    ("error_v", "delay_s"),
    [(1.0 + 1e-9, 15.0), (1.5, 10.0), (3.0, 5.0), (-2.0, 7.5), (30.0, 1.0)],  # the last: shortest delay
)
def test_inverse_delay_falls_with_the_error(error_v: float, delay_s: float) -> None:
    rig = Rig(source_v=120.0 - error_v, delay_kind="inverse", dt_s=0.01, v_block_pu=0.5)
    assert rig.orders(16.0)[0] == pytest.approx(delay_s, abs=0.0101)  # one step


def test_timer_starts_anew_when_the_voltage_was_back_in_the_band() -> None:
    rig = Rig(source_v=118.5)
    assert rig.orders(14.0) == []
    rig.source_v = 120.0
    assert rig.orders(0.2) == []
    assert (rig["timer_s"], rig["direction"]) == (0.0, 0.0)
    rig.source_v = 118.5
    assert rig.orders(15.2) == [15.0]


def test_timer_starts_anew_when_the_error_changes_sides() -> None:
    rig = Rig(source_v=118.0)
    rig.orders(10.0)
    rig.source_v = 122.0
    assert rig.orders(15.2) == [15.0]
    assert rig["direction"] == -1.0


def test_a_sequence_ends_inside_the_band_and_the_next_one_waits_in_full() -> None:
    rig = Rig(source_v=118.5)
    rig.orders(30.0)
    assert (rig.tap, rig["is_sequence"]) == (1.0, 0.0)
    rig.source_v = 117.5
    assert rig.orders(15.2) == [15.0]


@pytest.mark.parametrize("edge", [119.0, 121.0])
def test_the_edge_of_the_band_is_inside(edge: float) -> None:
    assert Rig(source_v=edge).orders(20.0) == []


def test_a_tap_that_lowers_the_voltage_is_moved_the_other_way() -> None:
    rig = Rig(source_v=118.0, tap_effect="lowers")
    rig.orders(15.2)
    assert rig.reg["tap_sp"][0] == -1.0


# -- blocks ----------------------------------------------------------------------------------


def test_undervoltage_blocks_and_the_delay_starts_after_it() -> None:
    rig = Rig(source_v=90.0, v_block_pu=0.8)
    assert rig.orders(60.0) == []
    assert (rig["is_blocked"], rig["block_reason"], rig["timer_s"]) == (1.0, tc.UNDERVOLTAGE, 0.0)
    rig.source_v = 110.0
    assert rig.orders(15.2) == [15.0]
    assert rig["is_blocked"] == 0.0


def test_overcurrent_blocks_above_its_multiple_of_the_ct_rating() -> None:
    rig = Rig(source_v=110.0, i_block_pu=1.5)
    rig.i_a = 450.1 + 0j
    assert rig.orders(30.0) == []
    assert rig["block_reason"] == tc.OVERCURRENT
    rig.i_a = 449.9 + 0j
    assert rig.orders(15.2) == [15.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_measurement_blocks_and_does_not_stick(bad: float) -> None:
    rig = Rig(source_v=bad)
    assert rig.orders(30.0) == []
    assert rig["block_reason"] == tc.BAD_INPUT
    rig.source_v = 110.0
    assert rig.orders(15.2) == [15.0]


@pytest.mark.parametrize(
    ("name", "bad"), [("vreg_v_sp", math.nan), ("band_v_sp", math.nan), ("band_v_sp", 0.0)]
)
def test_a_setpoint_that_makes_no_sense_blocks_until_it_is_put_right(name: str, bad: float) -> None:
    rig = Rig(source_v=110.0)
    good = rig[name]
    rig.s[name] = bad
    assert rig.orders(30.0) == []
    assert rig["block_reason"] == tc.BAD_INPUT
    rig.s[name] = good
    assert rig.orders(15.2) == [15.0]


def test_operations_of_a_day_are_limited_until_midnight() -> None:
    rig = Rig(source_v=110.0, ops_day_max=3.0, dt_s=0.5)
    rig.s["day_s"] = 86400.0 - 120.0
    rig.orders(60.0)
    assert (rig.tap, rig["ops_today"], rig["block_reason"]) == (3.0, 3.0, tc.DAILY_LIMIT)
    rig.orders(90.0)  # past midnight
    assert rig.tap == 6.0
    assert (rig["ops"], rig["ops_today"]) == (6.0, 3.0)


@pytest.mark.parametrize(("source_v", "stop"), [(100.0, 1.0), (150.0, -1.0)])
def test_end_stops_hold_and_are_told(source_v: float, stop: float) -> None:
    rig = Rig(source_v=source_v, top=4.0)
    rig.orders(60.0)
    assert (rig.tap, rig["at_end_stop"], rig["block_reason"]) == (4.0 * stop, stop, tc.END_STOP)
    rig.source_v = 120.0  # away from the stop it goes
    rig.orders(60.0)
    assert abs(rig.tap) < 4.0
    assert (rig["at_end_stop"], rig["is_blocked"]) == (0.0, 0.0)


# -- limits ----------------------------------------------------------------------------------


def test_runback_lowers_at_once_tap_by_tap() -> None:
    rig = Rig(source_v=130.0, runback_v=126.0)
    assert rig.orders(8.2) == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert rig["is_runback"] == 1.0
    rig.orders(3.0)
    assert (rig.v_sec < 126.0, rig["is_runback"]) == (True, 0.0)


def test_runback_does_not_care_for_the_operations_of_the_day() -> None:
    rig = Rig(source_v=130.0, runback_v=126.0, ops_day_max=1.0)
    assert len(rig.orders(6.2)) == 4


def test_first_customer_limit_lowers_against_the_compensation_and_is_not_passed_again() -> None:
    rig = Rig(source_v=125.0, r_v=12.0, vlimit_v=124.0)
    rig.i_a = -300.0 + 0j  # the compensated voltage is 12 V lower and asks for raising
    rig.orders(300.0)
    assert rig.v_sec <= 124.0
    assert rig.v_sec * (1.0 + STEP_PU) > 123.99
    assert rig["block_reason"] == tc.HIGH_LIMIT
    before = rig["ops"]
    rig.orders(300.0)
    assert rig["ops"] == before


# -- reverse power ---------------------------------------------------------------------------


def reverse(policy: str, **more: object) -> Rig:
    rig = Rig(source_v=115.0, tap=6.0, reverse_policy=policy, **more)  # 119.3 V at tap 6: in the band
    rig.forward_w = -1e6
    return rig


def test_reverse_power_ignored_changes_nothing() -> None:
    rig = reverse("ignore")
    rig.source_v = 112.0
    assert rig.orders(15.2) == [15.0]
    assert rig["is_reverse"] == 1.0


def test_reverse_power_locks() -> None:
    rig = reverse("lock")
    rig.source_v = 112.0
    assert rig.orders(60.0) == []
    assert rig["block_reason"] == tc.REVERSE_POWER
    rig.forward_w = 1e6
    assert rig.orders(15.2) == [15.0]


def test_reverse_power_walks_to_neutral_and_stays() -> None:
    rig = reverse("neutral")
    assert rig.orders(120.0) == [15.0, 17.0, 19.0, 21.0, 23.0, 25.0]
    assert rig.tap == 0.0


def test_cogeneration_drops_the_compensation_and_keeps_its_side() -> None:
    rig = reverse("cogeneration", r_v=12.0)
    rig.i_a = 300.0 + 0j  # reversed current would add 12 V and lower the taps
    assert rig.orders(60.0) == []
    assert rig["v_relay_v"] == pytest.approx(rig.v_sec)
    rig.source_v = 112.0
    rig.orders(15.2)
    assert rig.reg["tap_sp"][0] == 7.0
    assert reverse_with_ignore_lowers()


def reverse_with_ignore_lowers() -> bool:
    rig = reverse("ignore", r_v=12.0)
    rig.i_a = 300.0 + 0j
    rig.orders(15.2)
    return bool(rig.reg["tap_sp"][0] == 5.0)


def test_direction_of_power_has_hysteresis() -> None:
    threshold_w = 0.02 * 300.0 * 120.0 * 60.0
    rig = Rig()
    seen = []
    for forward_w in (0.0, -0.9, -1.1, -0.5, -1e-9, 0.0, -0.5, -1.1, math.nan):
        rig.forward_w = forward_w * threshold_w
        rig.step()
        seen.append(rig["is_reverse"])
    assert seen == [0, 0, 1, 1, 1, 0, 0, 1, 0]


# -- modes and counters ----------------------------------------------------------------------


def test_in_manual_the_relay_measures_and_the_operator_moves_the_tap() -> None:
    rig = Rig(source_v=110.0)
    rig.s["is_auto_sp"] = 0.0
    assert rig.orders(60.0) == []
    assert rig["error_v"] == pytest.approx(-10.0)
    assert rig.reg["is_manual"][0] == 1.0
    rig.reg["tap_sp"] = -3.0
    rig.orders(10.0)
    assert (rig.tap, rig["ops"]) == (-3.0, 3.0)  # the operator's taps count, too


def test_in_automatic_the_tap_setpoint_takes_no_commands() -> None:
    spec = REGISTRY["regulator"]
    assert spec.attr("tap_sp").guard == "is_manual"
    rig = Rig()
    assert rig.reg["is_manual"][0] == 0.0
    rig.step()
    assert rig.reg["is_manual"][0] == 0.0


def test_locally_operated_nobody_commands_from_afar() -> None:
    rig = Rig()
    rig.s["is_auto_sp"], rig.s["is_remote_sp"] = 0.0, 0.0
    rig.step()
    assert rig.reg["is_manual"][0] == 0.0
    for name in ("is_auto_sp", "vreg_v_sp", "band_v_sp"):
        assert REGISTRY["tap_changer"].attr(name).guard == "is_remote_sp"


def test_going_automatic_breaks_off_the_operators_walk_after_the_tap_in_progress() -> None:
    rig = Rig(source_v=120.0, band_v=10.0)
    rig.s["is_auto_sp"] = 0.0
    rig.reg["tap_sp"] = 10.0
    rig.orders(3.0)
    rig.s["is_auto_sp"] = 1.0
    rig.orders(30.0)
    assert rig.tap == 2.0
    assert rig.reg["tap_sp"][0] == 2.0


def test_going_manual_keeps_the_tap() -> None:
    rig = Rig(source_v=110.0)
    rig.orders(20.0)
    rig.s["is_auto_sp"] = 0.0
    rig.orders(60.0)
    assert rig.tap == rig.reg["tap_sp"][0] == 3.0


def test_a_tap_setpoint_that_is_no_number_moves_nothing() -> None:
    rig = Rig(band_v=10.0, tap=5.0)
    rig.reg["tap_sp"] = math.nan
    rig.orders(30.0)
    assert rig.tap == rig.reg["tap_sp"][0] == 5.0


def test_set_value_and_band_follow_their_setpoints() -> None:
    rig = Rig(source_v=120.1)
    rig.s["vreg_v_sp"] = 124.0
    rig.orders(60.0)
    assert rig.tap == 4.0  # 123.1 V is the first inside 124 +- 1
    rig.s["band_v_sp"] = 8.0
    rig.source_v = 117.2
    assert rig.orders(60.0) == []


def test_an_absurd_day_does_not_stick() -> None:
    rig = Rig()
    rig.s["day_s"] = math.nan
    rig.step()
    assert rig["day_s"] == 0.0
    rig.s["day_s"] = 1e12
    rig.step()
    assert rig["day_s"] == 0.0


@pytest.mark.parametrize(
    "bad",
    [{"band_v": 0.0}, {"pt_ratio": -1.0}, {"ct_primary_a": 0.0}, {"delay_s": -1.0}, {"reverse_policy": "x"}],
)
def test_settings_that_cannot_be_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=next(iter(bad))):
        TapChanger(**bad)


# -- no hunting ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    source_v=st.floats(100.0, 140.0),
    band_taps=st.floats(2.0, 6.0),
    drop=st.floats(0.0, 0.3),
    exponent=st.floats(0.0, 2.0),
    delay_kind=st.sampled_from(["definite", "inverse"]),
    start=st.integers(-16, 16),
)
def test_a_band_of_two_taps_or_more_never_hunts(
    source_v: float, band_taps: float, drop: float, exponent: float, delay_kind: str, start: int
) -> None:
    # Loads follow the voltage with exponent 0 (power) to 2 (impedance) and pull it down by up to 30 %.
    step_v = 120.0 * STEP_PU
    rig = Rig(
        source_v=source_v,
        dt_s=1.0,
        tap=float(start),
        band_v=band_taps * step_v,
        delay_kind=delay_kind,
        v_block_pu=0.0,
    )
    rig.load = lambda v: complex(v - drop * 120.0 * (v / 120.0) ** (exponent - 1.0))
    rig.orders(15.0 + 33 * 3.0 + 60.0)  # from end to end, and a margin
    before, direction = rig["ops"], rig["direction"]
    rig.orders(600.0)
    assert rig["ops"] == before
    assert direction == 0.0 or rig["at_end_stop"] != 0.0
    assert before <= 32.0
