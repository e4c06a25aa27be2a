"""Upstream grid: what a station sees of it. Its EMF and swing are a generator's (``generator``)."""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.plant import exciter, governor
from rtcore.plant.generator import OFF, RUNNING


@component(
    "source",
    attrs=(
        Attr("f_hz", "Hz", "frequency"),
        Attr("v_pu", "pu", "EMF magnitude in force"),
        Attr("v_pu_sp", "pu", "EMF magnitude setpoint", writable="setpoint"),
        Attr(
            "f_hz_sp",
            "Hz",
            "frequency setpoint (speed reference of an equivalent machine)",
            writable="setpoint",
        ),
        Attr("is_mains_sp", "", "1: the grid is there; 0: loss of mains", writable="setpoint"),
        Attr("p_w", "W", "active power delivered"),
        Attr("q_var", "var", "reactive power delivered"),
    ),
)
class Source:
    """Upstream source."""

    v_pu: float = param(default=1.0, unit="pu", doc="initial EMF", ge=0)


@kernel
def step(s, gen, gov_p, gov, exc_p, exc, emf_unit, unit):  # type: ignore[no-untyped-def]
    """Hand the setpoints to the sources' generators (their first rows); returns changes of the network."""
    changed = 0
    for i in range(s.shape[0]):
        gen["v_pu_sp"][i], gen["f_hz_sp"][i] = s["v_pu_sp"][i], s["f_hz_sp"][i]
        k_unit, is_there = emf_unit[i], s["is_mains_sp"][i] != 0.0
        if is_there != (gen["state"][i] == OFF):  # a tripped machine waits until the mains were taken away
            continue
        unit[k_unit, 0] = 1.0 if is_there else 0.0
        gen["state"][i] = RUNNING if is_there else OFF
        gen["omega_pu"][i] = gen["pm_pu"][i] = gen["trip_cause"][i] = gen["p_w_sp"][i] = 0.0
        gen["e_pu"][i] = s["v_pu_sp"][i]
        governor.start(gov_p, gov, i, 0.0)
        exciter.start(exc_p, exc, i, gen["e_pu"][i], 0.0)
        changed += 1
    return changed


@kernel
def measure(s, gen, unit, emf_unit):  # type: ignore[no-untyped-def]
    """Show what the sources' generators do."""
    for i in range(s.shape[0]):
        is_there = unit[emf_unit[i], 0] != 0.0
        s["f_hz"][i] = gen["f_hz"][i] if is_there else 0.0
        s["v_pu"][i] = gen["e_pu"][i] if is_there else 0.0
        s["p_w"][i], s["q_var"][i] = gen["p_w"][i], gen["q_var"][i]
