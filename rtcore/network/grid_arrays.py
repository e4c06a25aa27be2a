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

# counters
N_ITERATIONS, N_REFACTORED, N_BAD_PIVOTS, N_DEAD, N_FAULTS = range(5)


class Loads(NamedTuple):
    """Load branches; ``s`` is rewritten every step, ``y_const`` is frozen in the factor."""

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


class GridArrays(NamedTuple):
    """Everything the network kernels read and write."""

    factor: Factor
    ax_static: Complex
    stamp_at: Ints
    stamp_unit: Ints
    stamp_a: Complex
    stamp_b: Complex
    stamp_c: Complex
    unit: Floats
    fault_i: Ints
    fault_j: Ints
    fault_y: Complex
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
