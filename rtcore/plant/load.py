"""Service loads: demand from the profile with a sub-hourly ripple, and what a meter sees.

Demand is linear between profile samples, each valid at the start of its interval. The ripple
is a first-order autoregressive process per load (Ornstein-Uhlenbeck sampled at the step):
stationary standard deviation ``ripple_pu`` of the demand, correlation exp(-dt/tau).
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import fast_kernel, kernel
from rtcore.network.load_law import branch_current
from rtcore.noise import normal

V1, P1, Q1 = 0, 3, 6
"""First columns of voltage, active and reactive power per branch."""


@component(
    "load",
    attrs=(
        *(Attr(f"v{k}_v", "V", f"voltage of branch {k}") for k in (1, 2, 3)),
        *(Attr(f"p{k}_w", "W", f"active power drawn by branch {k}") for k in (1, 2, 3)),
        *(Attr(f"q{k}_var", "var", f"reactive power drawn by branch {k}") for k in (1, 2, 3)),
        Attr("demand_w", "W", "active power asked for at nominal voltage"),
        Attr("demand_var", "var", "reactive power asked for at nominal voltage"),
        Attr("ripple_pu", "pu", "present ripple, relative to the profile"),
    ),
)
class Load:
    """One metered service."""

    ripple_pu: float = param(default=0.02, unit="pu", doc="standard deviation of the ripple", ge=0, le=0.3)
    ripple_tau_s: float = param(default=60.0, unit="s", doc="correlation time of the ripple", gt=0)


@component(
    "loads",
    attrs=(
        Attr("scale_sp", "pu", "factor on every load", writable="setpoint"),
        Attr("p_w", "W", "active power drawn by all loads"),
        Attr("q_var", "var", "reactive power drawn by all loads"),
    ),
)
class Loads:
    """All loads together."""

    scale: float = param(default=1.0, unit="pu", doc="initial factor", ge=0, le=5)


@kernel
def demand(p, s, totals, profile_p, profile_q, row, next_row, fraction, noise, key, dt_s, loads, parts):  # type: ignore[no-untyped-def]
    """Set the demand of every load and of its branches for this step.

    Parameters
    ----------
    profile_p, profile_q : float64[n_t, n_loads]
        Profile [W], [var]; rows ``row`` and ``next_row`` are mixed by ``fraction``.
    noise, key : float64[], uint64
        Quantile table and the key of this step's ripple.
    loads : Loads
        Load branches of the network; ``s`` is written.
    parts : float64[4, n_loads]
        Factors on P and Q and additions to them [W], [var], from other components.
    """
    scale = totals["scale_sp"][0]
    k_p, k_q, extra_w, extra_var = parts[0], parts[1], parts[2], parts[3]
    sigma, tau_s = p["ripple_pu"], p["ripple_tau_s"]  # views, taken once: cheap inside the loops
    ripple, demand_w, demand_var = s["ripple_pu"], s["demand_w"], s["demand_var"]
    for i in range(ripple.shape[0]):
        if sigma[i] > 0.0:
            keep = math.exp(-dt_s / tau_s[i])
            fresh = sigma[i] * math.sqrt(1.0 - keep * keep)
            ripple[i] = keep * ripple[i] + fresh * normal(noise, key, i)
        k = scale * (1.0 + ripple[i])
        p_now = profile_p[row, i] + fraction * (profile_p[next_row, i] - profile_p[row, i])
        q_now = profile_q[row, i] + fraction * (profile_q[next_row, i] - profile_q[row, i])
        demand_w[i] = k * k_p[i] * p_now + extra_w[i]
        demand_var[i] = k * k_q[i] * q_now + extra_var[i]
    load, share, branch_s = loads.load, loads.share, loads.s
    for b in range(load.shape[0]):
        branch_s[b] = complex(demand_w[load[b]], demand_var[load[b]]) * share[b]


@fast_kernel
def measure(g, branch, columns, totals):  # type: ignore[no-untyped-def]
    """Voltage and power of every branch at the solved state.

    ``branch``: int32[n_branches], number of the branch within its load (0..2);
    ``columns``: float64[n_loads, n_attrs], the loads' state rows.
    """
    ld, volts = g.loads, g.v
    load, load_a, load_b, s, vb, model = ld.load, ld.a, ld.b, ld.s, ld.vb, ld.model
    v_low, v_min, v_max, z = ld.v_low, ld.v_min, ld.v_max, ld.z
    p_all, q_all = 0.0, 0.0
    for b in range(load.shape[0]):
        v = volts[load_a[b]] - volts[load_b[b]]
        i = branch_current(b, v, s, vb, model, v_low, v_min, v_max, z)
        power = v * i.conjugate()
        row, k = load[b], branch[b]
        columns[row, V1 + k] = math.sqrt(v.real * v.real + v.imag * v.imag)
        columns[row, P1 + k] = power.real
        columns[row, Q1 + k] = power.imag
        p_all += power.real
        q_all += power.imag
    totals["p_w"][0] = p_all
    totals["q_var"][0] = q_all
