"""Group of thermostatic air conditioners or heat pumps: demand that follows the ambient temperature.

Each unit is one room with one thermal mass (Ihara and Schweppe, IEEE Trans. PAS-100 (9), 1981;
Callaway, Energy Conversion and Management 50, 2009)::

    tau dT/dt = T_ambient + gain - pull * on - T         tau = C / UA

``gain`` is the rise by sun and people, ``pull`` what a unit that never stops takes away (heating: adds).
The thermostat starts a unit at setpoint + deadband/2 and stops it at setpoint - deadband/2 (heating: the
mirror image), no sooner than the lockout after its last stop. A step in which a unit switches is split at
the crossing, so the duty does not depend on the step; demand is the mean over the step. Without
supply the units are off and the rooms drift: all diversity is lost and restoration finds every unit
wanting to run, which is the cold-load pickup. Up to 64 units stand for the whole group.
"""

from __future__ import annotations

import math

import numpy as np

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.noise import mix64, step_key

UNITS = 64
MODES = {"cooling": 0.0, "heating": 1.0}
ROOM, RUN = 0, 1
"""Columns of ``rooms[group, unit]``: room temperature [degC]; 1 running, 0 stopped, or minus the
lockout left [s]."""

SWITCHES_MAX = 64  # in one step; more would be a deadband crossed once a second
GOLDEN = 0.6180339887498949
OFFSET_MAX_K = 15.0
ROOM_MIN_DEGC, ROOM_MAX_DEGC = -100.0, 150.0


@component(
    "hvac",
    attrs=(
        Attr("is_enabled_sp", "", "1: thermostats may run their units", writable="setpoint"),
        Attr("offset_k_sp", "K", "added to every thermostat setpoint", writable="setpoint"),
        Attr("ambient_degc", "degC", "ambient temperature"),
        Attr("room_degc", "degC", "mean room temperature"),
        Attr("on_pu", "pu", "units running at the end of the step, share of the group"),
        Attr("p_w", "W", "active power asked for at nominal voltage, mean of the step"),
        Attr("q_var", "var", "reactive power asked for at nominal voltage, mean of the step"),
    ),
)
class Hvac:
    """Thermostatic group on one bus."""

    n_units: float = param(default=64.0, unit="", doc="simulated units of the group", ge=1, le=UNITS)
    rated_w: float = param(default=100e3, unit="W", doc="power with every unit running", gt=0, le=100e6)
    pf: float = param(default=0.9, unit="", doc="power factor of a running unit, lagging", ge=0.5, le=1)
    mode: float = param(default=0.0, unit="", doc="what the units do", choices=MODES)
    setpoint_degc: float = param(default=24.0, unit="degC", doc="thermostat setpoint", ge=5, le=35)
    setpoint_spread_k: float = param(
        default=1.0, unit="K", doc="setpoints are spread evenly by +- this", ge=0, le=5
    )
    deadband_k: float = param(default=1.0, unit="K", doc="thermostat stop to start", ge=0.1, le=5)
    tau_s: float = param(default=7200.0, unit="s", doc="room time constant C/UA", ge=600, le=360000)
    tau_spread_pu: float = param(
        default=0.3, unit="pu", doc="time constants are spread evenly by +- this", ge=0, le=0.9
    )
    pull_k: float = param(default=20.0, unit="K", doc="lasting effect of a running unit", gt=0, le=80)
    gain_k: float = param(default=3.0, unit="K", doc="rise by sun and people", ge=0, le=20)
    lockout_s: float = param(default=180.0, unit="s", doc="stop to next start, at least", ge=0, le=1800)


@kernel
def init(p, s, rooms, ambient_degc, key):  # type: ignore[no-untyped-def]
    """Enable every group, its units at random phases of their cycles at this ambient temperature.

    ``rooms``: float64[n, UNITS, 2]; ``key``: uint64 of the family of draws (``noise.draw_key``).
    """
    for i in range(s.shape[0]):
        s["is_enabled_sp"][i], s["offset_k_sp"][i] = 1.0, 0.0
        s["ambient_degc"][i] = ambient_degc
        group = step_key(key, i)
        for j in range(_count(p, i)):
            phase = np.float64(mix64(group + np.uint64(j + 1)) >> np.uint64(11)) / 9007199254740992.0
            tau_s, sign, low, high, off = _unit(p, s, i, j)
            y, is_on = _at_phase(phase, tau_s, low, high, off, off - p["pull_k"][i])
            rooms[i, j, ROOM] = sign * y
            rooms[i, j, RUN] = is_on
        _total(p, s, rooms, i, -1.0)


@kernel
def step(p, s, rooms, ambient_degc, is_live, dt_s):  # type: ignore[no-untyped-def]
    """Advance every group by one step; sets demand ``p_w``, ``q_var``.

    Parameters
    ----------
    rooms : float64[n, UNITS, 2]
        Room temperature and run state of every unit (see ``ROOM``, ``RUN``).
    ambient_degc : float
        Ambient temperature; not finite: the last one holds.
    is_live : any number[n]
        0 where the bus is dead.
    """
    for i in range(s.shape[0]):
        if math.isfinite(ambient_degc):
            s["ambient_degc"][i] = min(max(ambient_degc, -60.0), 70.0)
        may_run = is_live[i] != 0 and s["is_enabled_sp"][i] > 0.0
        ran_s = 0.0
        for j in range(_count(p, i)):
            ran_s += _advance(p, s, rooms, i, j, may_run, dt_s)
        _total(p, s, rooms, i, ran_s / (_count(p, i) * dt_s))


