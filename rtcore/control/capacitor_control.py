"""Control of one switched capacitor bank: closes and opens it on voltage, var, current, pf or time.

Kinds of control and their thresholds as in OpenDSS' CapControl: ``voltage`` [pu] closes below
``on`` and opens above ``off``; ``kvar`` [var] and ``current`` [A] close above ``on`` and open below
``off``, flows positive towards the load; ``pf`` closes below ``on`` and opens above ``off`` on a
scale of 0 to 2, where 2 - pf stands for a leading power factor; ``time`` [h] is closed from ``on``
to ``off``, also across midnight. A bank of kind ``group`` follows an automatic power-factor
correction (``rtcore/control/power_factor_correction.py``).

The voltage override opens above ``v_max_pu`` and closes below ``v_min_pu`` whatever the kind is.
After every opening the bank stays open for ``dead_time_s``: its charge must decay (IEEE Std 18:
to 50 V in 5 minutes). It must not answer its own switching: where the step that the bank makes
in the measured quantity is given (voltage: Qc / Ssc), thresholds nearer than that are taken
``HYSTERESIS`` steps apart, the off threshold gives way.
"""

from __future__ import annotations

import math
from typing import Any

from rtcore.component import Attr, component, param
from rtcore.jit import kernel

VOLTAGE, KVAR, CURRENT, POWER_FACTOR, TIME, GROUP = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0
KINDS = {
    "voltage": VOLTAGE,
    "kvar": KVAR,
    "current": CURRENT,
    "pf": POWER_FACTOR,
    "time": TIME,
    "group": GROUP,
}
NOT_BLOCKED, BAD_INPUT, NO_VOLTAGE, DEAD_TIME, DAILY_LIMIT = 0.0, 1.0, 2.0, 3.0, 4.0
HYSTERESIS = 1.1
"""Least distance of the thresholds in steps of the bank: room for the step to grow with the voltage."""

EPS_S = 1e-9
"""Far below any step, above the rounding of a summed timer [s]."""


def hysteresis(c: Any) -> list[tuple[str, str]]:
    """Return (parameter, message) where thresholds would make the bank answer its own switching."""
    if c.control in (TIME, GROUP):
        return []
    distance = c.off - c.on if c.control in (VOLTAGE, POWER_FACTOR) else c.on - c.off
    where = "above" if c.control in (VOLTAGE, POWER_FACTOR) else "below"
    if distance > c.step:
        return []
    least = f"{where} on = {c.on:g}" + (f" by more than the step of {c.step:g}" if c.step else "")
    return [("off", f"off = {c.off:g}: must be {least} (threshold of opening; the bank would hunt)")]


