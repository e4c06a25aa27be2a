"""Capacitor control: the five quantities, delays, dead time, override, modes, no hunting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.control import capacitor_control as cc
from rtcore.control.capacitor_control import CapacitorControl
from rtcore.plant import capacitor

HOUR_S = 3600.0


class Rig:
    """One control and its bank; what is measured can answer the bank."""

    def __init__(self, *, is_closed: float = 0.0, dt_s: float = 1.0, **params: object) -> None:
        self.p = rows_of([CapacitorControl(**params)], REGISTRY["capacitor_control"])
        self.s = np.zeros(1, REGISTRY["capacitor_control"].state_dtype)
        self.cap = np.zeros(1, REGISTRY["capacitor"].state_dtype)
        self.cap["is_closed"] = is_closed
        self.bank = np.zeros(1, np.int32)
        self.v_pu, self.p_w, self.q_var, self.i_a = 1.0, 0.0, 0.0, 0.0
        self.v_step, self.q_step = 0.0, 0.0
        self.time_s, self.dt_s = 0.0, dt_s
        cc.init(self.p, self.s, self.cap, self.bank)

    def __getitem__(self, name: str) -> float:
        return float(self.s[name][0])

    @property
    def is_closed(self) -> bool:
        return bool(self.cap["is_closed"][0])

    def step(self) -> int:
        capacitor.step(self.cap, np.zeros(1, np.int32), np.zeros((1, 3)))
        closed = float(self.is_closed)
        orders = cc.step(
            self.p,
            self.s,
            self.cap,
            self.bank,
            np.array([self.v_pu + closed * self.v_step]),
            np.array([self.p_w]),
            np.array([self.q_var - closed * self.q_step]),
            np.array([self.i_a]),
            self.time_s % 86400.0,
            self.dt_s,
        )
        self.time_s += self.dt_s
        return int(orders)

    def orders(self, seconds: float) -> list[float]:
        """Times of the orders given, from the first step that saw the present measurement."""
        start, times = self.time_s + self.dt_s, []
        for _ in range(round(seconds / self.dt_s)):
            if self.step():
                times.append(round(self.time_s - start, 6))
        return times


@pytest.mark.parametrize(
    ("kind", "on", "off", "closes", "rests", "opens"),
    [
        ("voltage", 0.98, 1.02, {"v_pu": 0.979}, {"v_pu": 1.0}, {"v_pu": 1.021}),
        ("kvar", 300e3, -100e3, {"q_var": 301e3}, {"q_var": 0.0}, {"q_var": -101e3}),
        ("current", 300.0, 200.0, {"i_a": 301.0}, {"i_a": 250.0}, {"i_a": 199.0}),
        # 0.90 lagging closes, unity rests, 0.95 leading (1.05 on the scale) opens
        (
            "pf",
            0.95,
            1.04,
            {"p_w": 0.90, "q_var": 0.436},
            {"p_w": 1.0, "q_var": 0.0},
            {"p_w": 0.95, "q_var": -0.312},
        ),
        # exported power has a power factor, too
        ("pf", 0.95, 1.04, {"p_w": -0.90, "q_var": 0.436}, {"p_w": 0.0, "q_var": 0.0}, {"q_var": -1.0}),
    ],
)
def test_closes_rests_and_opens_on_its_quantity(  # type: ignore[no-untyped-def]
    kind, on, off, closes, rests, opens
) -> None:
    rig = Rig(control=kind, on=on, off=off, dead_time_s=0.0)
    for state, wanted in ((closes, True), (rests, True), (opens, False), (rests, False), (closes, True)):
        rig.__dict__.update({"v_pu": 1.0, "p_w": 0.0, "q_var": 0.0, "i_a": 0.0} | state)
        rig.orders(20.0)
        assert rig.is_closed == wanted, (state, rig["measured"])


@pytest.mark.parametrize(
    ("on", "off", "hours_closed"), [(8.0, 20.0, range(8, 20)), (20.0, 8.0, [*range(20, 24), *range(8)])]
)
def test_time_control_closes_between_its_hours_also_across_midnight(on, off, hours_closed) -> None:  # type: ignore[no-untyped-def]
    rig = Rig(control="time", on=on, off=off, dt_s=60.0)
    closed = []
    for hour in range(24):
        rig.orders(HOUR_S)
        if rig.is_closed:
            closed.append(hour)
    assert closed == sorted(hours_closed)


@pytest.mark.parametrize("dt_s", [1e-3, 0.1, 1.0, 7.0, 60.0])
def test_waits_for_its_own_delays(dt_s: float) -> None:
    rig = Rig(control="current", on=300.0, off=200.0, delay_on_s=15.0, delay_off_s=30.0, dt_s=dt_s)
    rig.i_a = 400.0
    first = rig.orders(130.0 if dt_s == 60.0 else 25.0)[0]
    assert 15.0 - 1e-6 <= first < 15.0 + dt_s
    rig.i_a = 100.0
    first = rig.orders(130.0 if dt_s == 60.0 else 40.0)[0]
    assert 30.0 - 1e-6 <= first < 30.0 + dt_s


def test_a_wish_that_passes_in_time_switches_nothing() -> None:
    rig = Rig(control="current", on=300.0, off=200.0)
    for _ in range(5):
        rig.i_a = 400.0
        assert rig.orders(14.0) == []
        rig.i_a = 250.0
        rig.step()
        assert rig["timer_s"] == 0.0


def test_stays_open_for_the_dead_time_whoever_opened_it() -> None:
    rig = Rig(control="current", on=300.0, off=200.0, is_closed=1.0, dead_time_s=300.0)
    rig.i_a = 400.0
    rig.cap["open"] = 1.0  # the operator
    rig.step()
    assert not rig.is_closed
    rig.orders(100.0)
    assert (rig["block_reason"], rig["dead_s"]) == (cc.DEAD_TIME, 200.0)
    assert rig.orders(250.0) == [199.0]  # 100 s more than that have passed
    assert rig.is_closed


@pytest.mark.parametrize(("v_pu", "before", "after"), [(1.06, 1.0, False), (0.94, 0.0, True)])
def test_voltage_override_goes_before_any_quantity(v_pu: float, before: float, after: bool) -> None:
    rig = Rig(control="current", on=300.0, off=200.0, is_closed=before, v_max_pu=1.05, v_min_pu=0.95)
    rig.i_a = 400.0 if before else 100.0  # asks for the opposite
    rig.v_pu = v_pu
    rig.orders(20.0)
    assert rig.is_closed == after
    assert rig["is_override"] == 1.0


def test_a_dead_bus_or_a_bad_measurement_leaves_the_bank_alone() -> None:
    for state, reason in (
        ({"v_pu": 0.4}, cc.NO_VOLTAGE),
        ({"v_pu": math.nan}, cc.BAD_INPUT),
        ({"i_a": math.nan}, 1),
    ):
        rig = Rig(control="current", on=300.0, off=200.0, is_closed=1.0, v_min_pu=0.9)
        rig.__dict__.update(state)
        assert rig.orders(60.0) == []
        assert (rig["is_blocked"], rig["block_reason"]) == (1.0, reason)
        rig.v_pu, rig.i_a = 1.0, 100.0
        assert rig.orders(16.0) == [15.0]


def test_in_manual_only_the_operator_switches_and_it_is_counted() -> None:
    rig = Rig(control="current", on=300.0, off=200.0)
    rig.s["is_auto_sp"] = 0.0
    rig.i_a = 400.0
    assert rig.orders(60.0) == []
    rig.cap["close"] = 1.0
    rig.step()
    assert rig.is_closed
    assert (rig["ops"], rig["ops_today"]) == (1.0, 1.0)


def test_operations_of_a_day_are_limited_until_midnight_but_not_for_high_voltage() -> None:
    rig = Rig(control="current", on=300.0, off=200.0, dead_time_s=0.0, ops_day_max=1.0, v_max_pu=1.05)
    rig.time_s = 12 * HOUR_S
    rig.i_a = 400.0
    rig.orders(20.0)
    rig.i_a = 100.0
    rig.orders(60.0)
    assert (rig.is_closed, rig["block_reason"]) == (True, cc.DAILY_LIMIT)
    rig.v_pu = 1.06
    rig.orders(20.0)
    assert not rig.is_closed
    rig.time_s = 24 * HOUR_S
    rig.v_pu, rig.i_a = 1.0, 400.0
    rig.orders(20.0)
    assert (rig.is_closed, rig["ops"], rig["ops_today"]) == (True, 3.0, 1.0)


def test_thresholds_follow_their_setpoints() -> None:
    rig = Rig(control="current", on=300.0, off=200.0)
    rig.i_a = 250.0
    rig.s["on_sp"], rig.s["off_sp"] = 240.0, 150.0
    rig.orders(20.0)
    assert rig.is_closed


def test_thresholds_nearer_than_the_banks_own_step_are_named() -> None:
    step = cc.voltage_step_pu(600e3, 40e6)
    assert step == pytest.approx(0.015)
    CapacitorControl(control="voltage", on=0.98, off=1.0, step=step)
    CapacitorControl(control="time", on=20.0, off=8.0)
    with pytest.raises(ParameterError) as caught:
        CapacitorControl(control="voltage", on=0.98, off=0.99, step=step)
    assert caught.value.problems == [
        (
            "off",
            "off = 0.99: must be above on = 0.98 by more than the step of 0.015 "
            "(threshold of opening; the bank would hunt)",
        )
    ]
    with pytest.raises(ParameterError, match="must be below on = 100"):
        CapacitorControl(control="kvar", on=100.0, off=200.0)
    with pytest.raises(ParameterError, match="voltage, kvar, current, pf, time, group"):
        CapacitorControl(control="volts")


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["voltage", "kvar"]),
    level=st.floats(-1.5, 1.5),
    on=st.floats(-1.0, 1.0),
    off=st.floats(-1.0, 1.0),
    is_closed=st.booleans(),
)
def test_a_bank_never_answers_its_own_switching(
    kind: str, level: float, on: float, off: float, is_closed: bool
) -> None:
    # Everything in steps of the bank; setpoints a master wrote may lie anywhere, also crossed.
    scale, middle = (0.01, 1.0) if kind == "voltage" else (1e5, 0.0)
    apart = 2.0 * scale if kind == "voltage" else -2.0 * scale
    rig = Rig(
        control=kind, on=middle, off=middle + apart, step=scale, dead_time_s=0.0, is_closed=float(is_closed)
    )
    rig.s["on_sp"], rig.s["off_sp"] = middle + scale * on, middle + scale * off
    if kind == "voltage":
        rig.v_pu, rig.v_step = middle + scale * level, scale
    else:
        rig.q_var, rig.q_step = scale * level, scale
    rig.orders(300.0)
    assert rig["ops"] <= 1.0
