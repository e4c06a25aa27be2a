"""Synchronous machine: second-order swing equation, constant or exciter-driven EMF behind X'd.

    2 H dw/dt = Pm - Pe - D w          [pu of the machine's rating, w = speed deviation in pu]
    d(delta)/dt = w0 w                 [delta against a frame that turns at nominal frequency]
    Td0' dE'q/dt = Efd - E'q - (Xd - X'd) Id     (only with an exciter)

(P. Kundur, Power System Stability and Control, 1994, sections 3.9 and 12.3; P. W. Sauer and M. A.
Pai, Power System Dynamics and Stability, 1998, section 5.4.) The EMF is part of the network
solution, so that a breaker, load or fault changes Pe in its own step. Integration is
semi-implicit Euler: speed first, with the Pe of the last solution, then the angle with the new
speed. It is symplectic, where forward Euler feeds energy into the swing.

With steps longer than ``DYNAMIC_DT_S`` swings cannot be followed. The first EMF of an island
then keeps the energy balance in sub-steps, any other machine takes the angle that delivers its
mechanical power at once, and turns with the island. Out of step is a rotor angle beyond
``angle_max_deg`` against the island's first EMF.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.phasor import TWO_PI, wrap
from rtcore.plant import exciter, governor
from rtcore.plant.ieee1547 import within

DYNAMIC_DT_S = 0.0101
"""Longest step that follows swings: 10 ms, with a margin for rounding [s]."""

OFF, STARTING, SYNCHRONISING, RUNNING, TRIPPED = 0.0, 1.0, 2.0, 3.0, 4.0
"""States."""

NOT_TRIPPED, BY_OPERATOR, OUT_OF_STEP, UNDERSPEED, OVERSPEED, OVERCURRENT = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0
"""Causes of a trip."""

VOLTAGE_DEAD_PU = 0.1
"""Below this a bus counts as dead for synchronising [pu]."""

P_ABSURD_PU = 1e3

SETTLE = 0.5
"""Part of the way to its mechanical power that a machine goes per long step; machines that share an
island's load by their droops would swing for ever between its answer and theirs if it were 1."""


