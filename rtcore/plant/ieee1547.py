"""IEEE Std 1547-2018: settings of the performance categories, curves, response times, trips.

Category B and abnormal Category III values, the trip and enter-service logic and the droop
equation agree with EPRI OpenDER 2.2.0. Category A, I and II numbers are the standard's defaults
as commonly reprinted; check them against a purchased copy before quoting them.

Clauses: 5.3 reactive power modes, 5.4 volt-watt, 6.4.1 and 6.5.1 trips, 6.4.2 ride-through with
momentary cessation, 6.5.2.7 frequency-droop, 4.10 enter service. An open-loop response time
(OLRT) is the time to 90 % of a step, so the time constant of the lag is OLRT / ln 10.
"""

from __future__ import annotations

import math

from rtcore.jit import kernel

LN10 = math.log(10.0)
EPS = 1e-9
"""Thresholds are inclusive; this absorbs the rounding of a magnitude or of a sum of steps."""
TINY = 1e-12
"""Least divisor. Compilers compute both sides of a branch, so a test for zero does not keep a
division by zero from raising the processor's flags, which the step watches."""

NOT_TRIPPED, OV2, OV1, UV1, UV2, OF2, OF1, UF1, UF2 = (float(k) for k in range(9))
"""Reasons of a trip."""

NORMAL: dict[str, dict[str, float]] = {
    "A": {
        "q_inject_pu": 0.44,
        "q_absorb_pu": 0.25,
        "vv_v1_pu": 0.90,
        "vv_v2_pu": 1.00,
        "vv_v3_pu": 1.00,
        "vv_v4_pu": 1.10,
        "vv_q1_pu": 0.25,
        "vv_q4_pu": -0.25,
        "vv_olrt_s": 10.0,
        "wv_q3_pu": -0.25,
    },
    "B": {
        "q_inject_pu": 0.44,
        "q_absorb_pu": 0.44,
        "vv_v1_pu": 0.92,
        "vv_v2_pu": 0.98,
        "vv_v3_pu": 1.02,
        "vv_v4_pu": 1.08,
        "vv_q1_pu": 0.44,
        "vv_q4_pu": -0.44,
        "vv_olrt_s": 5.0,
        "wv_q3_pu": -0.44,
    },
}
"""Normal-operation category -> parameters of an inverter that differ between categories."""

ABNORMAL: dict[str, dict[str, float]] = {
    "I": {
        "ov1_s": 2.0,
        "uv1_pu": 0.70,
        "uv1_s": 2.0,
        "uv2_pu": 0.45,
        "uv2_s": 0.16,
        "cease_below_pu": 0.50,
        "cease_above_pu": 1.20,
    },
    "II": {
        "ov1_s": 2.0,
        "uv1_pu": 0.70,
        "uv1_s": 10.0,
        "uv2_pu": 0.45,
        "uv2_s": 0.16,
        "cease_below_pu": 0.30,
        "cease_above_pu": 1.20,
    },
    "III": {
        "ov1_s": 13.0,
        "uv1_pu": 0.88,
        "uv1_s": 21.0,
        "uv2_pu": 0.50,
        "uv2_s": 2.0,
        "cease_below_pu": 0.50,
        "cease_above_pu": 1.10,
    },
}
"""Abnormal-operation category -> parameters of an inverter that differ between categories."""


def settings_of(normal: str = "B", abnormal: str = "III") -> dict[str, float]:
    """Return the default settings of a pair of categories, as parameters of an inverter.

    >>> settings_of("A", "I")["uv1_s"]
    2.0
    """
    return NORMAL[normal] | ABNORMAL[abnormal]


@kernel
def within(x, low, high, otherwise):  # type: ignore[no-untyped-def]
    """Clamp; a NaN becomes ``otherwise``, so that it never reaches a state."""
    if x >= low:
        return min(x, high)
    if x < low:
        return low
    return otherwise


