"""Switched shunt capacitor bank; the admittance is the network's, the switch is here."""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.network.powerflow import row_currents


@component(
    "capacitor",
    attrs=(
        Attr("is_closed", "", "1 when the bank is in service"),
        Attr("open", "", "open command", writable="pulse"),
        Attr("close", "", "close command", writable="pulse"),
        Attr("q_var", "var", "reactive power supplied to the network"),
    ),
)
class Capacitor:
    """Capacitor bank with a vacuum switch."""

    is_closed: float = param(default=1.0, unit="", doc="initial position", ge=0, le=1)


@kernel
def step(s, units, unit):  # type: ignore[no-untyped-def]
    """Carry out switch commands; returns how many banks changed the network."""
    changed = 0
    for i in range(s.shape[0]):
        wanted = s["is_closed"][i]
        if s["close"][i] != 0.0:
            wanted = 1.0
        if s["open"][i] != 0.0:
            wanted = 0.0
        s["close"][i] = 0.0
        s["open"][i] = 0.0
        if wanted != s["is_closed"][i]:
            s["is_closed"][i] = wanted
            unit[units[i], 0] = wanted
            changed += 1
    return changed


@kernel
def measure(s, v, unit, rows, first):  # type: ignore[no-untyped-def]
    """Reactive power of each bank; ``first``: int32[n + 1], its rows in ``rows``."""
    at, found = rows.at, rows.i_a
    row_currents(v, unit, rows, 0, at.shape[0])
    for i in range(s.shape[0]):
        q = 0.0
        for r in range(first[i], first[i + 1]):
            q -= (v[at[r]] * found[r].conjugate()).imag
        s["q_var"][i] = q