@component(
    "capacitor_control",
    attrs=(
        Attr("is_auto_sp", "", "1 automatic, 0 manual", writable="setpoint", guard="is_remote_sp"),
        Attr("is_remote_sp", "", "local/remote switch: 1 remote", writable="setpoint"),
        Attr("on_sp", "", "threshold of closing", writable="setpoint", guard="is_remote_sp"),
        Attr("off_sp", "", "threshold of opening", writable="setpoint", guard="is_remote_sp"),
        Attr("measured", "", "measured quantity, in the unit of the thresholds"),
        Attr("direction", "", "what the control asks for: 1 close, -1 open, 0 rest"),
        Attr("ask", "", "what the group asks for: 1 close, -1 open, 0 nothing"),
        Attr("timer_s", "s", "time since the control asks"),
        Attr("dead_s", "s", "time until the bank may be closed again"),
        Attr("is_override", "", "1 while the voltage override decides"),
        Attr("is_blocked", "", "1 when what the control asks for must wait, or it cannot work"),
        Attr(
            "block_reason",
            "",
            "0 none, 1 bad measurement, 2 no voltage, 3 dead time, 4 operations of the day",
        ),
        Attr("ops", "", "switchings in all"),
        Attr("ops_today", "", "switchings since midnight"),
        Attr("closed_seen", "", "position at the last count"),
        Attr("day_s", "s", "time of the day at the last count"),
    ),
    rules=hysteresis,
)
class CapacitorControl:
    """Control of one switched bank."""

    control: float = param(unit="", doc="quantity that decides", choices=KINDS)
    on: float = param(default=0.0, unit="", doc="threshold of closing, in the unit of the quantity")
    off: float = param(default=0.0, unit="", doc="threshold of opening")
    step: float = param(
        default=0.0, unit="", doc="change of the quantity when the bank switches; 0 unknown", ge=0
    )
    delay_on_s: float = param(default=15.0, unit="s", doc="delay of closing", ge=0)
    delay_off_s: float = param(default=15.0, unit="s", doc="delay of opening", ge=0)
    dead_time_s: float = param(default=300.0, unit="s", doc="shortest time open", ge=0)
    v_max_pu: float = param(default=0.0, unit="pu", doc="override: opens above; 0 off", ge=0)
    v_min_pu: float = param(default=0.0, unit="pu", doc="override: closes below; 0 off", ge=0)
    v_block_pu: float = param(default=0.5, unit="pu", doc="no decision below: the bus is dead", ge=0, lt=1)
    ops_day_max: float = param(default=0.0, unit="", doc="switchings allowed in a day; 0 unlimited", ge=0)


def voltage_step_pu(q_var: float, short_circuit_va: float) -> float:
    """Return the voltage change when a bank switches, Qc / Ssc [pu]."""
    return q_var / short_circuit_va


def init(p: Any, s: Any, cap: Any, bank: Any, *, is_auto: float = 1.0, time_of_day_s: float = 0.0) -> None:
    """Put the controls to rest at the banks' present positions; call before the first step."""
    s[:] = 0.0
    s["is_auto_sp"], s["is_remote_sp"] = is_auto, 1.0
    s["on_sp"], s["off_sp"] = p["on"], p["off"]
    s["closed_seen"] = cap["is_closed"][bank]
    s["day_s"] = time_of_day_s