@kernel
def _count(p, i):  # type: ignore[no-untyped-def]
    return min(max(round(p["n_units"][i]), 1), UNITS)


@kernel
def _unit(p, s, i, j):  # type: ignore[no-untyped-def]
    """Time constant, sign, stop and start level, and level without the unit, of one unit.

    Levels are temperatures for cooling and their negatives for heating, so that a stopped unit
    always drifts up and a running one pulls down. The spreads are stratified over the units and
    independent of each other: even steps for tau, multiples of the golden ratio for setpoints.
    """
    even = 2.0 * (j + 0.5) / _count(p, i) - 1.0
    other = 2.0 * (((j + 0.5) * GOLDEN) % 1.0) - 1.0
    sign = -1.0 if p["mode"][i] > 0.0 else 1.0
    offset = s["offset_k_sp"][i]
    offset = min(max(offset, -OFFSET_MAX_K), OFFSET_MAX_K) if math.isfinite(offset) else 0.0
    middle = sign * (p["setpoint_degc"][i] + p["setpoint_spread_k"][i] * other + offset)
    half = 0.5 * p["deadband_k"][i]
    off = sign * (s["ambient_degc"][i] + p["gain_k"][i])
    return p["tau_s"][i] * (1.0 + p["tau_spread_pu"][i] * even), sign, middle - half, middle + half, off


@kernel
def _at_phase(phase, tau_s, low, high, off, on):  # type: ignore[no-untyped-def]
    """Level and run state at a phase 0..1 of the cycle; a unit that never switches is at rest."""
    if off <= high:
        return off, 0.0
    if on >= low:
        return on, 1.0
    on_s = _reach_s(high, low, on, tau_s)
    t_s = phase * (on_s + _reach_s(low, high, off, tau_s))
    if t_s < on_s:
        return on + (high - on) * math.exp(-t_s / tau_s), 1.0
    return off + (low - off) * math.exp(-(t_s - on_s) / tau_s), 0.0


@kernel
def _reach_s(y, level, towards, tau_s):  # type: ignore[no-untyped-def]
    """Time of the exponential from ``y`` to ``level`` on its way to ``towards``; 0 if passed."""
    ratio = (y - towards) / (level - towards)
    return tau_s * math.log(ratio) if ratio > 1.0 else 0.0


@kernel
def _advance(p, s, rooms, i, j, may_run, dt_s):  # type: ignore[no-untyped-def]
    """Move one unit by one step; returns how long it ran [s]."""
    tau_s, sign, low, high, off = _unit(p, s, i, j)
    y, run = sign * rooms[i, j, ROOM], rooms[i, j, RUN]
    if not ROOM_MIN_DEGC < sign * y < ROOM_MAX_DEGC:  # also NaN
        y = low
    lockout_s = p["lockout_s"][i]
    run = min(run, 1.0) if run >= -lockout_s else -lockout_s
    if not may_run and run > 0.0:
        run = -lockout_s
    left_s, ran_s = dt_s, 0.0
    for _ in range(SWITCHES_MAX):
        towards = off - p["pull_k"][i] if run > 0.0 else off
        end = towards + (y - towards) * math.exp(-left_s / tau_s)
        if run > 0.0:
            is_crossed = end <= low
        else:
            is_crossed = may_run and end >= high and -run <= left_s
        if not is_crossed:
            break
        if run > 0.0:
            part_s = min(_reach_s(y, low, towards, tau_s), left_s)
            ran_s += part_s
            run_after = -lockout_s
        else:
            part_s = min(max(_reach_s(y, high, towards, tau_s), -run), left_s)
            run_after = 1.0
        y = towards + (y - towards) * math.exp(-part_s / tau_s)
        run = run_after
        left_s -= part_s
        end = y
    else:
        left_s = 0.0
    rooms[i, j, ROOM] = sign * end
    rooms[i, j, RUN] = run if run > 0.0 else min(run + left_s, 0.0)
    return ran_s + left_s if run > 0.0 else ran_s


@kernel
def _total(p, s, rooms, i, share):  # type: ignore[no-untyped-def]
    """Group quantities; ``share`` of the units that ran over the step, -1: those running now."""
    n = _count(p, i)
    on, warmth = 0.0, 0.0
    for j in range(n):
        on += 1.0 if rooms[i, j, RUN] > 0.0 else 0.0
        warmth += rooms[i, j, ROOM]
    s["on_pu"][i], s["room_degc"][i] = on / n, warmth / n
    pf = p["pf"][i]
    s["p_w"][i] = p["rated_w"][i] * (share if share >= 0.0 else on / n)
    s["q_var"][i] = s["p_w"][i] * math.sqrt(1.0 - pf * pf) / pf
