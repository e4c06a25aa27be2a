"""What the voltage relays of a network's regulators measure: where, and the kernel that reads it.

Per regulator: voltage across a coil of the measured winding and the current into it (the phase
chosen, or the one whose compensated voltage is highest or lowest), the voltage of a regulated
bus elsewhere, and the power out of the measured winding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.control.tap_changer import relay_voltage
from rtcore.jit import kernel
from rtcore.network.factor import Complex, Ints
from rtcore.network.grid import Grid
from rtcore.network.grid_arrays import TerminalRows
from rtcore.network.model import Regulator
from rtcore.network.powerflow import row_currents

HIGHEST, LOWEST = -1, -2
"""Instead of a phase: the one with the highest or the lowest relay voltage."""


class TapChangerInputs(NamedTuple):
    """Wiring of all relays, and what they see at present."""

    rows: TerminalRows
    """Conductors of the measured windings, regulator by regulator."""
    first: Ints
    """First of them, shape (n + 1,)."""
    phases: Ints
    back: Ints
    """Other end of the coil that begins at a conductor, shape (conductors,)."""
    phase: Ints
    """Phase measured (0-based), ``HIGHEST`` or ``LOWEST``, shape (n,)."""
    distant_at: Ints
    """Node regulated elsewhere; ground where there is none, shape (n,)."""
    distant_scale: npt.NDArray[np.float64]
    """Local over distant ratio of the voltage transformers, shape (n,)."""
    v_local: Complex
    v_distant: Complex
    i_local: Complex
    s_forward_w: npt.NDArray[np.float64]


def wire(grid: Grid) -> TapChangerInputs:
    """Return the wiring of the relays of all regulators, in network order."""
    regulators = grid.network.regulators
    n = len(regulators)
    rows = grid.terminal_rows([(f"regulator.{r.name}", r.measured_winding) for r in regulators])
    counts: list[int] = []
    back: list[int] = []
    for r in regulators:
        begin = sum(counts)
        block = grid.blocks[f"regulator.{r.name}"]
        counts.append(int(np.count_nonzero(block.terminal == r.measured_winding)))
        back += [begin + _other_end(r, c, counts[-1]) for c in range(counts[-1])]
    return TapChangerInputs(
        rows=rows,
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        phases=np.array([r.transformer.phases for r in regulators], np.int32),
        back=np.array(back, np.int32),
        phase=np.array([_phase(r) for r in regulators], np.int32),
        distant_at=np.array([_distant_node(grid, r) for r in regulators], np.int32),
        distant_scale=np.array([r.pt_ratio / r.remote_pt_ratio for r in regulators], np.float64),
        v_local=np.zeros(n, np.complex128),
        v_distant=np.zeros(n, np.complex128),
        i_local=np.zeros(n, np.complex128),
        s_forward_w=np.zeros(n),
    )


def _other_end(r: Regulator, conductor: int, count: int) -> int:
    """Return the conductor at the other end of the coil that begins at one: neutral, or the next phase."""
    if r.transformer.windings[r.measured_winding - 1].conn == "delta":
        return (conductor + 1) % count
    return min(r.transformer.phases, count - 1)


def _phase(r: Regulator) -> int:
    special = {"max": HIGHEST, "min": LOWEST}.get(r.measured_phase)
    return special if special is not None else min(int(r.measured_phase), r.transformer.phases) - 1


def _distant_node(grid: Grid, r: Regulator) -> int:
    if not (r.controlled_bus and r.controlled_node):
        return grid.n
    return grid.node_at(grid.nodes.index[f"{r.controlled_bus}.{r.controlled_node}"])


@kernel
def sense(p, v, unit, w):  # type: ignore[no-untyped-def]
    """Read the present solution into ``v_local``, ``v_distant``, ``i_local`` and ``s_forward_w``."""
    at, back, found = w.rows.at, w.back, w.rows.i_a
    row_currents(v, unit, w.rows, 0, at.shape[0])
    for i in range(w.phases.shape[0]):
        begin = w.first[i]
        forward, chosen = 0.0, -1.0
        for c in range(begin, w.first[i + 1]):
            current = found[c]
            forward -= (v[at[c]] * current.conjugate()).real
            k = c - begin
            if k >= w.phases[i]:
                continue
            across = v[at[c]] - v[at[back[c]]]
            seen = abs(relay_voltage(p, i, across, current))
            is_better = seen > chosen if w.phase[i] == HIGHEST else seen < chosen
            if k == w.phase[i] or (w.phase[i] < 0 and (k == 0 or is_better)):
                chosen = seen
                w.v_local[i] = across
                w.i_local[i] = current
        w.s_forward_w[i] = forward
        w.v_distant[i] = v[w.distant_at[i]] * w.distant_scale[i]
