"""Stage 3: what changes the network of itself: breakers, fuses, faults; and attacks, armed alike."""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.network.fault_slots import measure_faults
from rtcore.network.powerflow import row_currents
from rtcore.plant import arming, attack, fault, fuse
from rtcore.plant import breaker as breaker_module

_breaker_step, _fuse_step = breaker_module.step, fuse.step
_arming_step, _fault_step, _fault_measure = arming.step, fault.step, fault.measure
_attack_step = attack.step
CLOSED = breaker_module.CLOSED


@kernel
def move_breakers(p, s, units, poles, sync, g, change, key, t_s, w0_rad_s, dt_s):  # type: ignore[no-untyped-def]
    """Move every breaker; a current matters only to one whose contacts part."""
    for i in range(s.shape[0]):
        if s["state"][i] > CLOSED or s["trip"][i] != 0.0 or s["trip_coil"][i] != 0.0:
            pole_currents(poles, g.v, g.unit)
            break
    return _breaker_step(
        p, s, units, g.unit, sync["is_permitted"], poles.i_a, change, key, t_s, w0_rad_s, dt_s
    )


@kernel
def burn_fuses(f, g, change, before_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every fuse (``f``: Fuses); ``before_s``: change of the network in the step before."""
    if f.s.shape[0] == 0:
        return 0
    pole_currents(f.poles, g.v, g.unit)
    return _fuse_step(f.p, f.s, f.units, g.unit, f.poles.i_a, change, before_s, dt_s)


@kernel
def pole_currents(poles, v, unit):  # type: ignore[no-untyped-def]
    """Currents of all poles in the last solution."""
    of, phase, found, i_a = poles.of, poles.phase, poles.rows.i_a, poles.i_a
    row_currents(v, unit, poles.rows, 0, of.shape[0])
    for r in range(of.shape[0]):
        i_a[of[r], phase[r]] = found[r]


@kernel
def strike_faults(f, attacks, g, change, key, values, quality, dt_s):  # type: ignore[no-untyped-def]
    """Take commands of faults and attacks, let faults come and go (``f``: Faults, ``attacks``: Attacks)."""
    _arming_step(f.arming_p, f.arming, dt_s)
    is_armed = f.arming["is_armed"][0] != 0.0  # one arming is for all that one request applies
    changes = _fault_step(f.s, g.faults, f.library, f.arming_p, f.arming, key, change, dt_s)
    _attack_step(attacks.s, attacks.is_open, is_armed, f.arming_p, f.arming, values, quality, dt_s)
    for k in range(f.s.shape[0]):
        f.s["is_armed"][k] = f.arming["is_armed"][0]
    return changes


@kernel
def measure_strikes(f, g, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Currents and life of the faults that are there."""
    measure_faults(g.v, g.live, g.faults)
    _fault_measure(f.s, g.faults, change_ago_s, dt_s)
