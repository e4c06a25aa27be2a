"""Ordinary operation of weather, inverters and batteries raises no floating-point flag.

The step watches the processor's flags and reports them as events. Compilers compute both sides
of a branch, so a division that is "not taken" may still divide by zero.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rtcore.atomics import take_fp_flags
from rtcore.component import REGISTRY, rows_of
from rtcore.jit import kernel
from rtcore.plant import battery, clouds, inverter_current, pv_inverter, weather

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

_weather, _clouds, _volts = weather.step, clouds.clearness_all, inverter_current.terminal_voltages
_pv, _pv_inject, _pv_measure = pv_inverter.step, pv_inverter.inject, pv_inverter.measure
_follow, _bat_inject, _form = battery.step_following, battery.inject, battery.step_forming


@kernel
def run(pv_p, pv_s, bat_p, bat_s, w_p, w_s, v, at, back, v_pu, inj, f, live, poa, clear, u, zero, dt_s, n):  # type: ignore[no-untyped-def]
    """Advance everything by ``n`` steps; returns the flags raised."""
    take_fp_flags()
    for k in range(n):
        _weather(w_p, w_s, poa, poa, 0, 1, 0.5, k * dt_s, dt_s)
        _clouds(w_p, w_s, np.uint64(5), zero, zero, k * dt_s, clear)
        _volts(pv_p, v, at, back, v_pu)
        _pv(pv_p, pv_s, w_s["poa_clear_w_m2"][0], clear, 25.0, v_pu, f, live, dt_s)
        _pv_inject(pv_p, pv_s, v, at, back, inj)
        _pv_measure(pv_p, pv_s, v, at, back, inj)
        _follow(bat_p, bat_s, u, f, live, dt_s)
        _bat_inject(bat_p, bat_s, v, at, back, inj)
        _form(bat_p, bat_s, u, f, zero, zero, zero, dt_s)
    return take_fp_flags()


@pytest.mark.parametrize("dt_s", [1e-3, 1.0, 60.0])
def test_no_flag_is_raised_by_day_night_dead_or_off_nominal(dt_s: float) -> None:
    n = 4
    sites = [
        pv_inverter.Pv(s_rated_va=10e3, v_base_v=120.0, q_mode=m, volt_watt="on", q_from_pu=q)  # type: ignore[arg-type]
        for m, q in zip(pv_inverter.Q_MODES, (0.05, 0.05, 0.0, 0.0), strict=True)
    ]
    units = [
        battery.Battery(s_rated_va=500e3, v_base_v=120.0, e_rated_wh=1e6, mode=m, settle_s=t)  # type: ignore[arg-type]
        for m, t in (("off", 0.2), ("following", 0.2), ("forming", 0.2), ("forming", 0.0))
    ]
    rows = [rows_of(x, REGISTRY[k]) for x, k in ((sites, "pv"), (units, "battery"))]
    rows.append(rows_of([weather.Weather(cover=0.4)], REGISTRY["weather"]))
    states = [np.zeros(len(p), REGISTRY[k].state_dtype) for p, k in zip(rows, ("pv", "battery", "weather"))]
    pv_inverter.init(rows[0], states[0], 25.0)
    battery.init(rows[1], states[1])
    weather.init(rows[2], states[2])
    at = np.tile(np.array([0, 1, -1], np.int32), (n, 1))
    both = [x for pair in zip(rows, states, strict=True) for x in pair]
    for volts, live, sun, f_hz in itertools.product(
        (120.0, 0.0, 60.0), (1.0, 0.0), (0.0, 900.0), (60.0, 0.0, 61.5)
    ):
        v = np.array([volts, volts, 0.0, 0.0], complex)
        raised = run(
            *both,
            v,
            at,
            np.full((n, 3), 3, np.int32),
            np.zeros((n, 3)),
            np.zeros((n, 3), complex),
            np.full(n, f_hz),
            np.full(n, live),
            np.full(2, sun),
            np.ones(n),
            np.full(n, volts / 120.0 + 0j),
            np.zeros(n),
            dt_s,
            500,
        )
        assert raised == 0, (volts, live, sun, f_hz)
