"""Supply: what is fed under a status, and which part of the network a switching touches.

A switching moves currents in the feeders that it is in, and with them the voltages there. What hangs on other
feeders of the same busbar hardly notices. The busbar is where the way from a source branches first; if every
branch begins with a switch (a breaker), each branch is a feeder. Otherwise there is no busbar, and everything
that hangs together is one feeder: on a line that branches, all voltages share a drop.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from estimation.network_model import Frame, Status
from rtcore.network.topology import islands

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Supply:
    """What is fed, for many statuses of one network: as ``Model.live``, without the rest of a model.

    Taps do not matter, nor do capacitors: those that join nodes join phases of one bus.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        status = Status.of(frame.network)
        pairs: list[tuple[int, int]] = []
        for element, block in frame.blocks.items():
            kind = element.partition(".")[0]
            if kind in ("switch", "source", "der", "capacitor"):
                continue
            y, at = frame.block_y(element, status), block.nodes
            joined = np.triu((y != 0) | (y != 0).T, 1)
            if kind == "line":  # coupling is no supply
                conductor = np.arange(len(at)) % (len(at) // 2)
                joined &= conductor[:, None] == conductor
            rows, columns = np.nonzero(joined)
            pairs += [(i, j) for i, j in zip(at[rows].tolist(), at[columns].tolist(), strict=True)]
        self._fixed: Ints = np.array([(i, j) for i, j in pairs if i >= 0 and j >= 0], np.int64).reshape(-1, 2)
        nodes = frame.nodes
        self._poles = {
            s.name: np.array([nodes.of(s.bus1, s.nodes1), nodes.of(s.bus2, s.nodes2)], np.int64).T
            for s in frame.network.switches
        }

    def live(self, status: Status) -> Bools:
        """Return which nodes an EMF feeds, shape (n_nodes,)."""
        emfs = emf_nodes(self._frame, status)
        machines = [pair for at in emfs for pair in itertools.pairwise(at)]
        parts = [self._fixed, np.array(machines, np.int64).reshape(-1, 2)]
        for name, ends in self._poles.items():
            closed = ends[np.array(status.poles(name, len(ends)), np.bool_)]
            parts.append(closed[(closed >= 0).all(axis=1)])
        table = np.concatenate(parts)
        island = islands(self._frame.n, table[:, 0], table[:, 1])
        return np.asarray(np.isin(island, np.unique(island[[i for at in emfs for i in at]])))


def emf_nodes(frame: Frame, status: Status) -> list[list[int]]:
    """Return the nodes of every EMF that is in service."""
    return [
        [i for i in frame.nodes.of(source.bus, source.nodes) if i >= 0]
        for element, source in frame.emfs.items()
        if element.startswith("source.") or element.partition(".")[2] in status.ders
    ]


class Feeders:
    """Buses by feeders.

    Parameters
    ----------
    frame : Frame

    Attributes
    ----------
    trunk : frozenset of str
        Buses from the sources to their busbars: no feeder's own.
    """

    def __init__(self, frame: Frame) -> None:
        names = [name.rpartition(".")[0] for name in frame.nodes.names]
        self._bus = {bus: k for k, bus in enumerate(dict.fromkeys(names))}
        self._bus_of_node: Ints = np.array([self._bus[n] for n in names], np.int64)
        self._switches = {s.name: (self._bus[s.bus1], self._bus[s.bus2]) for s in frame.network.switches}
        self._size = {s.name: len(s.nodes1) for s in frame.network.switches}
        self._fixed = self._edges(frame)
        self._trunk: set[int] = set()
        for source in frame.network.sources:
            self._trunk |= self._way(self._bus[source.bus])
        self.trunk = frozenset(bus for bus, k in self._bus.items() if k in self._trunk)

    def _edges(self, frame: Frame) -> list[tuple[int, int]]:
        """Return pairs of buses that something other than a switch joins."""
        found: set[tuple[int, int]] = set()
        for element, block in frame.blocks.items():
            if element.partition(".")[0] in ("switch", "source", "der"):
                continue
            at = sorted({int(self._bus_of_node[i]) for i in block.nodes.tolist() if i >= 0})
            found |= {(at[0], other) for other in at[1:]}
        return sorted(found)

    def _way(self, start: int) -> set[int]:
        """Return the buses from a source to its busbar; none where the way branches without switches.

        Open switches count: a feeder that is out of service is one.
        """
        beside: dict[int, dict[int, bool]] = {}
        both = [(e, False) for e in self._fixed] + [(e, True) for e in self._switches.values()]
        for (a, b), is_switch in both:
            for here, there in ((a, b), (b, a)):
                row = beside.setdefault(here, {})
                row[there] = is_switch and row.get(there, True)
        way, here = {start}, start
        while True:
            ahead = {bus: is_switch for bus, is_switch in beside.get(here, {}).items() if bus not in way}
            if len(ahead) != 1:
                return way if len(ahead) > 1 and all(ahead.values()) else set()
            (here,) = ahead
            way.add(here)

    def _parts(self, status: Status) -> Ints:
        """Return the feeder of every bus under a status; each bus of a trunk is one by itself."""
        closed = [ends for name, ends in self._switches.items() if any(status.poles(name, self._size[name]))]
        joined = [e for e in (*self._fixed, *closed) if not self._trunk.intersection(e)]
        table = np.array(joined, np.int64).reshape(-1, 2)
        return islands(len(self._bus), table[:, 0], table[:, 1])

    def touched(self, before: Status, after: Status) -> Bools:
        """Return which nodes are in a feeder that the switching between two statuses is in.

        A feeder counts as it was and as it is: what a tie takes over, and who takes it. A switch before the
        busbar touches everything.

        Returns
        -------
        ndarray, shape (n_nodes,)
        """
        moved = [n for n, (a, b) in self._switches.items() if self._differs(n, before, after) and a != b]
        ends = [k for name in moved for k in self._switches[name] if k not in self._trunk]
        if any(self._trunk.issuperset(self._switches[name]) for name in moved):
            return np.ones(len(self._bus_of_node), np.bool_)
        touched = np.zeros(len(self._bus), np.bool_)
        for parts in (self._parts(before), self._parts(after)):
            touched |= np.isin(parts, parts[ends])
        return np.asarray(touched[self._bus_of_node])

    def _differs(self, switch: str, before: Status, after: Status) -> bool:
        n = self._size[switch]
        return before.poles(switch, n) != after.poles(switch, n)
