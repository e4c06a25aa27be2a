"""Turbine governors: steam turbine TGOV1, diesel engine with droop, isochronous engine.

TGOV1 (IEEE PES-TR1, Dynamic Models for Turbine-Governors in Power System Studies, 2013, 2.2):

    valve = lag T1 of Pref - dw/R, within VMIN..VMAX      (limits act on the state: no wind-up)
    Pm    = (1 + s T2) / (1 + s T3) valve - Dt dw

Diesel: one lag T1 behind the same droop, then lag T3 for the engine. Isochronous: a PI regulator,
proportional part 1/R, integral part ``ki_per_s``, behind the same two lags. ``ki_per_s`` of the other
two is secondary control, which brings frequency back slowly. Lags are advanced exactly for the
input held over the step.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, in_order, param
from rtcore.jit import kernel
from rtcore.plant.ieee1547 import within

NONE, TGOV1, DIESEL, ISOCHRONOUS = 0.0, 1.0, 2.0, 3.0


@component(
    "governor",
    attrs=(
        Attr("valve_pu", "pu", "valve or fuel rack position"),
        Attr("engine_pu", "pu", "state of the second stage"),
        Attr("integral_pu", "pu", "contribution of the integral part"),
        Attr("ref_pu", "pu", "load reference in force"),
    ),
    rules=in_order("v_min_pu", "v_max_pu"),
)
class Governor:
    """Governor of one machine, in pu of the machine's rating."""

    model: float = param(
        default=NONE,
        unit="",
        doc="type of governor; none holds the mechanical power",
        choices={"none": NONE, "tgov1": TGOV1, "diesel": DIESEL, "isochronous": ISOCHRONOUS},
    )
    r_pu: float = param(
        default=0.05, unit="pu", doc="droop: speed change from no load to full load", gt=0, le=1
    )
    t1_s: float = param(default=0.5, unit="s", doc="lag of valve or actuator", ge=0, le=10)
    t2_s: float = param(default=3.0, unit="s", doc="TGOV1: lead time constant", ge=0, le=100)
    t3_s: float = param(default=10.0, unit="s", doc="TGOV1: lag time constant; engine lag", gt=0, le=100)
    v_max_pu: float = param(default=1.2, unit="pu", doc="upper valve limit", gt=0, le=2)
    v_min_pu: float = param(default=0.0, unit="pu", doc="lower valve limit", ge=-1, lt=1)
    dt_pu: float = param(default=0.0, unit="pu", doc="TGOV1: turbine damping", ge=0, le=10)
    ki_per_s: float = param(
        default=0.0, unit="1/s", doc="integral part: power per speed deviation and second", ge=0, le=100
    )


@kernel
def start(p, s, i, pm_pu):  # type: ignore[no-untyped-def]
    """Put governor ``i`` to rest at a mechanical power."""
    s["valve_pu"][i] = min(max(pm_pu, p["v_min_pu"][i]), p["v_max_pu"][i])
    s["engine_pu"][i] = s["valve_pu"][i]
    s["integral_pu"][i] = 0.0
    s["ref_pu"][i] = s["valve_pu"][i]


@kernel
def _lag(value, target, tau_s, dt_s):  # type: ignore[no-untyped-def]
    return target if tau_s <= 0.0 else value + (target - value) * (1.0 - math.exp(-dt_s / tau_s))


@kernel
def power(p, s, i, omega_pu, omega_ref_pu, dt_s):  # type: ignore[no-untyped-def]
    """Advance governor ``i``; returns its mechanical power [pu]. Not for model ``none``."""
    error = within(omega_ref_pu - omega_pu, -2.0, 2.0, 0.0)
    low, high = p["v_min_pu"][i], p["v_max_pu"][i]
    wanted = s["ref_pu"][i] + s["integral_pu"][i] + error / p["r_pu"][i]
    if low < wanted < high or (wanted >= high) == (error < 0.0):  # never wind up against a limit
        s["integral_pu"][i] += p["ki_per_s"][i] * error * dt_s
    valve = _lag(s["valve_pu"][i], wanted, p["t1_s"][i], dt_s)
    s["valve_pu"][i] = min(max(valve, low), high)
    s["engine_pu"][i] = _lag(s["engine_pu"][i], s["valve_pu"][i], p["t3_s"][i], dt_s)
    if p["model"][i] == TGOV1:
        lead = p["t2_s"][i] / p["t3_s"][i]
        return s["engine_pu"][i] + lead * (s["valve_pu"][i] - s["engine_pu"][i]) - p["dt_pu"][i] * omega_pu
    return s["engine_pu"][i]