@component(
    "generator",
    attrs=(
        Attr("p_w", "W", "active power delivered"),
        Attr("q_var", "var", "reactive power delivered"),
        Attr("i_a", "A", "largest phase current"),
        Attr("v_pu", "pu", "positive-sequence terminal voltage"),
        Attr("f_hz", "Hz", "frequency of the rotor, electrical"),
        Attr("speed_pu", "pu", "rotor speed"),
        Attr("angle_deg", "deg", "rotor angle against the first EMF of its island"),
        Attr("p_mech_w", "W", "mechanical power"),
        Attr("e_pu", "pu", "EMF behind the transient reactance"),
        Attr("efd_pu", "pu", "field voltage"),
        Attr("p_w_sp", "W", "active power setpoint (load reference)", writable="setpoint"),
        Attr("v_pu_sp", "pu", "voltage setpoint", writable="setpoint"),
        Attr("f_hz_sp", "Hz", "speed reference of the governor", writable="setpoint"),
        Attr("start", "", "start command", writable="pulse"),
        Attr("stop", "", "stop command", writable="pulse"),
        Attr("state", "", "0 off, 1 starting, 2 synchronising, 3 running, 4 tripped"),
        Attr("is_running", "", "1 when connected and running"),
        Attr("is_tripped", "", "1 when tripped"),
        Attr("trip_cause", "", "0 none, 1 operator, 2 out of step, 3 underspeed, 4 overspeed, 5 overcurrent"),
        Attr("delta_rad", "rad", "rotor angle against the nominal frame, -pi to pi"),
        Attr("omega_pu", "pu", "speed deviation"),
        Attr("pm_pu", "pu", "mechanical power of the machine's rating"),
        Attr("pe_pu", "pu", "air-gap power of the machine's rating"),
        Attr("timer_s", "s", "time in the present state"),
        Attr("speed_out_s", "s", "time beyond the speed limits"),
        Attr("current_out_s", "s", "time beyond the current limit"),
    ),
)
class Generator:
    """One machine, or the equivalent machine of the upstream grid."""

    model: float = param(
        default=1.0,
        unit="",
        doc="what stands behind the reactance",
        choices={"infinite": 0.0, "machine": 1.0},
    )
    s_rated_va: float = param(default=100e6, unit="VA", doc="rating that pu values refer to", gt=0, le=1e12)
    h_s: float = param(default=5.0, unit="s", doc="inertia constant", gt=0, le=50)
    d_pu: float = param(default=1.0, unit="pu", doc="damping torque per speed deviation", ge=0, le=100)
    xd_pu: float = param(default=1.8, unit="pu", doc="synchronous reactance, with an exciter", gt=0, le=5)
    xd1_pu: float = param(default=0.3, unit="pu", doc="transient reactance, with an exciter", gt=0, le=2)
    td01_s: float = param(default=5.0, unit="s", doc="open-circuit transient time constant", gt=0, le=20)
    p_max_pu: float = param(default=1.0, unit="pu", doc="largest load reference", gt=0, le=1.5)
    start_time_s: float = param(default=10.0, unit="s", doc="start command to rated speed", ge=0, le=3600)
    ramp_pu_per_s: float = param(default=0.1, unit="pu/s", doc="loading rate after synchronising", gt=0)
    angle_max_deg: float = param(default=150.0, unit="deg", doc="out-of-step limit", gt=30, lt=180)
    f_min_pu: float = param(default=0.90, unit="pu", doc="underspeed trip", gt=0, lt=1)
    f_max_pu: float = param(default=1.10, unit="pu", doc="overspeed trip", gt=1, le=2)
    speed_trip_s: float = param(default=1.0, unit="s", doc="delay of speed trips", ge=0)
    i_max_pu: float = param(default=4.0, unit="pu", doc="overcurrent trip", gt=0)
    i_trip_s: float = param(default=3.0, unit="s", doc="delay of the overcurrent trip", ge=0)


@kernel
def swing(p, s, i, dt_s, f0_hz):  # type: ignore[no-untyped-def]
    """Advance speed and angle of machine ``i`` by one step with its present Pm and Pe."""
    surplus = s["pm_pu"][i] - s["pe_pu"][i] - p["d_pu"][i] * s["omega_pu"][i]
    s["omega_pu"][i] += dt_s * surplus / (2.0 * p["h_s"][i])
    s["delta_rad"][i] = wrap(s["delta_rad"][i] + dt_s * TWO_PI * f0_hz * s["omega_pu"][i])


@kernel
def flux(p, s, i, i1_pu, part):  # type: ignore[no-untyped-def]
    """Move E'q of machine ``i`` a part of its way; ``i1_pu``: current in the network's frame [pu]."""
    delta = s["delta_rad"][i]
    i_d = -(i1_pu * complex(math.cos(delta), -math.sin(delta))).imag
    target = s["efd_pu"][i] - (p["xd_pu"][i] - p["xd1_pu"][i]) * i_d
    if abs(target) < P_ABSURD_PU:  # leaves out what is not a number, too
        s["e_pu"][i] += (target - s["e_pu"][i]) * part


@kernel
def excite(p, s, i, exc_p, exc, v1, i1_pu, dt_s):  # type: ignore[no-untyped-def]
    """Exciter and field of machine ``i``; with long steps they walk to their common steady state."""
    v_error_pu = s["v_pu_sp"][i] - abs(v1)
    if dt_s <= DYNAMIC_DT_S:
        s["efd_pu"][i] = exciter.field_voltage(exc_p, exc, i, s["efd_pu"][i], v_error_pu, dt_s)
        flux(p, s, i, i1_pu, 1.0 - math.exp(-dt_s / p["td01_s"][i]))
        return
    s["efd_pu"][i] = exciter.steady_voltage(exc_p, exc, i, v_error_pu)
    # The voltage answers to E'q by at most 1, the demagnetising current by at most 1 / X'd.
    flux(p, s, i, i1_pu, 1.0 / (1.0 + exc_p["k"][i] + p["xd_pu"][i] / p["xd1_pu"][i]))


