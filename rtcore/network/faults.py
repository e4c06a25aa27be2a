"""Short circuits among the nodes of one bus or at a point of a line, and open conductors, for studies.

The fault resistance is per faulted conductor: from each phase to the common point of the
fault, which is ground for grounded faults and floats otherwise.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from rtcore.errors import GridhilError
from rtcore.network import fault_slots as slots
from rtcore.network.factor import Complex
from rtcore.network.fault_table import place_table
from rtcore.network.grid import Grid
from rtcore.network.grid_arrays import FAULT_SLOTS

ANY_NUMBER = (1, 2, 3)
PHASES_OF_TYPE: dict[str, tuple[int, ...]] = {
    "3ph": (3,),
    "3phg": (3,),
    "slg": (1,),
    "ll": (2,),
    "llg": (2,),
    "open": ANY_NUMBER,
    "openg": ANY_NUMBER,
}
DEFAULT_PHASES = {"3ph": "abc", "3phg": "abc", "slg": "a", "ll": "ab", "llg": "ab", "open": "a", "openg": "a"}
NUMBER_OF_TYPE = {
    "3ph": slots.F_3PH,
    "3phg": slots.F_3PHG,
    "slg": slots.F_SLG,
    "ll": slots.F_LL,
    "llg": slots.F_LLG,
    "open": slots.F_OPEN,
    "openg": slots.F_OPEN_GROUNDED,
}
R_MIN_OHM = slots.R_MIN_OHM
R_DEFAULT_OHM = 1e-4


class FaultError(GridhilError, ValueError):
    """A fault that the network cannot have, e.g. on a phase the bus lacks."""


@dc.dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a bus or, when ``bus`` is empty, at a share ``at`` of a line from its terminal 1.

    Types: 3ph, 3phg, slg, ll, llg; on lines open (broken conductors) and openg (their source side
    grounded over the resistance). Phases like "ab", resistance in ohm.
    """

    bus: str
    kind: str
    phases: str
    r_ohm: float = R_DEFAULT_OHM
    line: str = ""
    at: float = 0.5

    def __post_init__(self) -> None:
        if bool(self.bus) == bool(self.line):
            raise FaultError("a fault is either at a bus or on a line")
        if self.kind not in PHASES_OF_TYPE:
            raise FaultError(f"unknown fault type {self.kind!r}; allowed: {', '.join(PHASES_OF_TYPE)}")
        if self.kind.startswith("open") and self.bus:
            raise FaultError(f"conductors break on lines: {self.kind} needs a line, not a bus")
        wanted = PHASES_OF_TYPE[self.kind]
        if len(set(self.phases)) not in wanted or not set(self.phases) <= set("abc"):
            many = " or ".join(str(n) for n in wanted)
            raise FaultError(f"phases {self.phases!r}: a {self.kind} fault takes {many} of a, b, c")
        if not R_MIN_OHM <= self.r_ohm <= slots.R_MAX_OHM:
            what = f"must be {R_MIN_OHM:g} to {slots.R_MAX_OHM:g} ohm"
            raise FaultError(f"fault resistance {self.r_ohm!r} ohm: {what}")
        if self.line and not slots.FRACTION_MIN <= self.at <= slots.FRACTION_MAX:
            what = f"must be {slots.FRACTION_MIN} to {slots.FRACTION_MAX}"
            raise FaultError(f"place {self.at!r} on the line, as a share of its length: {what}")

    @property
    def mask(self) -> int:
        """Phases as a bit mask: a 1, b 2, c 4."""
        return sum(1 << "abc".index(p) for p in set(self.phases))


def fault_nodes(grid: Grid, fault: Fault) -> list[int]:
    """Return the network-order nodes of the faulted phases of a bus."""
    names = [f"{fault.bus}.{'abc'.index(p) + 1}" for p in fault.phases]
    missing = [n for n in names if n not in grid.nodes.index]
    if missing:
        raise FaultError(f"bus {fault.bus!r} has no node {', '.join(missing)}")
    return [grid.nodes.index[n] for n in names]


def fault_branches(grid: Grid, fault: Fault) -> list[tuple[int, int, complex]]:
    """Return (node, node or -1, siemens) branches of a fault at a bus.

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
    if fault.line:
        return _of_slot(grid, fault, "i")
    nodes, v = fault_nodes(grid, fault), np.append(grid.voltages, 0.0)
    current = dict.fromkeys(nodes, 0j)
    for i, j, y in fault_branches(grid, fault):
        current[i] += y * (v[i] - v[j])
        if j >= 0:
            current[j] += y * (v[j] - v[i])
    return np.array([current[i] for i in nodes])


def line_voltages(grid: Grid, fault: Fault) -> tuple[Complex, Complex]:
    """Return voltages at a fault on a line, in the order of its phases [V].

    The first are on the source side of a break, the second beyond it.
    """
    return _of_slot(grid, fault, "v"), _of_slot(grid, fault, "v_far")


def _of_slot(grid: Grid, fault: Fault, field: str) -> Complex:
    """Return a quantity of the slot that holds a fault on a line, phase by phase."""
    place = _place(grid, fault)
    for slot in grid.arrays.faults.slots:
        is_same = slot["place"] == place and slot["phases"] == fault.mask
        if is_same and slot["fraction"] == fault.at:
            return np.array([slot[field]["abc".index(p)] for p in fault.phases])
    raise FaultError(f"no such fault on line {fault.line!r}")


def _place(grid: Grid, fault: Fault) -> int:
    name = f"line.{fault.line}"
    places = place_table(grid.network)
    if name not in places:
        raise FaultError(f"no line {fault.line!r} in this network")
    return places.index(name)


def apply(grid: Grid, faults: list[Fault]) -> int:
    """Put faults on a solved grid and solve from the pre-fault state; returns iterations."""
    on_lines = [f for f in faults if f.line]
    if len(on_lines) > FAULT_SLOTS:
        raise FaultError(f"{len(on_lines)} faults on lines, at most {FAULT_SLOTS} at once")
    grid.clear_faults()
    grid.set_faults([b for f in faults if f.bus for b in fault_branches(grid, f)])
    for slot, f in enumerate(on_lines):
        refusal = grid.set_place_fault(
            slot,
            _place(grid, f),
            NUMBER_OF_TYPE[f.kind],
            fraction=f.at,
            phases=f.mask,
            r_ohm=f.r_ohm,
        )
        if refusal == slots.PHASE_NOT_THERE:
            raise FaultError(f"line {f.line!r} has not all of the phases {f.phases}")
        if refusal:
            raise FaultError(f"line {f.line!r} cannot carry a fault: too many conductors")
    grid.refresh()
    return grid.solve()
