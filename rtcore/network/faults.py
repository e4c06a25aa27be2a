"""Short circuits as admittances between the nodes of one bus.

The fault resistance is per faulted conductor: from each phase to the common point of the
fault, which is ground for grounded faults and floats otherwise.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from rtcore.errors import GridhilError
from rtcore.network.factor import Complex
from rtcore.network.grid import Grid

PHASES_OF_TYPE = {"3ph": 3, "3phg": 3, "slg": 1, "ll": 2, "llg": 2}
DEFAULT_PHASES = {"3ph": "abc", "3phg": "abc", "slg": "a", "ll": "ab", "llg": "ab"}
R_MIN_OHM = 1e-6
R_DEFAULT_OHM = 1e-4


class FaultError(GridhilError, ValueError):
    """A fault that the network cannot have, e.g. on a phase the bus lacks."""


@dc.dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a bus: type (3ph, 3phg, slg, ll, llg), phases like "ab", resistance [ohm]."""

    bus: str
    kind: str
    phases: str
    r_ohm: float = R_DEFAULT_OHM

    def __post_init__(self) -> None:
        if self.kind not in PHASES_OF_TYPE:
            raise FaultError(f"unknown fault type {self.kind!r}; allowed: {', '.join(PHASES_OF_TYPE)}")
        wanted = PHASES_OF_TYPE[self.kind]
        if len(set(self.phases)) != wanted or not set(self.phases) <= set("abc"):
            raise FaultError(f"phases {self.phases!r}: a {self.kind} fault takes {wanted} of a, b, c")
        if not R_MIN_OHM <= self.r_ohm < np.inf:
            raise FaultError(f"fault resistance {self.r_ohm!r} ohm: must be >= {R_MIN_OHM} ohm and finite")


def fault_nodes(grid: Grid, fault: Fault) -> list[int]:
    """Return the network-order nodes of the faulted phases."""
    names = [f"{fault.bus}.{'abc'.index(p) + 1}" for p in fault.phases]
    missing = [n for n in names if n not in grid.nodes.index]
    if missing:
        raise FaultError(f"bus {fault.bus!r} has no node {', '.join(missing)}")
    return [grid.nodes.index[n] for n in names]


def fault_branches(grid: Grid, fault: Fault) -> list[tuple[int, int, complex]]:
    """Return (node, node or -1, siemens) branches of a fault.

    An ungrounded three-phase fault is a star of r with a floating centre, that is a delta
    of 3 r; a line-to-line fault is two resistances in series.
    """
    nodes, y = fault_nodes(grid, fault), 1.0 / fault.r_ohm
    if fault.kind in ("slg", "llg", "3phg"):
        return [(i, -1, complex(y)) for i in nodes]
    if fault.kind == "ll":
        return [(nodes[0], nodes[1], complex(y / 2.0))]
    pairs = [(nodes[0], nodes[1]), (nodes[1], nodes[2]), (nodes[2], nodes[0])]
    return [(i, j, complex(y / 3.0)) for i, j in pairs]


def fault_currents(grid: Grid, fault: Fault) -> Complex:
    """Return the current from each faulted phase into the fault, in the order of its phases [A]."""
    nodes, v = fault_nodes(grid, fault), np.append(grid.voltages, 0.0)
    current = dict.fromkeys(nodes, 0j)
    for i, j, y in fault_branches(grid, fault):
        current[i] += y * (v[i] - v[j])
        if j >= 0:
            current[j] += y * (v[j] - v[i])
    return np.array([current[i] for i in nodes])


def apply(grid: Grid, faults: list[Fault]) -> int:
    """Put faults on a solved grid and solve from the pre-fault state; returns iterations."""
    grid.set_faults([b for f in faults for b in fault_branches(grid, f)])
    grid.refresh()
    return grid.solve()