@kernel
def locked_angle(p_pu, e_pu, v1, x_pu):  # type: ignore[no-untyped-def]
    """Rotor angle that delivers ``p_pu`` through ``x_pu`` into the terminal voltage ``v1`` [rad]."""
    v = abs(v1)
    if v * e_pu <= 0.0:
        return 0.0
    sine = min(max(p_pu * x_pu / (e_pu * v), -0.95), 0.95)
    return wrap(math.atan2(v1.imag, v1.real) + math.asin(sine))


@kernel
def watch(p, s, i, i_pu, is_first, dt_s):  # type: ignore[no-untyped-def]
    """Own limits of a connected machine; returns the cause of a trip or NOT_TRIPPED."""
    if not is_first and abs(s["angle_deg"][i]) > p["angle_max_deg"][i]:
        return OUT_OF_STEP
    speed_pu = 1.0 + s["omega_pu"][i]
    slow, fast = speed_pu < p["f_min_pu"][i], speed_pu > p["f_max_pu"][i]
    s["speed_out_s"][i] = s["speed_out_s"][i] + dt_s if slow or fast else 0.0
    s["current_out_s"][i] = s["current_out_s"][i] + dt_s if i_pu > p["i_max_pu"][i] else 0.0
    if s["speed_out_s"][i] > p["speed_trip_s"][i]:
        return UNDERSPEED if slow else OVERSPEED
    return OVERCURRENT if s["current_out_s"][i] > p["i_trip_s"][i] else NOT_TRIPPED


@kernel
def _trip(s, i, unit, k_unit, cause):  # type: ignore[no-untyped-def]
    s["state"][i] = OFF if cause == BY_OPERATOR else TRIPPED
    s["trip_cause"][i] = cause
    s["timer_s"][i] = s["speed_out_s"][i] = s["current_out_s"][i] = 0.0
    s["pm_pu"][i] = s["pe_pu"][i] = 0.0
    unit[k_unit, 0] = 0.0


@kernel
def connect(p, s, i, gov_p, gov, exc_p, exc, v1, omega_pu):  # type: ignore[no-untyped-def]
    """Synchronise machine ``i`` without load onto a bus of voltage ``v1`` [pu] and speed.

    From there the exciter takes the voltage to its setpoint.
    """
    s["delta_rad"][i] = math.atan2(v1.imag, v1.real)
    s["e_pu"][i] = s["efd_pu"][i] = abs(v1)
    s["omega_pu"][i] = omega_pu
    s["pm_pu"][i] = s["pe_pu"][i] = 0.0
    governor.start(gov_p, gov, i, 0.0)
    exciter.start(exc_p, exc, i, s["efd_pu"][i], 0.0)
    s["state"][i] = RUNNING
    s["trip_cause"][i] = NOT_TRIPPED
    s["timer_s"][i] = s["speed_out_s"][i] = s["current_out_s"][i] = 0.0


@kernel
def _standstill(p, s, i, gov_p, gov, exc_p, exc, v1, omega_pu, unit, k_unit, dt_s):  # type: ignore[no-untyped-def]
    """A machine that is off, starting or synchronising; returns whether it was connected now."""
    state = s["state"][i]
    s["timer_s"][i] += dt_s
    if state in (OFF, TRIPPED):
        s["omega_pu"][i] += (-1.0 - s["omega_pu"][i]) * (1.0 - math.exp(-dt_s / 10.0))  # coasts down
        if s["start"][i] != 0.0 and s["stop"][i] == 0.0:
            s["state"][i], s["timer_s"][i] = STARTING, 0.0
    elif s["stop"][i] != 0.0:
        s["state"][i], s["timer_s"][i] = OFF, 0.0
    elif state == STARTING:
        left_s = p["start_time_s"][i] - s["timer_s"][i]
        s["omega_pu"][i] = min(0.0, -max(left_s, 0.0) / max(p["start_time_s"][i], 1e-9))
        if left_s <= 0.0:
            s["state"][i], s["timer_s"][i] = SYNCHRONISING, 0.0
    elif abs(v1) > VOLTAGE_DEAD_PU:
        connect(p, s, i, gov_p, gov, exc_p, exc, v1, omega_pu)
        unit[k_unit, 0] = 1.0
        return 1
    return 0


