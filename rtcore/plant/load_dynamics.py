"""How the demand of a load answers to frequency and to an outage.

Frequency: P factor 1 + kpf (f - f0)/f0, Q factor 1 + kqf (f - f0)/f0 (IEEE Task Force on Load
Representation, IEEE Trans. Power Systems 8(2), 1993); a load that is dead has no frequency: factor 1.

Cold-load pickup (delayed exponential; Lang, Anderson and Fouad, IEEE Trans. PAS-101 (4), 1982)::

    S(t) = Su                              t <  tD after restoration
    S(t) = 1 + (Su - 1) exp(-alpha (t - tD))   t >= tD

The undiversified excess Su - 1 grows over the outage towards ``su_pu`` - 1 with ``outage_tau_s``
(default: half after 30 min, 98 % after 3 h). A second outage goes on from the excess that is left.
Every step is exact. Both effects are off by default; then, and at nominal frequency without an
outage, the factors are exactly 1.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel

DEVIATION_MAX_PU = 0.2  # of frequency: beyond it the linear factor means nothing
EXCESS_MIN_PU = 1e-9  # less is over


@component(
    "load_dynamics",
    attrs=(
        Attr("k_p_pu", "pu", "factor on the active power asked for"),
        Attr("k_q_pu", "pu", "factor on the reactive power asked for"),
        Attr("pickup_pu", "pu", "cold-load factor within both"),
        Attr("outage_s", "s", "duration of the present or last outage"),
        Attr("hold_s", "s", "time until the cold-load factor begins to fall"),
        Attr("excess_pu", "pu", "cold-load factor above 1"),
        Attr("is_dead", "", "1 while the load has no supply"),
    ),
)
class LoadDynamics:
    """Frequency dependence and cold-load pickup of one load."""

    kpf: float = param(default=0.0, unit="pu/pu", doc="active power per frequency", ge=-5, le=5)
    kqf: float = param(default=0.0, unit="pu/pu", doc="reactive power per frequency", ge=-10, le=10)
    su_pu: float = param(default=1.0, unit="pu", doc="cold-load factor after a long outage", ge=1, le=6)
    hold_time_s: float = param(
        default=900.0, unit="s", doc="restoration to the first fall of the factor", ge=0, le=14400
    )
    alpha_per_h: float = param(default=1.2, unit="1/h", doc="rate of the fall", gt=0, le=60)
    outage_tau_s: float = param(
        default=2600.0, unit="s", doc="outage after which 63 % of the excess is there", ge=1, le=86400
    )


@kernel
def init(s):  # type: ignore[no-untyped-def]
    """Set the state of loads that were never interrupted."""
    for i in range(s.shape[0]):
        s["k_p_pu"][i], s["k_q_pu"][i], s["pickup_pu"][i] = 1.0, 1.0, 1.0
        s["outage_s"][i], s["hold_s"][i], s["excess_pu"][i], s["is_dead"][i] = 0.0, 0.0, 0.0, 0.0


@kernel
def factors(p, s, f_hz, f0_hz, is_live, dt_s, k_p, k_q):  # type: ignore[no-untyped-def]
    """Advance every load by one step and write the factors on its demand.

    Parameters
    ----------
    f_hz : float64[n]
        Frequency at the load; not finite counts as nominal.
    f0_hz : float
        Nominal frequency.
    is_live : any number[n]
        0 where the load has no supply.
    k_p, k_q : float64[n]
        Written: factors on active and reactive power.
    """
    for i in range(s.shape[0]):
        is_dead = is_live[i] == 0
        _outage(p, s, i, is_dead, dt_s)
        s["pickup_pu"][i] = 1.0 + s["excess_pu"][i]
        df = (f_hz[i] - f0_hz) / f0_hz
        df = min(max(df, -DEVIATION_MAX_PU), DEVIATION_MAX_PU) if math.isfinite(df) and not is_dead else 0.0
        s["k_p_pu"][i] = s["pickup_pu"][i] * max(1.0 + p["kpf"][i] * df, 0.0)
        s["k_q_pu"][i] = s["pickup_pu"][i] * max(1.0 + p["kqf"][i] * df, 0.0)
        k_p[i], k_q[i] = s["k_p_pu"][i], s["k_q_pu"][i]


@kernel
def _outage(p, s, i, is_dead, dt_s):  # type: ignore[no-untyped-def]
    """Excess and its timers over one step without or with supply."""
    full = p["su_pu"][i] - 1.0
    if not 0.0 <= s["excess_pu"][i] <= full:  # also NaN
        s["excess_pu"][i] = 0.0
    if is_dead:
        s["outage_s"][i] = dt_s + (s["outage_s"][i] if s["is_dead"][i] > 0.0 else 0.0)
        s["is_dead"][i] = 1.0
        s["hold_s"][i] = p["hold_time_s"][i]
        if full > 0.0:
            s["excess_pu"][i] -= (full - s["excess_pu"][i]) * math.expm1(-dt_s / p["outage_tau_s"][i])
        return
    s["is_dead"][i] = 0.0
    fall_s = dt_s - s["hold_s"][i]
    s["hold_s"][i] = max(-fall_s, 0.0)
    if fall_s > 0.0 and s["excess_pu"][i] > 0.0:
        s["excess_pu"][i] *= math.exp(-p["alpha_per_h"][i] * fall_s / 3600.0)
        if s["excess_pu"][i] < EXCESS_MIN_PU:
            s["excess_pu"][i] = 0.0
