"""The assembled network as kernels see it: flat arrays in elimination order.

Node indices are positions in elimination order; index n is ground, whose voltage is 0.
A *unit* is one thing whose admittance can change while running: a switch pole, a regulator,
a capacitor bank. Its entries are a*f0 + b*f1 + c*f2 with the unit's three factors:
(1, 0, 0) in service, (0, 0, 0) out, (1, 1/ratio, 1/ratio^2) for a tapped winding.
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
    source_node: Ints
    source_of: Ints
    source_current: Complex
    source_scale: Complex
    inv_base2: Floats
    base_v: Floats
    loads: Loads
    v: Complex
    rhs: Complex
    live: npt.NDArray[np.uint8]
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