@kernel
def _references(p, s, i, gov_p, gov, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """Walk the load reference to its setpoint; returns the speed reference [pu deviation]."""
    wanted = within(s["p_w_sp"][i] / p["s_rated_va"][i], 0.0, p["p_max_pu"][i], gov["ref_pu"][i])
    most = p["ramp_pu_per_s"][i] * dt_s
    gov["ref_pu"][i] += min(max(wanted - gov["ref_pu"][i], -most), most)
    return within(s["f_hz_sp"][i] / f0_hz - 1.0, -1.0, 1.0, 0.0)


@kernel
def _integrate(p, s, i, gov_p, gov, omega_ref_pu, dt_s, f0_hz):  # type: ignore[no-untyped-def]
    """Governor and swing of machine ``i``, in sub-steps where the step is long."""
    n = max(1, math.ceil(dt_s / DYNAMIC_DT_S))
    h = dt_s / n
    for _ in range(n):
        if gov_p["model"][i] == governor.NONE:
            s["pm_pu"][i] = gov["ref_pu"][i]
        else:
            s["pm_pu"][i] = governor.power(gov_p, gov, i, s["omega_pu"][i], omega_ref_pu, h)
        swing(p, s, i, h, f0_hz)


@kernel
def _run(p, s, i, gov_p, gov, exc_p, exc, v1, i1_pu, x_pu, first, is_first, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """One step of a connected machine; ``first``: speed deviation of its island's first EMF [pu]."""
    omega_ref_pu = _references(p, s, i, gov_p, gov, f0_hz, dt_s)
    s["timer_s"][i] += dt_s
    is_dynamic = dt_s <= DYNAMIC_DT_S
    if exc_p["model"][i] == exciter.NONE:
        s["e_pu"][i] = s["efd_pu"][i] = within(s["v_pu_sp"][i], 0.0, 2.0, s["e_pu"][i])
    else:
        excite(p, s, i, exc_p, exc, v1, i1_pu, dt_s)
    if is_dynamic or is_first:
        _integrate(p, s, i, gov_p, gov, omega_ref_pu, dt_s, f0_hz)
        return
    s["omega_pu"][i] = first
    wanted = gov["ref_pu"][i]
    if gov_p["model"][i] != governor.NONE:
        wanted = governor.power(gov_p, gov, i, first, omega_ref_pu, dt_s)
    s["pm_pu"][i] += SETTLE * (wanted - s["pm_pu"][i])
    p_pu = s["pm_pu"][i] - p["d_pu"][i] * first
    s["delta_rad"][i] = locked_angle(p_pu, s["e_pu"][i], v1, x_pu)


@kernel
def step(p, s, gov_p, gov, exc_p, exc, emf_of, x_pu, e, unit, owner, omega_pu, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """Advance every machine with what the last solution says; returns how many changed the network.

    Parameters
    ----------
    emf_of : int32[n]
        EMF of each machine.
    x_pu : float64[n]
        Reactance between EMF and terminals [pu of the machine's rating].
    e, unit : Emfs, float64[n_units, 3]
        EMFs of the network, and its admittance factors: written when a machine connects or trips.
    owner : int32[n_emfs]
        First EMF of the island that each EMF's terminals are in, -1 when they are dead.
    omega_pu : float64[n_emfs]
        Speed deviation of every EMF [pu].
    """
    changed = 0
    for i in range(s.shape[0]):
        k = emf_of[i]
        k_unit, first = e.unit[k], owner[k]
        speed = omega_pu[first] if first >= 0 else 0.0
        i_base_a = p["s_rated_va"][i] / max(3.0 * abs(e.e1_v[k, 0]), 1e-9)
        if p["model"][i] == 0.0:
            s["omega_pu"][i] = s["f_hz_sp"][i] / f0_hz - 1.0
            s["delta_rad"][i] = wrap(s["delta_rad"][i] + dt_s * TWO_PI * f0_hz * s["omega_pu"][i])
            s["e_pu"][i] = s["efd_pu"][i] = s["v_pu_sp"][i]
        elif s["state"][i] != RUNNING:
            changed += _standstill(p, s, i, gov_p, gov, exc_p, exc, e.v1[k], speed, unit, k_unit, dt_s)
        else:
            pe_pu = e.airgap_w[k] / p["s_rated_va"][i]
            s["pe_pu"][i] = pe_pu if abs(pe_pu) < P_ABSURD_PU else s["pm_pu"][i]
            cause = watch(p, s, i, e.i_a[k] / i_base_a, first == k, dt_s)
            cause = BY_OPERATOR if s["stop"][i] != 0.0 else cause
            if cause != NOT_TRIPPED:
                _trip(s, i, unit, k_unit, cause)
                changed += 1
            else:
                i1_pu = e.i1[k] / i_base_a
                _run(p, s, i, gov_p, gov, exc_p, exc, e.v1[k], i1_pu, x_pu[i], speed, first == k, f0_hz, dt_s)
        s["start"][i] = s["stop"][i] = 0.0
    return changed


@kernel
def turns_along(p, s, i, is_first, dt_s):  # type: ignore[no-untyped-def]
    """Whether the angle of machine ``i`` was taken from the last voltages, which turn on meanwhile."""
    if p["model"][i] == 0.0 or s["state"][i] != RUNNING or is_first:
        return False
    return dt_s > DYNAMIC_DT_S or s["timer_s"][i] == 0.0


@kernel
def measure(p, s, emf_of, e, owner, theta_rad, f0_hz):  # type: ignore[no-untyped-def]
    """What the solved network says of every machine; ``theta_rad``: float64[n_emfs] EMF angles."""
    for i in range(s.shape[0]):
        k = emf_of[i]
        s["p_w"][i], s["q_var"][i] = e.s_va[k].real, e.s_va[k].imag
        s["i_a"][i], s["v_pu"][i] = e.i_a[k], abs(e.v1[k])
        s["pe_pu"][i] = e.airgap_w[k] / p["s_rated_va"][i]
        s["speed_pu"][i] = 1.0 + s["omega_pu"][i]
        s["f_hz"][i] = f0_hz * s["speed_pu"][i]
        s["p_mech_w"][i] = s["pm_pu"][i] * p["s_rated_va"][i]
        first = owner[k]
        against = theta_rad[first] if first >= 0 else 0.0
        running = s["state"][i] == RUNNING
        s["angle_deg"][i] = math.degrees(wrap(s["delta_rad"][i] - against)) if running else 0.0
        s["is_running"][i] = 1.0 if running else 0.0
        s["is_tripped"][i] = 1.0 if s["state"][i] == TRIPPED else 0.0


@kernel
def settle(m, e):  # type: ignore[no-untyped-def]
    """Put running machines to rest at the power they deliver in the first solution; ``m``: Machines."""
    p, s = m.generator_p, m.generator
    for i in range(s.shape[0]):
        if s["state"][i] == RUNNING:
            s["pe_pu"][i] = s["pm_pu"][i] = e.airgap_w[m.emf_of[i]] / p["s_rated_va"][i]
            s["p_w_sp"][i] = s["pm_pu"][i] * p["s_rated_va"][i]
            governor.start(m.governor_p, m.governor, i, s["pm_pu"][i])
            exciter.start(m.exciter_p, m.exciter, i, s["efd_pu"][i], s["v_pu_sp"][i] - abs(e.v1[m.emf_of[i]]))
