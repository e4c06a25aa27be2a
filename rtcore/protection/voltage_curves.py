"""Operating time of voltage elements: definite, or the inverse curves of ABB's relays.

With x = |U - U_pickup| / U_pickup::

    A   t = k / x
    B   t = 480 k / (32 x - 0.5)^2 + D
    C   t = 480 k / (32 x - 0.5)^3 + D     overvoltage only

D is 0.035 s for overvoltage (ABB REF615 manual; the RET650 1.3 product guide prints the constant with a
minus) and 0.055 s for undervoltage (ABB REC670 2.1 product guide, table 147). B and C have a pole at
x = 1/64: below ``saturation_pct`` beyond the pickup the time stays what it is there ("curve sat
relative" of the REF615 manual, 2 %; from memory: verify), on A, too.
"""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.protection.element import definite_time
from rtcore.protection.integral import inverse_time, ran_out

DEFINITE, CURVE_A, CURVE_B, CURVE_C = 0.0, 1.0, 2.0, 3.0
UNDER_CURVES = {"definite": DEFINITE, "a": CURVE_A, "b": CURVE_B}
OVER_CURVES = {**UNDER_CURVES, "c": CURVE_C}


@kernel
def curve_s(curve, x, k, saturation_pct, d_s):  # type: ignore[no-untyped-def]
    """Operating time of an inverse curve at a constant relative deviation [s]."""
    x = max(x, 0.01 * saturation_pct)
    if curve == CURVE_A:
        return k / x
    base = 32.0 * x - 0.5
    power = base * base * base if curve == CURVE_C else base * base
    return 480.0 * k / power + d_s


@kernel
def _time_s(p, e, x, d_s):  # type: ignore[no-untyped-def]
    return max(curve_s(p["curve"][e], x, p["k"][e], p["saturation_pct"][e], d_s), p["minimum_s"][e])


@kernel
def advance(p, s, e, is_served, is_beyond, x_before, x, d_s, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance a voltage element whose deviation was ``x_before`` until the network changed."""
    if s["is_pickup"][e] == 0.0 and not is_beyond:
        return
    if p["curve"][e] == DEFINITE:
        delay_s = max(p["delay_s"][e], p["minimum_s"][e])
        goes_on = is_beyond or (is_served and ran_out(s, e, delay_s, change_ago_s, dt_s))
        definite_time(s, e, goes_on, delay_s, change_ago_s, dt_s)
        return
    before_ago_s = change_ago_s if is_served else dt_s  # blocked: nothing travels any more
    before_s = _time_s(p, e, x_before, d_s) if before_ago_s < dt_s else 1.0
    now_s = _time_s(p, e, x, d_s) if is_beyond else 1.0
    inverse_time(s, e, is_beyond, before_s, now_s, before_ago_s, dt_s)
