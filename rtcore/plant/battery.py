"""Battery storage: energy with its losses, grid-following power, grid-forming droop.

Energy (P at the terminals, positive when discharging):

    E = E0 + eta_c * charged - discharged / eta_d - standby

The three sums are kept with compensated addition, so the books close to rounding at any step
and the energy is what the sums say. The battery's own supply draws ``standby_w`` from the cells.

Grid-forming (K. De Brabandere et al., IEEE Trans. Power Electronics 22, 2007, 1107-1115):

    f = f_ref + shift(SoC) - f0 mp (P - P0)/S,   E = v_ref - nq (Q - Q0)/S

with P, Q behind a first-order low-pass. E stands behind the virtual impedance r + jx, which is
part of the network. Low-pass and angle are exact for constant P over the step, so that with
steps longer than the low-pass frequency follows the droop at once. ``shift`` raises frequency
from ``soc_high_pct`` to ``soc_max_pct`` (photovoltaic sites curtail by their frequency-droop)
and lowers it from ``soc_low_pct`` to ``soc_min_pct`` (frequency relays shed load).

Forming starts without a bump: E and its angle take the value behind the impedance that carries
the power of that moment, and what E and f differ from the droop decays with ``settle_s``. A bus
that went dead less than ``hold_s`` ago is picked up with its last voltage, turned on at its last
frequency; on one dead for longer the voltage rises over ``blackstart_s``.

``soc_min_pct`` and ``soc_max_pct`` bind when following. A forming battery carries what the
island asks; beyond empty or full cells it is cut out.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, in_order, param
from rtcore.jit import kernel
from rtcore.phasor import size
from rtcore.plant import ieee1547 as std
from rtcore.plant.inverter_current import V_ABSURD_PU, inject_row, measure_row

OFF, FOLLOWING, FORMING = 0.0, 1.0, 2.0
"""Modes."""

TWO_PI = 2.0 * math.pi
V_DEAD_PU = 0.1
"""Below this local voltage forming is a black start [pu]."""

_between, _follow, _share, _within, _droop = std.between, std.follow, std.share, std.within, std.droop


@component(
    "battery",
    attrs=(
        Attr("p_w", "W", "active power delivered; charging is negative"),
        Attr("q_var", "var", "reactive power delivered"),
        Attr("s_va", "VA", "apparent power"),
        Attr("pf", "", "power factor"),
        Attr("i_a", "A", "largest phase current"),
        Attr("f_hz", "Hz", "frequency: measured when following, own when forming"),
        Attr("v_pu", "pu", "terminal voltage"),
        Attr("soc_pct", "%", "state of charge"),
        Attr("e_wh", "Wh", "energy in the cells"),
        Attr("charged_wh", "Wh", "energy taken at the terminals"),
        Attr("discharged_wh", "Wh", "energy given at the terminals"),
        Attr("standby_wh", "Wh", "energy drawn by the own supply"),
        Attr("losses_wh", "Wh", "energy lost: conversion and own supply"),
        Attr("p_charge_max_w", "W", "charging power possible now"),
        Attr("p_discharge_max_w", "W", "discharging power possible now"),
        Attr("is_empty", "", "1 at or below soc_min_pct"),
        Attr("is_full", "", "1 at or above soc_max_pct"),
        Attr("is_cut_out", "", "1 when cells beyond empty or full ended forming"),
        Attr("is_limited", "", "1 while the current limit lowers the EMF"),
        Attr("mode", "", "0 off, 1 grid-following, 2 grid-forming"),
        Attr("rating_va", "VA", "rated apparent power"),
        Attr("is_enabled_sp", "", "in service: 1 yes, 0 switched off", writable="setpoint"),
        Attr("p_w_sp", "W", "active power setpoint when following", writable="setpoint"),
        Attr("q_var_sp", "var", "reactive power setpoint when following", writable="setpoint"),
        Attr("freq_watt_sp", "", "frequency-droop when following: 1 on", writable="setpoint"),
        Attr("f_hz_sp", "Hz", "frequency reference when forming", writable="setpoint"),
        Attr("v_pu_sp", "pu", "voltage reference when forming", writable="setpoint"),
        Attr("e_pu", "pu", "EMF behind the virtual impedance"),
        Attr("theta_rad", "rad", "angle of the EMF against the nominal frame, -pi to pi"),
        Attr("p0_w", "W", "active power at f_hz_sp"),
        Attr("q0_var", "var", "reactive power at v_pu_sp"),
        Attr("k_sync_pu", "pu", "dP/d(angle) [pu/rad] against other EMFs of the island; 0 alone"),
        Attr("p_filtered_w", "W", "active power behind the low-pass"),
        Attr("q_filtered_var", "var", "reactive power behind the low-pass"),
        Attr("f_offset_hz", "Hz", "what frequency still differs from the droop"),
        Attr("e_offset_pu", "pu", "what the EMF still differs from the droop"),
        Attr("rise_pu", "pu", "part of the voltage that a black start has reached"),
        Attr("limit_pu", "pu", "factor of the current limit on the EMF"),
        Attr("p_ref_w", "W", "ramped active power reference"),
        Attr("q_ref_var", "var", "ramped reactive power reference"),
        Attr("fw_pu", "pu", "frequency-droop after its response time"),
        Attr("p_cmd_w", "W", "active power asked of the inverter"),
        Attr("q_cmd_var", "var", "reactive power asked of the inverter"),
        Attr("mode_before", "", "mode of the last step"),
        Attr("dead_s", "s", "time since the terminals were last alive"),
        Attr("held_re_pu", "pu", "last local voltage, real part"),
        Attr("held_im_pu", "pu", "last local voltage, imaginary part"),
        Attr("held_hz", "Hz", "last local frequency"),
        Attr("e_start_wh", "Wh", "energy as the sums began"),
        Attr("charged_rest_wh", "Wh", "rounding not yet in charged_wh"),
        Attr("discharged_rest_wh", "Wh", "rounding not yet in discharged_wh"),
        Attr("standby_rest_wh", "Wh", "rounding not yet in standby_wh"),
    ),
    rules=in_order("soc_min_pct", "soc_low_pct", "soc_high_pct", "soc_max_pct"),
)
class Battery:
    """One storage unit with its inverter."""

    s_rated_va: float = param(unit="VA", doc="rated apparent power", gt=0, le=1e9)
    v_base_v: float = param(unit="V", doc="nominal voltage between the two ends of a phase", gt=0, le=1e6)
    e_rated_wh: float = param(unit="Wh", doc="energy between empty and full", gt=0, le=1e10)
    f_nominal_hz: float = param(default=60.0, unit="Hz", doc="nominal frequency", ge=45, le=65)
    charge_max_per_h: float = param(default=0.5, unit="1/h", doc="C-rate of charging", gt=0, le=20)
    discharge_max_per_h: float = param(default=0.5, unit="1/h", doc="C-rate of discharging", gt=0, le=20)
    eta_charge: float = param(default=0.95, unit="", doc="efficiency of charging", ge=0.5, le=1)
    eta_discharge: float = param(default=0.95, unit="", doc="efficiency of discharging", ge=0.5, le=1)
    standby_w: float = param(default=0.0, unit="W", doc="own supply from the cells", ge=0, le=1e6)
    soc_init_pct: float = param(default=50.0, unit="%", doc="state of charge at the start", ge=0, le=100)
    soc_min_pct: float = param(default=10.0, unit="%", doc="lowest operating state of charge", ge=0, le=45)
    soc_max_pct: float = param(default=95.0, unit="%", doc="highest operating state of charge", ge=55, le=100)
    reserve_pct: float = param(default=20.0, unit="%", doc="kept for islands when following", ge=0, le=100)
    soc_low_pct: float = param(default=25.0, unit="%", doc="frequency is lowered below", ge=0, le=50)
    soc_high_pct: float = param(default=90.0, unit="%", doc="frequency is raised above", ge=50, le=100)
    f_shift_low_hz: float = param(default=0.5, unit="Hz", doc="lowering at soc_min_pct", ge=0, le=3)
    f_shift_high_hz: float = param(default=1.0, unit="Hz", doc="raising at soc_max_pct", ge=0, le=3)
    i_max_pu: float = param(default=1.2, unit="pu", doc="largest phase current", ge=1, le=2)
    ramp_pu_per_s: float = param(default=0.2, unit="pu/s", doc="ramp of the setpoints", gt=0, le=1000)
    priority: float = param(
        default=0.0,
        unit="",
        doc="what the apparent-power limit spares",
        choices={"active": 0.0, "reactive": 1.0},
    )
    mode: float = param(
        default=1.0,
        unit="",
        doc="mode at the start",
        choices={"off": 0.0, "following": 1.0, "forming": 2.0},
    )
    freq_watt: float = param(
        default=0.0, unit="", doc="frequency-droop at the start", choices={"off": 0.0, "on": 1.0}
    )
    fw_deadband_hz: float = param(default=0.036, unit="Hz", doc="droop deadband", ge=0, le=1)
    fw_k: float = param(default=0.05, unit="", doc="droop when following", ge=0.005, le=0.1)
    fw_olrt_s: float = param(default=0.5, unit="s", doc="droop response time", ge=0, le=10)
    mp_pu: float = param(default=0.01, unit="pu", doc="frequency droop at rated power", ge=0, le=0.05)
    nq_pu: float = param(default=0.03, unit="pu", doc="voltage droop at rated power", ge=0, le=0.1)
    filter_rad_s: float = param(default=20.0, unit="rad/s", doc="low-pass of powers", ge=1, le=200)
    r_pu: float = param(default=0.0, unit="pu", doc="virtual resistance, as in the network", ge=0, le=0.2)
    x_pu: float = param(default=0.1, unit="pu", doc="virtual reactance, as in the network", ge=0.01, le=0.5)
    settle_s: float = param(default=0.2, unit="s", doc="decay of a bump on forming", ge=0, le=10)
    hold_s: float = param(default=0.2, unit="s", doc="dead time bridged with the last voltage", ge=0, le=2)
    blackstart_s: float = param(default=2.0, unit="s", doc="rise of voltage from dead", ge=0, le=60)


@kernel
def init(p, s):  # type: ignore[no-untyped-def]
    """Set energy, mode and setpoints from the parameters; books at zero."""
    for i in range(s.shape[0]):
        s["rating_va"][i] = p["s_rated_va"][i]
        s["is_enabled_sp"][i] = 0.0 if p["mode"][i] == OFF else 1.0
        s["mode"][i] = s["mode_before"][i] = p["mode"][i]
        if p["mode"][i] == FORMING:
            s["mode_before"][i] = OFF
        s["freq_watt_sp"][i] = p["freq_watt"][i]
        s["f_hz_sp"][i], s["v_pu_sp"][i] = p["f_nominal_hz"][i], 1.0
        s["rise_pu"][i] = s["limit_pu"][i] = s["pf"][i] = 1.0
        s["dead_s"][i] = 1e9
        set_soc(p, s, i, p["soc_init_pct"][i])


@kernel
def set_soc(p, s, i, soc_pct):  # type: ignore[no-untyped-def]
    """Put battery ``i`` at a state of charge and begin its books anew."""
    s["charged_wh"][i] = s["discharged_wh"][i] = s["standby_wh"][i] = 0.0
    s["charged_rest_wh"][i] = s["discharged_rest_wh"][i] = s["standby_rest_wh"][i] = 0.0
    s["e_start_wh"][i] = p["e_rated_wh"][i] * _within(soc_pct, 0.0, 100.0, 0.0) / 100.0
    _book(p, s, i, 0.0, 0.0)


@kernel
def _add(total, rest, i, x):  # type: ignore[no-untyped-def]
    """Compensated sum (W. Kahan, Comm. ACM 8, 1965, 40)."""
    y = x - rest[i]
    new = total[i] + y
    rest[i] = (new - total[i]) - y
    total[i] = new


@kernel
def _book(p, s, i, p_w, dt_s):  # type: ignore[no-untyped-def]
    """Book one step at power ``p_w`` and say what the energy is now."""
    hours = dt_s / 3600.0
    absurd = 1e3 * p["s_rated_va"][i]
    if 0.0 < p_w < absurd:
        _add(s["discharged_wh"], s["discharged_rest_wh"], i, p_w * hours)
    elif -absurd < p_w < 0.0:
        _add(s["charged_wh"], s["charged_rest_wh"], i, -p_w * hours)
    if p["standby_w"][i] > 0.0 and s["e_wh"][i] > 0.0:
        _add(s["standby_wh"], s["standby_rest_wh"], i, min(p["standby_w"][i] * hours, s["e_wh"][i]))
    taken, given, own = s["charged_wh"][i], s["discharged_wh"][i], s["standby_wh"][i]
    eta_c, eta_d = p["eta_charge"][i], p["eta_discharge"][i]
    s["e_wh"][i] = s["e_start_wh"][i] + eta_c * taken - given / eta_d - own
    s["losses_wh"][i] = (1.0 - eta_c) * taken + (1.0 / eta_d - 1.0) * given + own
    s["soc_pct"][i] = 100.0 * s["e_wh"][i] / p["e_rated_wh"][i]
    s["is_empty"][i] = 1.0 if s["soc_pct"][i] <= p["soc_min_pct"][i] + 1e-6 else 0.0
    s["is_full"][i] = 1.0 if s["soc_pct"][i] >= p["soc_max_pct"][i] - 1e-6 else 0.0


@kernel
def _possible(p, s, i, dt_s):  # type: ignore[no-untyped-def]
    """Powers that rating, C-rate and the energy within one step allow when following."""
    rated, e_rated, hours = p["s_rated_va"][i], p["e_rated_wh"][i], dt_s / 3600.0
    floor = max(p["soc_min_pct"][i], p["reserve_pct"][i]) * 0.01 * e_rated
    above = max(s["e_wh"][i] - floor, 0.0) * p["eta_discharge"][i] / hours
    below = max(p["soc_max_pct"][i] * 0.01 * e_rated - s["e_wh"][i], 0.0) / (p["eta_charge"][i] * hours)
    s["p_discharge_max_w"][i] = min(rated, p["discharge_max_per_h"][i] * e_rated, above)
    s["p_charge_max_w"][i] = min(rated, p["charge_max_per_h"][i] * e_rated, below)


@kernel
def _toward(x, target, most):  # type: ignore[no-untyped-def]
    return min(max(target, x - most), x + most)


@kernel
def _command(p, s, i, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Ramped and limited powers of a following battery."""
    rated = p["s_rated_va"][i]
    most, least = s["p_discharge_max_w"][i], -s["p_charge_max_w"][i]
    ramp_w = p["ramp_pu_per_s"][i] * rated * dt_s
    wanted_w = _within(s["p_w_sp"][i], -rated, rated, s["p_ref_w"][i])
    wanted_var = _within(s["q_var_sp"][i], -rated, rated, s["q_ref_var"][i])
    s["p_ref_w"][i] = min(max(_toward(s["p_ref_w"][i], wanted_w, ramp_w), least), most)
    s["q_ref_var"][i] = _toward(s["q_ref_var"][i], wanted_var, ramp_w)
    beyond = 0.0
    if s["freq_watt_sp"][i] != 0.0:
        beyond = _droop(f_hz, p["f_nominal_hz"][i], p["fw_deadband_hz"][i], p["fw_k"][i])
    s["fw_pu"][i] = _follow(s["fw_pu"][i], beyond, _share(dt_s, p["fw_olrt_s"][i] / std.LN10))
    p_w = min(max(s["p_ref_w"][i] - s["fw_pu"][i] * rated, least), most)
    q_var = s["q_ref_var"][i]
    if p["priority"][i] != 0.0:
        room = math.sqrt(max(rated * rated - q_var * q_var, 0.0))
        p_w = min(max(p_w, -room), room)
    else:
        room = math.sqrt(max(rated * rated - p_w * p_w, 0.0))
        q_var = min(max(q_var, -room), room)
    s["p_cmd_w"][i], s["q_cmd_var"][i] = p_w, q_var


