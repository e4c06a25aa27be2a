"""A solved network as a measurement file would have it: rows ``kind,element,phase,value,sigma``."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rtcore.network.grid import Grid

Row = tuple[str, str, str, float, float]
V_SIGMA_PU, S_SIGMA, I_SIGMA = 1e-3, 1e3, 1.0
HEADING = "kind,element,phase,value,sigma"


@dc.dataclass
class MeasuredGrid:
    """Exact measurements of a solved grid, by bus and by end of a branch.

    Flows are positive into the element, injections into the network: what leaves a node into branches.
    """

    grid: Grid

    def __post_init__(self) -> None:
        grid = self.grid
        self.v = dict(zip(grid.nodes.names, grid.voltages.tolist(), strict=True))
        self.base_v = dict(zip(grid.nodes.names, grid.nodes.base_v.tolist(), strict=True))
        self.current: dict[tuple[str, str], dict[str, complex]] = {}
        self.injected = dict.fromkeys(self.v, 0j)
        for element, block in grid.blocks.items():
            if element.startswith(("source.", "der.")):
                continue
            for terminal in np.unique(block.terminal).tolist():
                at = block.nodes[block.terminal == terminal].tolist()
                for node, i_a in zip(at, grid.terminal_current(element, terminal).tolist(), strict=True):
                    if node < 0:
                        continue
                    name = grid.nodes.names[node]
                    bus, _, number = name.rpartition(".")
                    self.current.setdefault((element, bus), {})[number] = i_a
                    self.injected[name] += self.v[name] * i_a.conjugate()

    def voltages(self, buses: Iterable[str]) -> list[Row]:
        """Magnitudes at every node of buses."""
        at = [n for n in self.v if n.rpartition(".")[0] in set(buses)]
        return [("v_mag", *self._named(n), abs(self.v[n]), V_SIGMA_PU * self.base_v[n]) for n in at]

    def angles(self, buses: Iterable[str]) -> list[Row]:
        """Angles at every node of buses."""
        at = [n for n in self.v if n.rpartition(".")[0] in set(buses)]
        return [("v_ang", *self._named(n), float(np.degrees(np.angle(self.v[n]))), 0.05) for n in at]

    def injections(self) -> list[Row]:
        """P and Q at every node that a load is connected to."""
        at = dict.fromkeys(f"{x.bus}.{k}" for x in self.grid.network.loads for k in x.nodes if k)
        rows: list[Row] = []
        for n in at:
            s = self.injected[n]
            rows.append(("p_inj", *self._named(n), s.real, S_SIGMA))
            rows.append(("q_inj", *self._named(n), s.imag, S_SIGMA))
        return rows

    def flows(self, element: str, bus: str) -> list[Row]:
        """P, Q and I of every phase at one end of a branch."""
        rows: list[Row] = []
        for number, i_a in self.current[element, bus].items():
            s = self.v[f"{bus}.{number}"] * i_a.conjugate()
            place = f"{element}@{bus}"
            rows.append(("p_flow", place, number, s.real, S_SIGMA))
            rows.append(("q_flow", place, number, s.imag, S_SIGMA))
            rows.append(("i_mag", place, number, abs(i_a), I_SIGMA))
        return rows

    def _named(self, node: str) -> tuple[str, str]:
        bus, _, number = node.rpartition(".")
        return bus, number


def write(path: Path, rows: Sequence[Row], more: Iterable[str] = ()) -> Path:
    """Write a measurement file, ``more`` being further lines as they are."""
    lines = [HEADING, *(",".join(str(x) for x in row) for row in rows), *more]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
