"""Current of a grid-following inverter: power shared equally by its phases, limited per phase.

    I_k = conj(S / n / V_k),   |I_k| <= i_max S_rated / (n V_base)

V_k is the voltage of the last step (the phase-locked loop lags by one step). The limit keeps
the angle, so a fault sees a current of the pre-fault power factor. Below 1 % of nominal voltage
there is no angle to lock to and no current.
"""

from __future__ import annotations

import math

from rtcore.jit import kernel
from rtcore.plant.ieee1547 import TINY

V_LOCK_PU = 0.01
"""Voltage that the phase-locked loop needs [pu]."""
V_ABSURD_PU = 10.0
"""A voltage beyond this is no voltage [pu]."""


@kernel
def terminal_voltages(p, v, at, back, v_pu):  # type: ignore[no-untyped-def]
    """Voltage magnitude of every phase [pu of ``v_base_v``], -1 where there is no phase.

    Parameters
    ----------
    v : complex128[n_nodes + 1]
        Node voltages to ground [V], ground last.
    at, back : int32[n, 3]
        Nodes of the two ends of each phase; ``at`` -1 where there is none.
    v_pu : float64[n, 3]
        Filled.
    """
    for i in range(at.shape[0]):
        for k in range(3):
            v_pu[i, k] = -1.0
            if at[i, k] >= 0:
                u = v[at[i, k]] - v[back[i, k]]
                v_pu[i, k] = math.sqrt(u.real * u.real + u.imag * u.imag) / p["v_base_v"][i]


@kernel
def inject_row(p, s, i, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Turn ``p_cmd_w`` and ``q_cmd_var`` of row ``i`` into its phase currents ``inj[i]`` [A]."""
    n = 0
    for k in range(3):
        n += at[i, k] >= 0
    part = 1.0 / max(n, 1)
    wanted = complex(s["p_cmd_w"][i] * part, -s["q_cmd_var"][i] * part)
    base_v = p["v_base_v"][i]
    limit_a = p["i_max_pu"][i] * p["s_rated_va"][i] * part / base_v
    for k in range(3):
        inj[i, k] = 0.0
        if at[i, k] < 0:
            continue
        u = v[at[i, k]] - v[back[i, k]]
        u2 = u.real * u.real + u.imag * u.imag
        if not (V_LOCK_PU * base_v) ** 2 <= u2 <= (V_ABSURD_PU * base_v) ** 2:  # or not a number
            continue
        u2 = max(u2, TINY)
        current = wanted * u
        i2 = (current.real * current.real + current.imag * current.imag) / (u2 * u2)
        gain = (1.0 if i2 <= limit_a * limit_a else limit_a / math.sqrt(max(i2, TINY))) / u2
        inj[i, k] = complex(current.real * gain, current.imag * gain)


@kernel
def measure_row(p, s, i, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Show power, current and power factor of row ``i`` at these voltages."""
    p_w, q_var, i2_max = 0.0, 0.0, 0.0
    for k in range(3):
        current = inj[i, k]
        if at[i, k] >= 0 and current != 0.0:  # without current no power, whatever the voltage is
            u = v[at[i, k]] - v[back[i, k]]
            p_w += u.real * current.real + u.imag * current.imag
            q_var += u.imag * current.real - u.real * current.imag
            i2_max = max(i2_max, current.real * current.real + current.imag * current.imag)
    s_va = math.sqrt(p_w * p_w + q_var * q_var)
    s["p_w"][i], s["q_var"][i], s["s_va"][i] = p_w, q_var, s_va
    s["pf"][i] = p_w / max(s_va, TINY) if s_va > 1e-6 * p["s_rated_va"][i] else 1.0
    s["i_a"][i] = math.sqrt(i2_max)
