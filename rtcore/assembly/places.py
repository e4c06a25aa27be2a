"""Where instruments and mechanisms sit in an assembled network: rows, nodes and unit numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtcore.network.grid import Grid


def terminal_named(name: str) -> tuple[str, int]:
    """Return (element, terminal) of a terminal's name "element@terminal"."""
    element, _, terminal = name.rpartition("@")
    return element, int(terminal)


def _phase_of(name: str) -> int:
    """Return 0..2 for nodes 1..3, -1 for any other (neutral) node."""
    digit = int(name.rpartition(".")[2])
    return digit - 1 if digit <= 3 else -1


def terminal_rows_of(grid: Grid, terminals: Sequence[tuple[str, int]]) -> tuple[Any, Any, Any]:
    """Return current rows of the phase conductors only, their terminal and their phase."""
    rows = grid.terminal_rows(terminals)
    name_at = {grid.node_at(i): name for i, name in enumerate(grid.nodes.names)}
    of, phase, r = [], [], 0
    for k, (element, terminal) in enumerate(terminals):
        for _ in np.flatnonzero(grid.blocks[element].terminal == terminal):
            at = int(rows.at[r])
            phase.append(_phase_of(name_at[at]) if at < grid.n else -1)
            of.append(k)
            r += 1
    keep = [i for i, p in enumerate(phase) if p >= 0]
    chosen = select_rows(rows, keep)
    return chosen, np.array(of, np.int32)[keep], np.array(phase, np.int32)[keep]


def select_rows(rows: Any, keep: Sequence[int]) -> Any:
    """Return the chosen rows of a table of terminal currents."""
    spans = [np.arange(rows.start[r], rows.start[r + 1]) for r in keep]
    entries = np.concatenate(spans).astype(np.int64) if spans else np.zeros(0, np.int64)
    start = np.concatenate([[0], np.cumsum([len(s) for s in spans])]).astype(np.int32)
    return rows._replace(
        start=start,
        node=rows.node[entries],
        unit=rows.unit[entries],
        a=rows.a[entries],
        b=rows.b[entries],
        c=rows.c[entries],
        at=rows.at[list(keep)].astype(np.int32),
        line=rows.line[list(keep)].astype(np.int32),
        end=rows.end[list(keep)].astype(np.int32),
        i_a=np.zeros(len(keep), np.complex128),
    )


def first_rows(grid: Grid, terminals: Sequence[tuple[str, int]]) -> Any:
    """Return where the rows of each terminal begin, and one past the last."""
    counts = [int(np.sum(grid.blocks[e].terminal == t)) for e, t in terminals]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def branch_numbers(grid: Grid) -> Any:
    """Return the number of each load branch within its load (0, 1, 2)."""
    load = grid.arrays.loads.load
    seen: dict[int, int] = {}
    numbers = []
    for i in load.tolist():
        numbers.append(seen.get(i, 0))
        seen[i] = numbers[-1] + 1
    return np.array(numbers, np.int32)


def bus_nodes(grid: Grid, buses: Sequence[str]) -> Any:
    """Return the nodes of phases a, b, c of each bus, -1 where there is none, shape (n, 3)."""
    index = grid.nodes.index
    at = [[index.get(f"{b}.{k}", -1) for k in (1, 2, 3)] for b in buses]
    return np.array([[grid.node_at(i) if i >= 0 else -1 for i in row] for row in at], np.int32).reshape(-1, 3)


def poles(grid: Grid, names: Sequence[str]) -> Any:
    """Return the unit of the pole in each phase of each switch, -1 where there is none, shape (n, 3)."""
    switches = {s.name: s for s in grid.network.switches}
    table = np.full((len(names), 3), -1, np.int32)
    for i, name in enumerate(names):
        for unit, node in zip(grid.units[f"switch.{name}"], switches[name].nodes1, strict=True):
            if node <= 3:
                table[i, node - 1] = unit
    return table


def unit_numbers(grid: Grid, elements: Sequence[str]) -> Any:
    """Return the unit of each element that has one."""
    return np.array([grid.units[e][0] for e in elements], np.int32)
