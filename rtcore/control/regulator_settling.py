"""Where step-voltage regulators come to rest for a given load: quasi-static, no time.

Each regulator outside its band asks for 70 % of the taps, at least one, that would bring its
relay voltage nearest to the set value (moving all the way overshoots: the load follows the
voltage); all move together, the network is solved again, until none asks. The relay sees
V/PT + (R + jX) I/CT with I into the tapped winding, and the first-customer limit caps the
voltage (line-drop compensation as in OpenDSS' RegControl).
"""

from __future__ import annotations

import numpy as np

from rtcore.network.grid import Grid
from rtcore.network.model import Regulator

ROUNDS_MAX = 40
STRIDE = 0.7
"""Share of the needed taps made in one round; OpenDSS' static control uses the same."""


def settle(grid: Grid, taps: dict[str, int]) -> int:
    """Move ``taps`` (name -> position, updated) until every regulator rests; returns rounds.

    The grid must be solved and stands solved at the new taps afterwards.
    """
    for rounds in range(ROUNDS_MAX):
        moves = {r.name: _wanted_move(grid, r, taps[r.name]) for r in grid.network.regulators}
        if not any(moves.values()):
            return rounds
        for name, move in moves.items():
            taps[name] += move
            grid.set_tap(name, taps[name])
        grid.refresh()
        grid.solve()
    return ROUNDS_MAX


def _wanted_move(grid: Grid, r: Regulator, tap: int) -> int:
    v_relay, limit_exceeded = relay_voltage(grid, r)
    error = r.vreg_v - v_relay
    if limit_exceeded:
        error = r.vlimit_v - v_relay if r.vlimit_v < r.vreg_v else min(error, 0.0)
    elif abs(error) <= r.band_v / 2.0:
        return 0
    winding = r.transformer.windings[r.tapped_winding - 1]
    base_v = winding.kv * 1e3 / (np.sqrt(3.0) if r.transformer.phases > 1 and winding.conn == "wye" else 1.0)
    needed = round(error * r.pt_ratio / base_v / r.step_pu)
    size = min(max(1, int(STRIDE * abs(needed))), r.max_tap_change)
    move = size if error > 0 else -size
    return max(-r.tap_highest, min(r.tap_highest, tap + move)) - tap


def relay_voltage(grid: Grid, r: Regulator) -> tuple[float, bool]:
    """Return the voltage at the relay [V] and whether the local limit is exceeded."""
    block = grid.blocks[f"regulator.{r.name}"]
    rows = np.flatnonzero(block.terminal == r.measured_winding)
    v = grid.voltages[block.nodes[rows]] * (block.nodes[rows] >= 0)
    phases = r.transformer.phases
    local = v[:phases] / r.pt_ratio
    if r.controlled_bus and r.controlled_node:
        node = grid.nodes.index[f"{r.controlled_bus}.{r.controlled_node}"]
        seen = np.array([grid.voltages[node] / r.pt_ratio])
    elif r.r_v or r.x_v:
        current = grid.terminal_current(f"regulator.{r.name}", r.measured_winding)
        seen = local + complex(r.r_v, r.x_v) * current[:phases] / r.ct_primary_a
    else:
        seen = local
    magnitude = np.abs(seen)
    chosen = {"max": magnitude.max, "min": magnitude.min}.get(r.measured_phase)
    v_relay = float(chosen()) if chosen else float(magnitude[_phase_index(r, len(magnitude))])
    return v_relay, bool(r.vlimit_v > 0.0 and np.abs(local).max() > r.vlimit_v)


def _phase_index(r: Regulator, n: int) -> int:
    return min(int(r.measured_phase) - 1, n - 1)
