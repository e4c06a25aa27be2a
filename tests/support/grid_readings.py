"""What perfect meters would show of a solved ``Grid``: values that owe nothing to the estimator."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from estimation.measurements import Kind, Measurement
from estimation.network_model import Frame
from hil import paths
from hil.network_files import read_network
from rtcore.network.grid import Grid

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

BRANCHES = ("line", "switch", "transformer", "regulator")
V_SIGMA_FRAC, S_SIGMA_FRAC, S_SIGMA_VA, I_SIGMA_A = 0.002, 0.02, 100.0, 0.5


def solved(name: str) -> Grid:
    """Return a shipped network with its nominal loads, solved."""
    grid = Grid(read_network(paths.find("networks", name)))
    grid.solve()
    return grid


def re_solved(grid: Grid) -> Grid:
    """Solve again after something was switched."""
    grid.refresh()
    grid.solve()
    return grid


@dc.dataclass
class Readings:
    """Currents of a solution: into every conductor of every element, injected at every node [A]."""

    grid: Grid

    def __post_init__(self) -> None:
        self.v = self.grid.voltages
        self.into: dict[tuple[str, int], Complex] = {}
        self.injected = np.zeros(len(self.v), np.complex128)
        for element, block in self.grid.blocks.items():
            if element.partition(".")[0] in ("source", "der"):
                continue
            for terminal in sorted(set(block.terminal.tolist())):
                current = self.grid.terminal_current(element, terminal)
                self.into[element, terminal] = current
                at = block.nodes[block.terminal == terminal]
                np.add.at(self.injected, at[at >= 0], current[at >= 0])

    def value(self, m: Measurement) -> float:
        """Return what a measurement is [SI]."""
        at = list(self.grid.nodes.of(m.element, m.nodes)) if m.terminal == 0 else self._conductors(m)
        if m.kind is Kind.V_MAG:
            return float(np.abs(self.v[at[0]]))
        if m.kind is Kind.V_ANG:
            return float(np.degrees(np.angle(self.v[at[0]])))
        if m.terminal == 0:
            s = complex(np.sum(self.v[at] * np.conj(self.injected[at])))
            return s.real if m.kind is Kind.P_INJ else s.imag
        block = self.grid.blocks[m.element]
        nodes = block.nodes[block.terminal == m.terminal][at]
        current = self.into[m.element, m.terminal][at]
        s = complex(np.sum(self.v[nodes] * np.conj(current)))
        return {Kind.P_FLOW: s.real, Kind.Q_FLOW: s.imag, Kind.I_MAG: float(np.abs(current[0]))}[m.kind]

    def _conductors(self, m: Measurement) -> list[int]:
        """Places among the conductors of a terminal."""
        block = self.grid.blocks[m.element]
        nodes = block.nodes[block.terminal == m.terminal].tolist()
        names = self.grid.nodes.names
        wanted = {i for i, n in enumerate(names) if int(n.rpartition(".")[2]) in m.nodes}
        return [k for k, i in enumerate(nodes) if i in wanted]

    def values(self, measurements: Iterable[Measurement]) -> Floats:
        """Return what all of them are [SI]."""
        return np.array([self.value(m) for m in measurements])

    def scan(self, measurements: Sequence[Measurement]) -> tuple[Floats, Floats]:
        """Return exact values, and the sigmas of ordinary meters [SI]."""
        z = self.values(measurements)
        return z, np.array([_sigma(m, abs(x)) for m, x in zip(measurements, z, strict=True)])


def _sigma(m: Measurement, size: float) -> float:
    if m.kind is Kind.V_MAG:
        return max(V_SIGMA_FRAC * size, 0.1)
    if m.kind is Kind.V_ANG:
        return 0.05
    return max(0.01 * size, I_SIGMA_A) if m.kind is Kind.I_MAG else S_SIGMA_FRAC * size + S_SIGMA_VA


def at_node(kind: Kind, name: str) -> Measurement:
    """Return a measurement of a node, ``671.1``."""
    bus, _, node = name.rpartition(".")
    return Measurement(name=f"{kind} {name}", kind=kind, element=bus, nodes=(int(node),))


def into(kind: Kind, element: str, terminal: int, nodes: tuple[int, ...]) -> Measurement:
    """Return a measurement of a branch."""
    name = f"{kind} {element}:{terminal}.{'.'.join(map(str, nodes))}"
    return Measurement(name=name, kind=kind, element=element, terminal=terminal, nodes=nodes)


def voltages(grid: Grid, every: int = 1) -> list[Measurement]:
    """Return magnitudes at every so-manieth node."""
    return [at_node(Kind.V_MAG, n) for n in grid.nodes.names[::every]]


def loads(grid: Grid) -> list[Measurement]:
    """Return P and Q at every node with a load."""
    nodes = dict.fromkeys(f"{d.bus}.{n}" for d in grid.network.loads for n in d.nodes if n > 0)
    return [at_node(kind, n) for kind in (Kind.P_INJ, Kind.Q_INJ) for n in nodes]


def loads_once(grid: Grid) -> list[Measurement]:
    """Return the same without what the others say: currents between phases add up to zero."""
    told = {grid.nodes.names[int(g[-1])] for g in Frame(grid.network, "balanced").groups}
    return [m for m in loads(grid) if f"{m.element}.{m.nodes[0]}" not in told]


def flows(grid: Grid, kinds: Sequence[str] = BRANCHES) -> list[Measurement]:
    """Return P, Q and magnitude of current at the first terminal of every branch, conductor by conductor."""
    found = []
    for element, block in grid.blocks.items():
        if element.partition(".")[0] not in kinds:
            continue
        nodes = block.nodes[block.terminal == 1]
        for i in nodes[nodes >= 0].tolist():
            node = (int(grid.nodes.names[i].rpartition(".")[2]),)
            found += [into(k, element, 1, node) for k in (Kind.P_FLOW, Kind.Q_FLOW, Kind.I_MAG)]
    return found