@kernel
def _look(p, s, i, v_pu, f_hz, live, dt_s):  # type: ignore[no-untyped-def]
    """Show local voltage and frequency, and keep the last ones of a live bus."""
    v = _within(size(v_pu), 0.0, V_ABSURD_PU, 0.0) if live else 0.0
    s["v_pu"][i] = v
    s["f_hz"][i] = _within(f_hz, 0.0, 1000.0, p["f_nominal_hz"][i]) if live else 0.0
    if V_DEAD_PU <= v < V_ABSURD_PU:
        s["dead_s"][i] = 0.0
        s["held_re_pu"][i], s["held_im_pu"][i], s["held_hz"][i] = v_pu.real, v_pu.imag, s["f_hz"][i]
    else:
        s["dead_s"][i] += dt_s


@kernel
def step_following(p, s, v_pu, f_hz, is_live, dt_s):  # type: ignore[no-untyped-def]
    """Advance every battery that is off or grid-following; the forming ones are left alone.

    Parameters
    ----------
    v_pu : complex128[n]
        Local (positive-sequence) voltage of the last solution [pu].
    f_hz : float64[n]
        Frequency at the terminals.
    is_live : [n]
        Not 0 when a source feeds the terminals.
    """
    for i in range(s.shape[0]):
        if s["mode"][i] == FORMING:
            continue
        _book(p, s, i, s["p_w"][i], dt_s)
        _possible(p, s, i, dt_s)
        if s["mode_before"][i] == FORMING:  # go on with the power of that moment
            s["p_ref_w"][i] = _within(s["p_w"][i], -1e12, 1e12, 0.0)
            s["q_ref_var"][i] = _within(s["q_var"][i], -1e12, 1e12, 0.0)
            s["fw_pu"][i] = 0.0
        s["mode_before"][i] = s["mode"][i]
        s["is_limited"][i] = s["e_pu"][i] = 0.0
        live = is_live[i] != 0
        _look(p, s, i, v_pu[i], f_hz[i], live, dt_s)
        if s["mode"][i] != FOLLOWING or not live:
            s["p_ref_w"][i] = s["q_ref_var"][i] = s["p_cmd_w"][i] = s["q_cmd_var"][i] = s["fw_pu"][i] = 0.0
            if s["mode"][i] != FOLLOWING:
                s["p_w"][i] = s["q_var"][i] = 0.0
            continue
        s["is_cut_out"][i] = 0.0
        _command(p, s, i, s["f_hz"][i], dt_s)


