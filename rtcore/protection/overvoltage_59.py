"""Overvoltage (ANSI 59, 59N): phase to neutral, phase to phase, positive sequence or residual (3 V0).

Picks up above ``pickup_pu``, drops out below it by the hysteresis (IEC 60255-127), in any or all phases.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT
from rtcore.protection.voltage_curves import OVER_CURVES, advance
from rtcore.protection.voltages import ANY, MODES, PHASES, VOLTAGES, span_pu

D_S = 0.035
"""Constant of the inverse curves, see ``voltage_curves``."""


@component(
    "overvoltage_59",
    attrs=(
        *ELEMENT,
        Attr("v_pu", "pu", "voltage that decides; 0 where it is not a number"),
        Attr("timer_s", "s", "definite time: time since the pickup"),
    ),
    settings=True,
)
class Overvoltage59:
    """Overvoltage element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    quantity: float = param(default="phase_neutral", unit="", doc="voltage it looks at", choices=VOLTAGES)
    phases: float = param(default="abc", unit="", doc="phases that have a VT", choices=PHASES)
    mode: float = param(default="any", unit="", doc="phases that must be high", choices=MODES)
    pickup_pu: float = param(
        default=1.1, unit="pu", doc="pickup; 3 V0 over the line-to-neutral base", ge=0.02, le=4
    )
    hysteresis_pct: float = param(default=2.0, unit="%", doc="dropout below the pickup by", ge=0, le=10)
    curve: float = param(default="definite", unit="", doc="time characteristic", choices=OVER_CURVES)
    delay_s: float = param(default=1.0, unit="s", doc="definite time", ge=0, le=3600)
    k: float = param(default=1.0, unit="", doc="inverse: time multiplier", ge=0.05, le=15)
    saturation_pct: float = param(
        default=2.0, unit="%", doc="inverse: flat within this of the pickup", ge=1.6, le=10
    )
    minimum_s: float = param(
        default=0.03,
        unit="s",
        doc="the operating time is at least",
        source="ABB REF615 manual: voltage elements start in 23 to 31 ms",
        ge=0,
        le=60,
    )


@kernel
def step(p, s, of, v, v_seq, v_base_v, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    v, v_seq : complex128[n_relays, 3]
        Phase voltages to ground and their zero, positive, negative sequence [V].
    v_base_v : float64[n_relays]
        Line-to-neutral base [V].
    is_permitted : float64[n]
        0 blocks an element: it drops out.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        q, t = p[e], s[e]
        is_served = q["is_enabled"] != 0.0 and is_permitted[e] != 0.0
        low, high = span_pu(q["quantity"], q["phases"], v, v_seq, v_base_v, of[e])
        now = high if q["mode"] == ANY else low
        pickup, level = q["pickup_pu"], q["pickup_pu"]
        if t["is_pickup"] != 0.0:
            level *= 1.0 - 0.01 * q["hysteresis_pct"]
        before, t["v_pu"] = t["v_pu"], now if now >= 0.0 else 0.0
        is_beyond = is_served and now > level
        x_before, x = (before - pickup) / pickup, (now - pickup) / pickup
        advance(p, s, e, is_served, is_beyond, x_before, x, D_S, change_ago_s, dt_s)
