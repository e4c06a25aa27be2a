"""Stage 2: weather and what every load asks for at this step.

Kernels of the stages take the groups of arrays they need, never the whole world: every kernel
that does costs seconds of compiling.
"""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.plant import hvac, load_dynamics, weather

_factors, _hvac_step, _weather_step = load_dynamics.factors, hvac.step, weather.step

SLOW_S = 0.1
"""Rooms and transformers are advanced about this often [s of simulated time]."""


@kernel
def interval(rows, start_ns, step_ns, wraps, now_ns):  # type: ignore[no-untyped-def]
    """Return (row, next row, fraction between them) of a moment; the ends are held or wrap."""
    since = now_ns - start_ns
    row = since // step_ns
    fraction = (since % step_ns) / step_ns
    if wraps:
        return row % rows, (row + 1) % rows, fraction
    return min(max(row, 0), rows - 1), min(max(row + 1, 0), rows - 1), fraction


@kernel
def every(dt_s):  # type: ignore[no-untyped-def]
    """Number of steps between two updates of something slow."""
    return max(1, round(SLOW_S / dt_s))


@kernel
def move_weather(a, sim_ns, t_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance the weather (``a``: WeatherArrays) to this step."""
    rows = a.ambient_degc.shape[0]
    row, next_row, fraction = interval(rows, a.times[0], a.times[1], a.times[2], sim_ns)
    _weather_step(a.p, a.s, a.poa_w_m2, a.ambient_degc, row, next_row, fraction, t_s, dt_s)


@kernel
def move_loads(d, owner, emf, dt_s):  # type: ignore[no-untyped-def]
    """Frequency dependence and cold-load pickup where the settings ask for it; ``d``: DemandParts."""
    f_hz, is_live, k_p, k_q = d.dynamics_k[0], d.dynamics_k[1], d.dynamics_k[2], d.dynamics_k[3]
    for i in range(f_hz.shape[0]):
        k = owner[d.dynamics_node[i]]
        is_live[i] = 1.0 if k >= 0 else 0.0
        f_hz[i] = emf.f_hz[k] if k >= 0 else emf.f0_hz
    _factors(d.dynamics_p, d.dynamics, f_hz, emf.f0_hz, is_live, dt_s, k_p, k_q)
    for i in range(f_hz.shape[0]):
        d.now[0, d.dynamics_load[i]], d.now[1, d.dynamics_load[i]] = k_p[i], k_q[i]


@kernel
def move_rooms(d, live, ambient_degc, step, dt_s):  # type: ignore[no-untyped-def]
    """Thermostatic groups, added to the demand of their loads."""
    n = every(dt_s)
    if step % n != 0 or d.hvac_load.shape[0] == 0:
        return
    for i in range(d.hvac_load.shape[0]):
        d.hvac_live[i] = 1.0 if live[d.hvac_node[i]] else 0.0
    _hvac_step(d.hvac_p, d.hvac, d.hvac_rooms, ambient_degc, d.hvac_live, n * dt_s)
    for i in range(d.hvac_load.shape[0]):
        d.now[2, d.hvac_load[i]] = d.hvac["p_w"][i]
        d.now[3, d.hvac_load[i]] = d.hvac["q_var"][i]
