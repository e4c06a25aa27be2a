"""Stage 8: controls decide for the next step; temperatures and other slow states follow."""

from __future__ import annotations

import math

from rtcore.control import (
    capacitor_control,
    dispatch,
    load_shedding,
    power_factor_correction,
    tap_changer,
    tap_changer_inputs,
)
from rtcore.jit import kernel
from rtcore.network.powerflow import row_currents
from rtcore.plant import transformer_thermal
from rtcore.stages.demand import every

_sense, _tap_changer_step, _thermal_step = (
    tap_changer_inputs.sense,
    tap_changer.step,
    transformer_thermal.step,
)
_shed, _dispatch, _switch_banks, _correct = (
    load_shedding.step,
    dispatch.step,
    capacitor_control.step,
    power_factor_correction.step,
)


@kernel
def control_taps(t, regulator_p, regulator, v, unit, dt_s):  # type: ignore[no-untyped-def]
    """Voltage relays of the regulators (``t``: TapChangers)."""
    i = t.inputs
    _sense(t.p, v, unit, i)
    _tap_changer_step(
        t.p, t.s, regulator_p, regulator, i.v_local, i.v_distant, i.i_local, i.s_forward_w, dt_s
    )


@kernel
def warm_transformers(t, v, unit, ambient_degc, step, dt_s):  # type: ignore[no-untyped-def]
    """Advance the share of the transformers whose turn it is, each by the time since its last turn."""
    n = every(dt_s)
    count = t.rated_a.shape[0]
    turn = step % n
    begin, end = turn * count // n, (turn + 1) * count // n
    if begin == end:
        return
    row_currents(v, unit, t.rows, t.first[begin], t.first[end])
    for i in range(begin, end):
        t.k_pu[i] = _loading(t.rows.i_a, t.first[i], t.first[i + 1]) / t.rated_a[i]
    _thermal_step(t.p[begin:end], t.s[begin:end], t.k_pu[begin:end], ambient_degc, n * dt_s)


@kernel
def _loading(i_a, first, end):  # type: ignore[no-untyped-def]
    """Root-mean-square current of the phases [A]."""
    total = 0.0
    for r in range(first, end):
        total += i_a[r].real * i_a[r].real + i_a[r].imag * i_a[r].imag
    return math.sqrt(total / max(end - first, 1))


@kernel
def shed_load(c, breaker, check, dt_s):  # type: ignore[no-untyped-def]
    """Load shedding (``c``: Sheds); ``check``: synchronism checks, which measure at every breaker."""
    for i in range(c.s.shape[0]):
        c.v_pu[i] = check["v1_pu"][c.breaker_of[i]]
        c.f_hz[i] = check["f1_hz"][c.breaker_of[i]]
    _shed(c.p, c.s, c.breaker_of, breaker, c.v_pu, c.f_hz, dt_s)


@kernel
def dispatch_batteries(c, battery, source, dt_s):  # type: ignore[no-untyped-def]
    """Rules of the batteries (``c``: Dispatches); ``source``: rows of the upstream grid."""
    if c.s.shape[0] == 0:
        return
    import_w = 0.0
    for i in range(source.shape[0]):
        import_w += source["p_w"][i]
    _dispatch(c.p, c.s, c.battery_of, battery, import_w, dt_s)


@kernel
def control_banks(c, capacitor, source, emfs, v, base_v, local_s, dt_s):  # type: ignore[no-untyped-def]
    """Capacitor controls (``c``: BankControls): voltage at their bank, flows at the substation."""
    if c.s.shape[0] == 0:
        return
    v_pu, p_w, q_var, i_a = c.seen[0], c.seen[1], c.seen[2], c.seen[3]
    for i in range(c.s.shape[0]):
        v_pu[i] = abs(v[c.at[i]]) / base_v[c.at[i]]
        p_w[i], q_var[i], i_a[i] = source["p_w"][0], source["q_var"][0], emfs.i_a[0]
    g = c.groups
    _correct(g.p, g.s, c.p, c.s, g.members, capacitor, c.bank, v_pu, p_w, q_var, dt_s)
    _switch_banks(c.p, c.s, capacitor, c.bank, v_pu, p_w, q_var, i_a, local_s, dt_s)