@kernel
def between(x, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Linear from (x0, y0) to (x1, y1), flat outside; a step when x1 <= x0."""
    if x <= x0:
        return y0
    if x >= x1:
        return y1
    return y0 + (y1 - y0) * (x - x0) / max(x1 - x0, TINY)


@kernel
def share(dt_s, tau_s):  # type: ignore[no-untyped-def]
    """Part of the way that a first-order lag goes in one step: 1 - exp(-dt/tau), 1 without lag."""
    return -math.expm1(-dt_s / max(tau_s, TINY))


@kernel
def follow(x, target, part):  # type: ignore[no-untyped-def]
    """Move ``part`` of the way; arrives at last, for a decaying tail ends in denormal numbers."""
    away = target - x
    return target if abs(away) < 1e-12 else x + part * away


@kernel
def volt_var(p, i, v_pu):  # type: ignore[no-untyped-def]
    """Reactive power of the four-point curve [pu]."""
    if v_pu <= p["vv_v2_pu"][i]:
        return between(v_pu, p["vv_v1_pu"][i], p["vv_q1_pu"][i], p["vv_v2_pu"][i], p["vv_q2_pu"][i])
    if v_pu >= p["vv_v3_pu"][i]:
        return between(v_pu, p["vv_v3_pu"][i], p["vv_q3_pu"][i], p["vv_v4_pu"][i], p["vv_q4_pu"][i])
    return between(v_pu, p["vv_v2_pu"][i], p["vv_q2_pu"][i], p["vv_v3_pu"][i], p["vv_q3_pu"][i])


@kernel
def watt_var(p, i, p_pu):  # type: ignore[no-untyped-def]
    """Reactive power of the three-point curve of active power [pu]."""
    if p_pu <= p["wv_p2_pu"][i]:
        return between(p_pu, p["wv_p1_pu"][i], p["wv_q1_pu"][i], p["wv_p2_pu"][i], p["wv_q2_pu"][i])
    return between(p_pu, p["wv_p2_pu"][i], p["wv_q2_pu"][i], p["wv_p3_pu"][i], p["wv_q3_pu"][i])


@kernel
def droop(f_hz, f_nominal_hz, deadband_hz, k):  # type: ignore[no-untyped-def]
    """Power to take back [pu of rating], negative to add: frequency beyond the deadband over f0 k."""
    if f_hz > f_nominal_hz + deadband_hz:
        return (f_hz - f_nominal_hz - deadband_hz) / (f_nominal_hz * k)
    if f_hz < f_nominal_hz - deadband_hz:
        return (f_hz - f_nominal_hz + deadband_hz) / (f_nominal_hz * k)
    return 0.0


@kernel
def _is_over(timer_s, i, is_beyond, clearing_s, dt_s):  # type: ignore[no-untyped-def]
    if not is_beyond:
        timer_s[i] = 0.0
        return False
    timer_s[i] += dt_s
    return timer_s[i] >= clearing_s - EPS


@kernel
def watch(p, s, i, low_pu, high_pu, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Advance the eight trip timers of row ``i``; returns the reason of a trip or NOT_TRIPPED.

    Each stage has a timer of its own, which starts again when its quantity comes back. The
    highest phase counts for overvoltage, the lowest for undervoltage.
    """
    reason = NOT_TRIPPED
    if _is_over(s["uf1_t_s"], i, f_hz <= p["uf1_hz"][i] + EPS, p["uf1_s"][i], dt_s):
        reason = UF1
    if _is_over(s["of1_t_s"], i, f_hz >= p["of1_hz"][i] - EPS, p["of1_s"][i], dt_s):
        reason = OF1
    if _is_over(s["uv1_t_s"], i, low_pu <= p["uv1_pu"][i] + EPS, p["uv1_s"][i], dt_s):
        reason = UV1
    if _is_over(s["ov1_t_s"], i, high_pu >= p["ov1_pu"][i] - EPS, p["ov1_s"][i], dt_s):
        reason = OV1
    if _is_over(s["uf2_t_s"], i, f_hz <= p["uf2_hz"][i] + EPS, p["uf2_s"][i], dt_s):
        reason = UF2
    if _is_over(s["of2_t_s"], i, f_hz >= p["of2_hz"][i] - EPS, p["of2_s"][i], dt_s):
        reason = OF2
    if _is_over(s["uv2_t_s"], i, low_pu <= p["uv2_pu"][i] + EPS, p["uv2_s"][i], dt_s):
        reason = UV2
    if _is_over(s["ov2_t_s"], i, high_pu >= p["ov2_pu"][i] - EPS, p["ov2_s"][i], dt_s):
        reason = OV2
    return reason


@kernel
def may_enter(p, i, low_pu, high_pu, f_hz):  # type: ignore[no-untyped-def]
    """Tell whether voltage and frequency are inside the enter-service window."""
    is_voltage = low_pu >= p["es_v_min_pu"][i] - EPS and high_pu <= p["es_v_max_pu"][i] + EPS
    return is_voltage and f_hz >= p["es_f_min_hz"][i] - EPS and f_hz <= p["es_f_max_hz"][i] + EPS
