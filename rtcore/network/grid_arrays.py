"""The assembled network as kernels see it: flat arrays in elimination order.

Node indices are positions in elimination order; index n is ground, whose voltage is 0.
A *unit* is one thing whose admittance can change while running: a switch pole, a regulator,
a capacitor bank, an EMF behind its impedance. Its entries are a*f0 + b*f1 + c*f2 with the unit's
three factors: (1, 0, 0) in service, (0, 0, 0) out, (1, 1/ratio, 1/ratio^2) for a tapped winding.

*EMFs* are the network's sources, then its machines and batteries that can form a grid, in file
order. The first EMF in service of an island is the island's *owner*: its frequency is the
frequency there, and node voltages turn with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.network.factor import Complex, Factor, Ints

Floats = npt.NDArray[np.float64]

FAULT_CAPACITY = 64
"""Fault admittances (pairs of nodes) that can be present at once."""

FAULT_SLOTS = 8
"""Faults at places (buses, points of lines) that can be present at once."""

CONDUCTORS_MAX = 4
"""Most conductors of a line on which a fault can be."""

ENDS_MAX = 2 * CONDUCTORS_MAX

# counters
N_ITERATIONS, N_REFACTORED, N_BAD_PIVOTS, N_DEAD, N_FAULTS = range(5)


class Loads(NamedTuple):
    """Load branches; ``s`` is rewritten every step, ``y_const`` is frozen in the factor.

    ``at``: where each branch stands in the matrix, shape (n, 4): aa, ab, ba, bb, -1 on ground.
    """

    load: Ints
    a: Ints
    b: Ints
    share: Floats
    vb: Floats
    model: Ints
    v_low: Floats
    v_min: Floats
    v_max: Floats
    z: Floats
    at: Ints
    y_const: Complex
    s: Complex


class Emfs(NamedTuple):
    """EMFs behind an impedance, up to ``m`` phases each (unused ones: node n, no admittance).

    The EMF of phase k is scale * e1_v[k] between ``back`` and ``at``, the complex ``scale`` in
    [pu]. From ``s_va`` on it is what the last solution says, positive when delivered.
    """

    at: Ints
    back: Ints
    e1_v: Complex
    y: Complex
    """Admittance of the impedance, shape (n, m, m) [S]."""
    norton_a: Complex
    """``y`` times ``e1_v``, shape (n, m) [A]."""
    unit: Ints
    """Unit number, shape (n,)."""
    scale: Complex
    s_va: Complex
    """Power at the terminals, shape (n,) [VA]."""
    airgap_w: Floats
    """Power at the EMF, shape (n,) [W]."""
    i_a: Floats
    """Largest phase current, shape (n,) [A]."""
    v1: Complex
    """Positive-sequence terminal voltage [pu of ``e1_v``]."""
    i1: Complex
    """Positive-sequence current [A], phase angle as that of ``v1``."""


class Injections(NamedTuple):
    """Current sources: ``i_a`` [A] flows into node ``at`` and out of node ``back``, shape (n, 3)."""

    at: Ints
    back: Ints
    i_a: Complex


LINE = np.dtype(
    [
        ("n", "i4"),  # conductors; 0: it cannot carry a fault (more than CONDUCTORS_MAX)
        ("is_reversed", "i4"),  # 1 where the source feeds terminal 2 in the network's normal state
        ("last_slot", "i4"),  # fault slot nearest to terminal 2, -1 for a healthy line
        ("conductor", "i4", (3,)),  # of phases a, b, c; -1 where the line lacks it
        ("node", "i4", (ENDS_MAX,)),  # of each row of the block, n_nodes for ground
        ("y", "c16", (ENDS_MAX, ENDS_MAX)),  # [S]; rows 0..n-1 terminal 1, n..2n-1 terminal 2
    ],
    align=True,
)
"""A line as faults on it need it, with its normal block."""

SLOT = np.dtype(
    [
        ("place", "i4"),  # 0 none, then buses, then lines, both in network order
        ("is_in", "i4"),  # 1 while the fault is there; one that is out for a time keeps its place
        ("phases", "i4"),  # bit mask: a 1, b 2, c 4
        ("is_live", "i4"),  # 1 where a source reaches a faulted phase
        ("before", "i4"),  # next slot of the same line towards terminal 1, -1 for none
        ("is_open", "i4", (3,)),  # 1 where phase a, b, c is broken
        ("fraction", "f8"),  # distance from terminal 1, share of the line's length
        ("y", "c16", (3, 3)),  # admittance among phases and ground [S]
        ("v", "c16", (3,)),  # phase voltages at the fault, on the source side of a break [V]
        ("v_far", "c16", (3,)),  # the same beyond the break
        ("i", "c16", (3,)),  # current from each phase into the fault [A]
        ("i_change", "c16", (ENDS_MAX,)),  # what the line's last slot adds to its terminal currents [A]
        ("n_middle", "i4"),  # middle nodes
        ("left", "i4", (CONDUCTORS_MAX,)),  # middle node on the terminal-1 side of each conductor
        ("right", "i4", (CONDUCTORS_MAX,)),  # on the terminal-2 side: another one where it is broken
        ("label", "i4", (2 * ENDS_MAX,)),  # equal for ends and middles that something joins
        ("to_middle", "c16", (ENDS_MAX, ENDS_MAX)),  # middle voltages from end voltages
        ("y_line", "c16", (ENDS_MAX, ENDS_MAX)),  # from terminal 1 to beyond this slot, reduced [S]
    ],
    align=True,
)
"""A fault at a place: what it is, how it sits in the matrix, what was solved.