@kernel
def step(p, s, cap, bank, v_pu, p_w, q_var, i_a, time_of_day_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every control; returns how many banks were ordered to switch.

    Parameters
    ----------
    cap : structured
        State rows of kind ``capacitor``; writes the pulses ``open`` and ``close``.
    bank : int32[n]
        Capacitor row of each control.
    v_pu, p_w, q_var, i_a : float64[n]
        Voltage, flow towards the load and current where each control measures.
    time_of_day_s : float
        Local time [s].
    """
    orders = 0
    for i in range(s.shape[0]):
        b = bank[i]
        is_closed = cap["is_closed"][b] != 0.0
        _count(p, s, i, cap["is_closed"][b], time_of_day_s, dt_s)
        s["measured"][i] = _quantity(p, i, v_pu[i], p_w[i], q_var[i], i_a[i], time_of_day_s)
        s["block_reason"][i] = NOT_BLOCKED
        s["is_override"][i] = 0.0
        asked = 0.0
        if s["is_auto_sp"][i] != 0.0:
            asked = _asked(p, s, i, v_pu[i], is_closed)
        if _run_timer(p, s, i, asked, dt_s):
            if asked > 0.0:
                cap["close"][b] = 1.0
            else:
                cap["open"][b] = 1.0
            orders += 1
        s["is_blocked"][i] = 1.0 if s["block_reason"][i] != NOT_BLOCKED else 0.0
    return orders


@kernel
def _count(p, s, i, is_closed, time_of_day_s, dt_s):  # type: ignore[no-untyped-def]
    """Count switchings, whoever ordered them; an opening starts the dead time."""
    if time_of_day_s < s["day_s"][i]:
        s["ops_today"][i] = 0.0
    s["day_s"][i] = time_of_day_s
    s["dead_s"][i] = max(s["dead_s"][i] - dt_s, 0.0)
    if is_closed != s["closed_seen"][i]:
        s["ops"][i] += 1.0
        s["ops_today"][i] += 1.0
        if is_closed == 0.0:
            s["dead_s"][i] = p["dead_time_s"][i]
    s["closed_seen"][i] = is_closed


@kernel
def _quantity(p, i, v_pu, p_w, q_var, i_a, time_of_day_s):  # type: ignore[no-untyped-def]
    kind = p["control"][i]
    if kind in (VOLTAGE, GROUP):
        return v_pu
    if kind == KVAR:
        return q_var
    if kind == CURRENT:
        return i_a
    if kind == TIME:
        return time_of_day_s / 3600.0
    return power_factor_2(p_w, q_var)


@kernel
def power_factor_2(p_w, q_var):  # type: ignore[no-untyped-def]
    """Power factor of a flow on a scale of 0 to 2: 2 - pf when leading; 1 without load."""
    s_va = math.hypot(p_w, q_var)
    if s_va == 0.0:
        return 1.0
    pf = abs(p_w) / s_va
    return pf if q_var >= 0.0 else 2.0 - pf


@kernel
def _asked(p, s, i, v_pu, is_closed):  # type: ignore[no-untyped-def]
    """Return 1 to close, -1 to open, 0 to leave the bank; notes why it must wait."""
    if not (math.isfinite(v_pu) and math.isfinite(s["measured"][i])):
        s["block_reason"][i] = BAD_INPUT
        return 0.0
    if v_pu < p["v_block_pu"][i]:
        s["block_reason"][i] = NO_VOLTAGE
        return 0.0
    is_high = 0.0 < p["v_max_pu"][i] < v_pu
    if is_high or v_pu < p["v_min_pu"][i]:
        s["is_override"][i] = 1.0
        wish = -1.0 if is_high else 1.0
    elif p["control"][i] == GROUP:
        wish = s["ask"][i]
    else:
        wish = _wish(p, s, i)
    if wish == 0.0 or (wish > 0.0) == is_closed:
        return 0.0
    if 0.0 < p["ops_day_max"][i] <= s["ops_today"][i] and not is_high:
        s["block_reason"][i] = DAILY_LIMIT
        return 0.0
    if wish > 0.0 and s["dead_s"][i] > EPS_S:
        s["block_reason"][i] = DEAD_TIME  # the delay runs meanwhile
    return wish


@kernel
def _wish(p, s, i):  # type: ignore[no-untyped-def]
    kind, x, on, off = p["control"][i], s["measured"][i], s["on_sp"][i], s["off_sp"][i]
    apart = HYSTERESIS * p["step"][i]
    if kind == TIME:
        is_inside = on <= x < off if on <= off else (x >= on or x < off)
        return 1.0 if is_inside else -1.0
    if kind in (VOLTAGE, POWER_FACTOR):
        off = max(off, on + apart)
        return 1.0 if x < on else (-1.0 if x > off else 0.0)
    off = min(off, on - apart)
    return 1.0 if x > on else (-1.0 if x < off else 0.0)


@kernel
def _run_timer(p, s, i, asked, dt_s):  # type: ignore[no-untyped-def]
    """Return whether the bank is to be switched now."""
    if asked == 0.0 or asked != s["direction"][i]:
        s["direction"][i] = asked
        s["timer_s"][i] = 0.0
    else:
        s["timer_s"][i] += dt_s
    if asked == 0.0 or s["block_reason"][i] == DEAD_TIME:
        return False
    delay_s = p["delay_on_s"][i] if asked > 0.0 else p["delay_off_s"][i]
    is_group = p["control"][i] == GROUP and s["is_override"][i] == 0.0
    if not is_group and s["timer_s"][i] < delay_s - EPS_S:  # a group has waited already
        return False
    s["direction"][i] = 0.0
    s["timer_s"][i] = 0.0
    return True
