"""Where instruments sit: bus voltages and the flow into an element at one terminal."""

from __future__ import annotations

import math

from rtcore.component import Attr, component
from rtcore.jit import fast_kernel
from rtcore.network.powerflow import row_currents

I1, P1, Q1, P_ALL, Q_ALL = 0, 3, 6, 9, 10
"""Columns of a terminal's state row."""


@component("bus", attrs=tuple(Attr(f"v{k}_v", "V", f"voltage of node {k} to ground") for k in (1, 2, 3)))
class Bus:
    """Voltage transformers of one bus."""


@component(
    "terminal",
    attrs=(
        *(Attr(f"i{k}_a", "A", f"current in phase {k} into the element") for k in (1, 2, 3)),
        *(Attr(f"p{k}_w", "W", f"active power in phase {k} into the element") for k in (1, 2, 3)),
        *(Attr(f"q{k}_var", "var", f"reactive power in phase {k} into the element") for k in (1, 2, 3)),
        Attr("p_w", "W", "active power into the element"),
        Attr("q_var", "var", "reactive power into the element"),
    ),
)
class Terminal:
    """Current transformers at one terminal of one element."""


@fast_kernel
def measure_buses(v, at, columns):  # type: ignore[no-untyped-def]
    """Voltage magnitudes; ``at``: int32[n, 3] node of each phase, -1 where there is none."""
    for i in range(at.shape[0]):
        for k in range(3):
            if at[i, k] >= 0:
                u = v[at[i, k]]
                columns[i, k] = math.sqrt(u.real * u.real + u.imag * u.imag)


@fast_kernel
def measure_terminals(v, unit, rows, of_terminal, phase, columns):  # type: ignore[no-untyped-def]
    """Currents and powers; ``of_terminal``, ``phase``: int32[n_rows], where each row belongs."""
    columns[:, P_ALL:] = 0.0
    at, found = rows.at, rows.i_a
    row_currents(v, unit, rows, 0, at.shape[0])
    for r in range(at.shape[0]):
        i, k = of_terminal[r], phase[r]
        current = found[r]
        power = v[at[r]] * current.conjugate()
        columns[i, I1 + k] = math.sqrt(current.real * current.real + current.imag * current.imag)
        columns[i, P1 + k] = power.real
        columns[i, Q1 + k] = power.imag
        columns[i, P_ALL] += power.real
        columns[i, Q_ALL] += power.imag