Records, not one array a field: compiling a kernel takes longer with every array of its arguments.
"""


class FaultSlots(NamedTuple):
    """Places where faults can be, and the faults."""

    bus_node: Ints
    """Node of phases a, b, c of every bus, -1 where there is none, shape (n_bus, 3)."""
    lines: npt.NDArray[np.void]
    """``LINE`` records."""
    slots: npt.NDArray[np.void]
    """``SLOT`` records, shape (FAULT_SLOTS,)."""
    work: Complex
    """Shape (3 * ENDS_MAX + 1, 2 * ENDS_MAX): block, rows under elimination, voltages at ends."""


class GridArrays(NamedTuple):
    """Everything the network kernels read and write.

    ``link`` counts, per matrix entry, the elements in service that join its two nodes: conductors,
    windings, loads between phases, faults; not what only couples two conductors of a line.
    """

    factor: Factor
    ax_static: Complex
    link_static: Ints
    link: Ints
    stamp_at: Ints
    stamp_unit: Ints
    stamp_a: Complex
    stamp_b: Complex
    stamp_c: Complex
    stamp_links: Ints
    unit: Floats
    fault_i: Ints
    fault_j: Ints
    fault_y: Complex
    faults: FaultSlots
    emfs: Emfs
    injections: Injections
    inv_base2: Floats
    base_v: Floats
    loads: Loads
    v: Complex
    rhs: Complex
    live: npt.NDArray[np.uint8]
    owner: Ints
    """EMF whose island the node is in, -1 for none, shape (n,)."""
    queue: Ints
    rate: Floats
    counters: npt.NDArray[np.int64]


class TerminalRows(NamedTuple):
    """Rows of element admittances whose product with V is a terminal current (CSR)."""

    start: Ints
    node: Ints
    unit: Ints
    a: Complex
    b: Complex
    c: Complex
    at: Ints
    line: Ints
    """Line each row belongs to, -1 for other elements."""
    end: Ints
    """The row's number within the line's block."""
    lines: npt.NDArray[np.void]
    """Those of ``FaultSlots``, as are the slots: the same memory."""
    slots: npt.NDArray[np.void]
    i_a: Complex
    """What ``row_currents`` found last, shape (n,)."""
