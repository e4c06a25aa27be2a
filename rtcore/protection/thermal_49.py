"""Thermal overload (ANSI 49), IEC 60255-149 with memory of the load before.

Heat content theta, 1 at the trip, of a body with one time constant::

    d theta / dt = ((I / (k I_rated))^2 - theta) / tau
    t = tau ln[(I^2 - I_p^2) / (I^2 - (k I_rated)^2)]          from the steady state of I_p

The current is constant between changes of the network, so theta moves by its exact exponential on either
side of a change, and results do not depend on the step; crossings of the levels are its inverse.
While theta falls the cooling constant holds (a machine at rest cools slower). The current is capped at
``cap`` times k I_rated, as GE's relays do at 8, which also bounds what an absurd input leaves behind.
Pickup is the current beyond k I_rated, or an output that still holds.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.phasor import abs2
from rtcore.protection.element import ELEMENT, set_operated, set_pickup

LARGEST, SEQUENCE = 0.0, 1.0
BASES = {"largest_phase": LARGEST, "sequence": SEQUENCE}
SMALL = 1e-3


@component(
    "thermal_49",
    attrs=(
        *ELEMENT,
        Attr("theta", "", "heat content, 1 at the trip"),
        Attr("load", "", "equivalent current over k times rated, capped"),
        Attr("is_alarm", "", "1 from the alarm level", stamp="alarm_ago_s"),
        Attr("alarm_ago_s", "s", "time from the last change of the alarm to the end of its step"),
    ),
    settings=True,
)
class Thermal49:
    """Thermal overload element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    basis: float = param(default="largest_phase", unit="", doc="equivalent current", choices=BASES)
    unbalance: float = param(default=3.0, unit="", doc="sequence: I^2 = I1^2 + this I2^2", ge=0, le=10)
    rated_a: float = param(default=400.0, unit="A", doc="rated current, primary", ge=0.1, le=1e6)
    k: float = param(default=1.05, unit="", doc="current that may flow for ever over rated", ge=0.5, le=2)
    tau_s: float = param(default=1800.0, unit="s", doc="heating time constant", ge=1, le=360000)
    tau_cool_s: float = param(
        default=0.0, unit="s", doc="cooling time constant; 0 that of heating", ge=0, le=360000
    )
    alarm_level: float = param(default=0.9, unit="", doc="theta of the alarm", ge=0.1, le=1)
    reset_level: float = param(
        default=0.97, unit="", doc="a flag drops below this times its level", source="GE", ge=0.1, le=1
    )
    cap: float = param(
        default=8.0, unit="", doc="largest current over k times rated", source="GE", ge=2, le=100
    )
    preload_pu: float = param(
        default=0.0, unit="pu", doc="load over rated in whose steady state it starts", ge=0, le=2
    )


@kernel
def operate_s(i_pu, preload_pu, k, tau_s):  # type: ignore[no-untyped-def]
    """Operating time at a constant current after a steady load, both over rated [s]; inf at or below k."""
    if i_pu <= k:
        return math.inf
    i2 = i_pu * i_pu
    return max(tau_s * math.log((i2 - preload_pu * preload_pu) / (i2 - k * k)), 0.0)


@kernel
def _load(p, s, e, i, i_seq, r):  # type: ignore[no-untyped-def]
    """Equivalent current over k times rated; the last one where it is not a number."""
    q, t = p[e], s[e]
    square = -1.0
    if q["basis"] == LARGEST:
        for phase in range(3):
            of_phase = abs2(i[r, phase])
            square = max(square, of_phase if of_phase < math.inf else -1.0)
    else:
        square = abs2(i_seq[r, 1]) + q["unbalance"] * abs2(i_seq[r, 2])
    if not 0.0 <= square < math.inf:
        return t["load"]
    return min(math.sqrt(square) / (q["k"] * q["rated_a"]), q["cap"])


@kernel
def _share(x):  # type: ignore[no-untyped-def]
    """1 - exp(-x); the series is exact to 1e-14 and costs no exponential at the usual steps."""
    if x < SMALL:
        return x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x / 24.0)))
    return -math.expm1(-x)


@kernel
def _crossed_ago_s(before, after, ultimate, level, tau_s, part_s):  # type: ignore[no-untyped-def]
    """Return how long ago theta was at ``level``, at most the part of the step that it moved in [s]."""
    if (before - level) * (after - level) > 0.0 or after == ultimate:
        return part_s  # beyond it all the time: the level moved, or the element was blocked
    ratio = (ultimate - level) / (ultimate - after)
    return min(max(tau_s * math.log(ratio), 0.0), part_s) if ratio > 0.0 else part_s


@kernel
def _is_up(is_up, theta, level, reset_level):  # type: ignore[no-untyped-def]
    return theta >= (level * reset_level if is_up != 0.0 else level)


@kernel
def _advance(p, s, e, load, is_served, part_s, end_ago_s):  # type: ignore[no-untyped-def]
    """Advance one element by a part of the step that ends ``end_ago_s`` before its end."""
    q, t = p[e], s[e]
    before, ultimate = t["theta"], load * load
    tau_s = q["tau_cool_s"] if ultimate < before and q["tau_cool_s"] > 0.0 else q["tau_s"]
    after = before + (ultimate - before) * _share(part_s / tau_s)
    t["theta"] = after
    t["fraction"] = min(after, 1.0)
    reset, level = q["reset_level"], q["alarm_level"]
    if load <= 1.0 and after < level and t["is_pickup"] == 0.0 and t["is_alarm"] == 0.0:
        return  # the usual case
    is_alarm = is_served and _is_up(t["is_alarm"], after, level, reset)
    if is_alarm != (t["is_alarm"] != 0.0):
        level *= 1.0 if is_alarm else reset
        t["is_alarm"] = 1.0 if is_alarm else 0.0
        t["alarm_ago_s"] = end_ago_s + _crossed_ago_s(before, after, ultimate, level, tau_s, part_s)
    is_due = is_served and _is_up(t["is_operated"], after, 1.0, reset)
    ago_s = end_ago_s + part_s
    if is_due != (t["is_operated"] != 0.0):
        level = 1.0 if is_due else reset
        ago_s = end_ago_s + _crossed_ago_s(before, after, ultimate, level, tau_s, part_s)
        if load > 1.0:  # picked up since the change, operates later
            set_pickup(s, e, True, end_ago_s + part_s)
    set_pickup(s, e, is_served and (load > 1.0 or is_due), ago_s)
    set_operated(s, e, is_due, ago_s)


@kernel
def init(p, s):  # type: ignore[no-untyped-def]
    """Put every element into the steady state of its load before the start."""
    for e in range(s.shape[0]):
        s["load"][e] = min(p["preload_pu"][e] / p["k"][e], p["cap"][e])
        s["theta"][e] = s["load"][e] * s["load"][e]
        s["fraction"][e] = min(s["theta"][e], 1.0)


@kernel
def step(p, s, of, i, i_seq, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    i, i_seq : complex128[n_relays, 3]
        Phase currents and their zero, positive, negative sequence [A]. Not a number: the last one holds.
    is_permitted : float64[n]
        0 blocks an element: it drops out, and cools as if there were no current.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        q, t = p[e], s[e]
        is_served = q["is_enabled"] != 0.0 and is_permitted[e] != 0.0
        before, now = t["load"], _load(p, s, e, i, i_seq, of[e]) if is_served else 0.0
        t["load"] = now
        if change_ago_s < dt_s:
            _advance(p, s, e, before if is_served else 0.0, is_served, dt_s - change_ago_s, change_ago_s)
        _advance(p, s, e, now, is_served, change_ago_s, 0.0)