@kernel
def inject(p, s, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Phase currents of following batteries at the last voltages; none for the others.

    Arguments as of ``pv_inverter.inject``. Powers of a forming battery are left as measured.
    """
    for i in range(s.shape[0]):
        if s["mode"][i] == FORMING:
            inj[i, :] = 0.0
            continue
        inject_row(p, s, i, v, at, back, inj)
        measure_row(p, s, i, v, at, back, inj)


@kernel
def measure(p, s, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Show power and current of following batteries at the solved voltages."""
    for i in range(s.shape[0]):
        if s["mode"][i] != FORMING:
            measure_row(p, s, i, v, at, back, inj)


@kernel
def soc_shift_hz(p, s, i):  # type: ignore[no-untyped-def]
    """Frequency added by the state of charge: up when nearly full, down when nearly empty [Hz]."""
    soc = s["soc_pct"][i]
    up = _between(soc, p["soc_high_pct"][i], 0.0, p["soc_max_pct"][i], p["f_shift_high_hz"][i])
    down = _between(soc, p["soc_min_pct"][i], p["f_shift_low_hz"][i], p["soc_low_pct"][i], 0.0)
    return up - down


@kernel
def _f_droop_hz(p, s, i, p_w):  # type: ignore[no-untyped-def]
    f0 = p["f_nominal_hz"][i]
    f_ref = _within(s["f_hz_sp"][i], f0 - 5.0, f0 + 5.0, f0)
    less = p["mp_pu"][i] * f0 * (p_w - s["p0_w"][i]) / p["s_rated_va"][i]
    return f_ref + soc_shift_hz(p, s, i) - less


@kernel
def _e_droop_pu(p, s, i):  # type: ignore[no-untyped-def]
    less = p["nq_pu"][i] * (s["q_filtered_var"][i] - s["q0_var"][i]) / p["s_rated_va"][i]
    return _within(s["v_pu_sp"][i], 0.0, 1.2, 1.0) - less


@kernel
def _begin(p, s, i, v_pu, f_hz):  # type: ignore[no-untyped-def]
    """Start forming where the network is: the EMF that carries the present power, or a black start."""
    s["limit_pu"][i] = 1.0
    s["is_cut_out"][i] = 0.0
    v2 = v_pu.real * v_pu.real + v_pu.imag * v_pu.imag
    is_dead = not V_DEAD_PU * V_DEAD_PU <= v2 < V_ABSURD_PU * V_ABSURD_PU
    if is_dead and s["dead_s"][i] <= p["hold_s"][i] + std.EPS:
        f_hz = s["held_hz"][i]
        turn = TWO_PI * (f_hz - p["f_nominal_hz"][i]) * s["dead_s"][i]
        v_pu = complex(s["held_re_pu"][i], s["held_im_pu"][i]) * complex(math.cos(turn), math.sin(turn))
        v2 = v_pu.real * v_pu.real + v_pu.imag * v_pu.imag
    elif is_dead:
        s["theta_rad"][i] = s["rise_pu"][i] = s["f_offset_hz"][i] = s["e_offset_pu"][i] = 0.0
        s["p_filtered_w"][i] = s["q_filtered_var"][i] = 0.0
        return
    rated = p["s_rated_va"][i]
    p_w, q_var = _within(s["p_w"][i], -rated, rated, 0.0), _within(s["q_var"][i], -rated, rated, 0.0)
    current = complex(p_w, -q_var) / rated * v_pu / max(v2, std.TINY)
    e = v_pu + complex(p["r_pu"][i], p["x_pu"][i]) * current
    s["theta_rad"][i] = math.atan2(e.imag, e.real)
    s["p_filtered_w"][i], s["q_filtered_var"][i], s["rise_pu"][i] = p_w, q_var, 1.0
    s["e_offset_pu"][i] = size(e) - _e_droop_pu(p, s, i)
    off_hz = f_hz - _f_droop_hz(p, s, i, p_w)
    s["f_offset_hz"][i] = off_hz if abs(off_hz) < 5.0 else 0.0


@kernel
def _turn(p, s, i, p_meas_w, dt_s):  # type: ignore[no-untyped-def]
    """Advance the low-pass of P and the angle, both exact for constant P over the step."""
    wc, settle = p["filter_rad_s"][i], p["settle_s"][i]
    part = _share(dt_s, 1.0 / wc)
    away = p_meas_w - s["p_filtered_w"][i]
    mean_w = p_meas_w - away * part / (wc * dt_s)
    s["p_filtered_w"][i] = _follow(s["p_filtered_w"][i], p_meas_w, part)
    decay = _share(dt_s, settle)
    mean_hz = _f_droop_hz(p, s, i, mean_w) + s["f_offset_hz"][i] * decay * settle / dt_s
    s["f_offset_hz"][i] = _follow(s["f_offset_hz"][i], 0.0, decay)
    s["e_offset_pu"][i] = _follow(s["e_offset_pu"][i], 0.0, decay)
    s["f_hz"][i] = _f_droop_hz(p, s, i, s["p_filtered_w"][i]) + s["f_offset_hz"][i]
    # Against other EMFs P answers to the angle; a longer turn than this would overshoot the balance.
    stiff = p["mp_pu"][i] * TWO_PI * p["f_nominal_hz"][i] * s["k_sync_pu"][i]
    turn_s = min(dt_s, 1.0 / max(stiff, std.TINY))
    angle = s["theta_rad"][i] + TWO_PI * (mean_hz - p["f_nominal_hz"][i]) * turn_s
    s["theta_rad"][i] = angle - TWO_PI * math.floor((angle + math.pi) / TWO_PI)


@kernel
def _hold_current(p, s, i, i_pu):  # type: ignore[no-untyped-def]
    """Lower the EMF so that the largest phase current comes down to the limit.

    Into a fault current is proportional to the EMF, so one step does it. Recovery at most
    doubles the EMF per step.
    """
    now = _within(i_pu, 0.0, 1e6, 0.0)
    s["limit_pu"][i] *= min(p["i_max_pu"][i] / max(now, 1e-6), 2.0)
    s["limit_pu"][i] = min(max(s["limit_pu"][i], 0.01), 1.0)
    s["is_limited"][i] = 1.0 if s["limit_pu"][i] < 1.0 else 0.0


@kernel
def step_forming(p, s, v_pu, f_hz, p_meas_w, q_meas_var, i_max_pu, dt_s):  # type: ignore[no-untyped-def]
    """Advance every grid-forming battery: its EMF magnitude, angle and frequency.

    Parameters
    ----------
    v_pu : complex128[n]
        Local positive-sequence voltage of the last solution against the nominal frame [pu].
    f_hz : float64[n]
        Frequency at the terminals; used as forming begins.
    p_meas_w, q_meas_var : float64[n]
        Powers that the EMF delivered at the terminals in the last solution [W], [var].
    i_max_pu : float64[n]
        Largest phase current of the EMF in the last solution [pu of rated].
    """
    for i in range(s.shape[0]):
        if s["mode"][i] != FORMING:
            continue
        rated, is_new = p["s_rated_va"][i], s["mode_before"][i] != FORMING
        if not is_new:
            s["p_w"][i] = _within(p_meas_w[i], -20.0 * rated, 20.0 * rated, 0.0)
            s["q_var"][i] = _within(q_meas_var[i], -20.0 * rated, 20.0 * rated, 0.0)
        _book(p, s, i, s["p_w"][i], dt_s)
        _possible(p, s, i, dt_s)
        if is_new:
            _begin(p, s, i, v_pu[i], f_hz[i])
        else:
            _hold_current(p, s, i, i_max_pu[i])
        s["mode_before"][i] = FORMING
        _turn(p, s, i, s["p_w"][i], dt_s)
        # At most this part of the way per step: E acts on Q through x, a loop of gain nq / x.
        part = min(_share(dt_s, 1.0 / p["filter_rad_s"][i]), 1.0 / (1.0 + p["nq_pu"][i] / p["x_pu"][i]))
        s["q_filtered_var"][i] = _follow(s["q_filtered_var"][i], s["q_var"][i], part)
        if s["rise_pu"][i] < 1.0:
            s["rise_pu"][i] = min(s["rise_pu"][i] + dt_s / max(p["blackstart_s"][i], std.EPS), 1.0)
        e = min(max(_e_droop_pu(p, s, i) + s["e_offset_pu"][i], 0.0), 1.3)
        s["e_pu"][i] = e * s["rise_pu"][i] * s["limit_pu"][i]
        _show_forming(p, s, i, v_pu[i], i_max_pu[i])
        if (s["e_wh"][i] <= 0.0 and s["p_w"][i] > 0.0) or (s["soc_pct"][i] >= 100.0 and s["p_w"][i] < 0.0):
            s["mode"][i], s["is_cut_out"][i], s["e_pu"][i] = OFF, 1.0, 0.0


@kernel
def _show_forming(p, s, i, v_pu, i_pu):  # type: ignore[no-untyped-def]
    p_w, q_var = s["p_w"][i], s["q_var"][i]
    s_va = math.sqrt(p_w * p_w + q_var * q_var)
    s["s_va"][i] = s_va
    s["pf"][i] = p_w / max(s_va, std.TINY) if s_va > 1e-6 * p["s_rated_va"][i] else 1.0
    s["v_pu"][i] = _within(size(v_pu), 0.0, V_ABSURD_PU, 0.0)
    s["i_a"][i] = _within(i_pu, 0.0, 1e6, 0.0) * p["s_rated_va"][i] / (3.0 * p["v_base_v"][i])
    s["p_cmd_w"][i] = s["q_cmd_var"][i] = 0.0
