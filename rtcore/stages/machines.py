"""Stage 4: sources and machines move, and every EMF is set for the solution."""

from __future__ import annotations

import math

from rtcore.jit import kernel
from rtcore.phasor import wrap
from rtcore.plant import generator, source
from rtcore.protection import sync_check_25

_turns_along = generator.turns_along
_source_step, _generator_step, _generator_measure = source.step, generator.step, generator.measure
_source_measure, _check = source.measure, sync_check_25.check


@kernel
def owners(emf, at, owner):  # type: ignore[no-untyped-def]
    """Find the first EMF of the island that every EMF's terminals (``at``) are in."""
    for k in range(emf.owner.shape[0]):
        node = at[k, 0]
        emf.owner[k] = owner[node] if node < owner.shape[0] else -1


@kernel
def move_sources(s, m, emf_unit, unit):  # type: ignore[no-untyped-def]
    """Hand setpoints to the upstream grid's generators; returns changes of the network."""
    return _source_step(s, m.generator, m.governor_p, m.governor, m.exciter_p, m.exciter, emf_unit, unit)


@kernel
def move_machines(m, emf, emfs, unit, dt_s):  # type: ignore[no-untyped-def]
    """Advance the machines by one step; returns changes of the network."""
    return _generator_step(
        m.generator_p,
        m.generator,
        m.governor_p,
        m.governor,
        m.exciter_p,
        m.exciter,
        m.emf_of,
        m.x_pu,
        emfs,
        unit,
        emf.owner,
        emf.omega_pu,
        emf.f0_hz,
        dt_s,
    )


@kernel
def set_emf(emf, scale, k, e_pu, theta_rad, f_hz):  # type: ignore[no-untyped-def]
    """Set one EMF and note by how much it turned; returns whether it did."""
    moved = theta_rad - emf.theta_rad[k]
    scale[k] = e_pu * complex(math.cos(theta_rad), math.sin(theta_rad))
    emf.turns[k] = complex(math.cos(moved), math.sin(moved))
    emf.theta_rad[k] = theta_rad
    emf.f_hz[k] = f_hz
    emf.omega_pu[k] = f_hz / emf.f0_hz - 1.0
    return moved != 0.0


@kernel
def set_machine_emfs(m, emf, scale, dt_s):  # type: ignore[no-untyped-def]
    """Set the EMF of every generator; those of the island's other EMFs are set; returns how many turned."""
    p, s, turned = m.generator_p, m.generator, 0
    for i in range(s.shape[0]):
        k, first = m.emf_of[i], emf.owner[m.emf_of[i]]
        if first >= 0 and _turns_along(p, s, i, first == k, dt_s):
            turn = emf.turns[first]
            s["delta_rad"][i] = wrap(s["delta_rad"][i] + math.atan2(turn.imag, turn.real))
        f_hz = emf.f0_hz * (1.0 + s["omega_pu"][i])
        turned += set_emf(emf, scale, k, s["e_pu"][i], s["delta_rad"][i], f_hz)
    return turned


@kernel
def measure_machines(m, s, emf, emfs, unit):  # type: ignore[no-untyped-def]
    """What the solved network says of machines and sources (rows ``s``)."""
    _generator_measure(m.generator_p, m.generator, m.emf_of, emfs, emf.owner, emf.theta_rad, emf.f0_hz)
    _source_measure(s, m.generator, unit, emfs.unit)


@kernel
def check_synchronism(c, breaker, v, base_v, owner, emf_f_hz):  # type: ignore[no-untyped-def]
    """Judge every breaker (``c``: SyncChecks) and interlock its close command by that from now on."""
    _check(c.p, c.s, c.side1, c.side2, v, base_v, owner, emf_f_hz)
    for i in range(c.s.shape[0]):
        breaker["may_close"][i] = c.s["is_permitted"][i]
