"""The network as the estimator sees it under one status: states, currents, what is known exactly.

States are complex: the voltage of every live node and, as states of their own, the currents that
measurements are made of: through every closed pole of a switch, injected at every node that something is
connected to, into every metered terminal [all pu]. A breaker of 0.1 microhm then costs no digits, and what is
measured never multiplies the large admittances of short lines: they stand in the exact relations alone (the
idea of generalised state estimation: Abur and Exposito, "Power System State Estimation", chapter 8; with the
currents eliminated the iteration comes to rest at 3e-7 pu on the 240-bus system instead of 1e-12). Dead nodes
are no states, but for conductors beside live ones; what is measured there is compared with zero.

Exact in every state: Kirchhoff's law at every node; no current in sum where only loads between phases are;
the drop at a closed pole; the upstream EMFs are a balanced set, unless they are said to be free. All of it is
linear in rectangular coordinates.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rtcore.network import admittance as adm
from rtcore.network.model import Network, Source
from rtcore.network.topology import islands

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

S_BASE_VA = 1e6 / 3.0
"""Power base of one phase [VA]."""
EPS_S = 1e-12
"""Shunt at every node, as the plant's solver has it: no part of the network floats [S]."""

Upstream = Literal["balanced", "free"]


@dc.dataclass(frozen=True, slots=True)
class Status:
    """How everything is switched.

    Attributes
    ----------
    switches : mapping
        Name -> closed, for all poles or pole by pole.
    taps, capacitors : mapping
        Name -> position of a regulator; name -> in service.
    ders : frozenset of str
        Machines and batteries that hold a voltage: an island without a source lives on one.
    """

    switches: Mapping[str, bool | tuple[bool, ...]]
    taps: Mapping[str, int]
    capacitors: Mapping[str, bool]
    ders: frozenset[str] = frozenset()

    @classmethod
    def of(cls, network: Network) -> Status:
        """Return what the network files state."""
        return cls(
            {s.name: s.is_closed for s in network.switches},
            {r.name: r.tap for r in network.regulators},
            {c.name: True for c in network.capacitors},
        )

    def with_switch(self, name: str, is_closed: bool | tuple[bool, ...]) -> Status:
        """Return the same with one switch in another position."""
        return dc.replace(self, switches={**self.switches, name: is_closed})

    def with_tap(self, name: str, tap: int) -> Status:
        """Return the same with one regulator at another tap."""
        return dc.replace(self, taps={**self.taps, name: tap})

    def poles(self, name: str, n: int) -> tuple[bool, ...]:
        """Return which of ``n`` poles are closed."""
        position = self.switches[name]
        return position if isinstance(position, tuple) else (position,) * n


class Frame:
    """What does not depend on the status: nodes, blocks, who injects where."""

    def __init__(self, network: Network, upstream: Upstream) -> None:
        self.network, self.upstream = network, upstream
        self.nodes = adm.node_table(network)
        self.n = len(self.nodes.names)
        self.base_v = np.maximum(self.nodes.base_v, 1.0)
        self.blocks = {b.element: b for b in adm.blocks(network, self.nodes)}
        self.parts = {r.name: adm.regulator_parts(r, self.nodes) for r in network.regulators}
        self.ratio = {r.name: r.ratio for r in network.regulators}
        self.emfs = adm.emf_sources(network)
        self.branches = adm.load_branches(network, self.nodes)
        self._group_loads()

    def _group_loads(self) -> None:
        """Nodes tied by load branches: a group that does not touch ground injects nothing in sum."""
        a, b = self.branches.a, self.branches.b
        ground = self.n
        a, b = np.where(a < 0, ground, a), np.where(b < 0, ground, b)
        ends = list(zip(a.tolist(), b.tolist(), strict=True))
        for der in self.network.ders:
            ends += [(i, ground) for i in self.nodes.of(der.bus, der.nodes) if i >= 0]
        for source in self.network.sources:
            ends += [(i, ground) for i in self.nodes.of(source.bus, source.nodes) if i >= 0]
            if source.return_bus:
                ends += [(i, ground) for i in self.nodes.of(source.return_bus, source.return_nodes) if i >= 0]
        table = np.array(ends, np.int64).reshape(-1, 2)
        island = islands(self.n + 1, table[:, 0], table[:, 1])
        free = island != island[ground]
        found = [np.flatnonzero(island == g) for g in np.unique(island[:-1][free[:-1]])]
        self.groups = [g for g in found if len(g) > 1]
        self.may_inject = np.ones(self.n, np.bool_)
        self.may_inject[[int(g[0]) for g in found if len(g) == 1]] = False

    def block_y(self, element: str, status: Status) -> Complex:
        """Return an element's admittance under a status, zero when it is out of service [S]."""
        kind, _, name = element.partition(".")
        block = self.blocks[element]
        if kind == "regulator":
            ya, yb, yc = self.parts[name]
            ratio = self.ratio[name](status.taps[name])
            return ya + yb / ratio + yc / ratio**2
        if kind == "capacitor" and not status.capacitors[name]:
            return np.zeros_like(block.y)
        return block.y


@dc.dataclass(frozen=True, slots=True)
class Pole:
    """A closed pole that carries a state of its own."""

    switch: str
    pole: int
    i: int
    j: int
    z_ohm: complex


class Model:
    """Currents and exact relations under one status, over the complex states.

    Parameters
    ----------
    frame : Frame
    status : Status
    metered : sequence of (element, terminal, conductor)
        Conductors (from 0) of branch terminals whose currents are wanted.

    Attributes
    ----------
    live : ndarray, shape (n_nodes,)
        Fed by an EMF.
    has_state : ndarray, shape (n_nodes,)
        Live, or coupled to what is live (behind one open pole): nothing is injected there, and it is dead.
    state : ndarray, shape (n_nodes,)
        Number of a node's voltage among the states, -1 where there is none.
    injection_state : ndarray, shape (n_nodes,)
        Number of the injected current, -1 where none can be or the node is dead.
    island : ndarray, shape (n_nodes,)
    poles : list of Pole
        Their currents are states, from ``i`` to ``j``.
    n_basic : int
        Voltages and currents of poles come first among the states; the others follow from them.
    exact : csr_array, complex, shape (n_exact, n_states)
        Rows times states are 0.
    references : list of csr_array
        Functionals of the states whose imaginary part is 0: one for each live island.
    """

    def __init__(self, frame: Frame, status: Status, metered: Sequence[tuple[str, int, int]] = ()) -> None:
        self.frame, self.status = frame, status
        n = frame.n
        static = [e for e in frame.blocks if e.partition(".")[0] not in ("switch", "source", "der")]
        self.block_y = {e: frame.block_y(e, status) for e in static}
        closed = self._closed_poles()
        self.island = self._islands(closed, couples=False)
        self.live = self._fed(self.island)
        self.has_state = self._fed(self._islands(closed, couples=True))
        self.state = np.full(n, -1, np.int64)
        self.n_voltages = int(np.count_nonzero(self.has_state))
        self.state[self.has_state] = np.arange(self.n_voltages)
        self.poles = [p for p in closed if self.has_state[p.i]]
        self.n_basic = self.n_voltages + len(self.poles)
        self.pole_state = {(p.switch, p.pole): self.n_voltages + k for k, p in enumerate(self.poles)}
        self._kirchhoff = self._leaving()
        self._number_currents(metered)
        self.exact = self._exact()
        self.references = self._references()

    def _number_currents(self, metered: Sequence[tuple[str, int, int]]) -> None:
        at = np.flatnonzero(self.frame.may_inject & self.live)
        self.injection_state = np.full(self.frame.n, -1, np.int64)
        self.injection_state[at] = self.n_basic + np.arange(len(at))
        self._rows: list[sp.csr_array] = [self._kirchhoff[at.tolist()]]
        self.current_state = {}
        self.n_states = self.n_basic + len(at)
        for key in dict.fromkeys(metered):
            row = self._into(*key)
            if row is not None:
                self.current_state[key] = self.n_states
                self.n_states += 1
                self._rows.append(row)

    def complete(self, basic: Complex) -> Complex:
        """Return all states, from voltages and currents of poles; shape (n_states,)."""
        return np.concatenate([basic, *(r @ basic for r in self._rows)])

    # -- topology ----------------------------------------------------------------------

    def _closed_poles(self) -> list[Pole]:
        nodes, found = self.frame.nodes, []
        for s in self.frame.network.switches:
            ends = zip(nodes.of(s.bus1, s.nodes1), nodes.of(s.bus2, s.nodes2), strict=True)
            states = self.status.poles(s.name, len(s.nodes1))
            for pole, ((i, j), is_closed) in enumerate(zip(ends, states, strict=True)):
                if is_closed and i >= 0 and j >= 0 and i != j:
                    found.append(Pole(s.name, pole, i, j, complex(s.r_ohm, s.x_ohm)))
        return found

    def _islands(self, closed: list[Pole], *, couples: bool) -> Ints:
        """Return islands of what is joined; with ``couples`` conductors of one line belong together, too."""
        a, b = [p.i for p in closed], [p.j for p in closed]
        for element, y in self.block_y.items():
            at = self.frame.blocks[element].nodes
            joined = np.triu((y != 0) | (y != 0).T, 1)
            if element.startswith("line.") and not couples:
                conductor = np.arange(len(at)) % (len(at) // 2)
                joined &= conductor[:, None] == conductor
            for r, c in zip(*np.nonzero(joined), strict=True):
                if at[r] >= 0 and at[c] >= 0:
                    a.append(int(at[r]))
                    b.append(int(at[c]))
        for found in self.emf_nodes().values():  # the phases of one machine live and die together
            a += found[:-1]
            b += found[1:]
        return islands(self.frame.n, np.array(a, np.int64), np.array(b, np.int64))

    def emf_nodes(self) -> dict[str, list[int]]:
        """Return the nodes of every EMF that is in service."""
        found = {}
        for element, source in self.frame.emfs.items():
            kind, _, name = element.partition(".")
            if kind == "source" or name in self.status.ders:
                found[element] = [i for i in self.frame.nodes.of(source.bus, source.nodes) if i >= 0]
        return found

    def _fed(self, island: Ints) -> Bools:
        fed = [i for found in self.emf_nodes().values() for i in found]
        return np.asarray(np.isin(island, np.unique(island[fed])))

    # -- currents ----------------------------------------------------------------------

    def _leaving(self) -> sp.csr_array:
        """What leaves every node into elements [pu], over the basic states; rows of dead nodes are empty."""
        base = self.frame.base_v
        rows: list[npt.NDArray[np.int64]] = []
        columns: list[npt.NDArray[np.int64]] = []
        values: list[Complex] = []
        for element, y in self.block_y.items():
            at = self.frame.blocks[element].nodes
            r, c = np.nonzero(y)
            keep = (at[r] >= 0) & (at[c] >= 0)
            r, c = r[keep], c[keep]
            i, j = at[r], at[c]
            rows.append(i)
            columns.append(self.state[j])
            values.append(y[r, c] * base[i] * base[j] / S_BASE_VA)
        here = np.flatnonzero(self.has_state)
        rows.append(here)
        columns.append(self.state[here])
        values.append((EPS_S * base[here] ** 2 / S_BASE_VA).astype(np.complex128))
        for k, pole in enumerate(self.poles):
            column = self.n_voltages + k
            rows.append(np.array([pole.i, pole.j]))
            columns.append(np.array([column, column]))
            values.append(np.array([1.0, -base[pole.j] / base[pole.i]], np.complex128))
        i, j, y = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        keep = self.has_state[i] & (j >= 0)
        return sp.csr_array((y[keep], (i[keep], j[keep])), shape=(self.frame.n, self.n_basic))

    def _into(self, element: str, terminal: int, conductor: int) -> sp.csr_array | None:
        """Return the current into an element at one conductor, over the basic states.

        In pu of the conductor's node: S base over its voltage base. None: no current can be there.
        """
        kind, _, name = element.partition(".")
        block = self.frame.blocks[element]
        row = int(np.flatnonzero(block.terminal == terminal)[conductor])
        at, base = block.nodes, self.frame.base_v
        if at[row] < 0 or not self.has_state[at[row]]:
            return None
        if kind == "switch":
            column = self.pole_state.get((name, conductor))
            if column is None:
                return None
            pole = self.poles[column - self.n_voltages]
            sign = 1.0 if terminal == 1 else -base[at[row]] / base[pole.i]
            table = (np.array([sign], np.complex128), ([0], [column]))
            return sp.csr_array(table, shape=(1, self.n_basic))
        y = self.block_y[element][row]
        use = np.array(
            [k for k in range(len(at)) if y[k] != 0 and at[k] >= 0 and self.has_state[at[k]]], np.int64
        )
        if not len(use):
            return None
        values = y[use] * base[at[row]] * base[at[use]] / S_BASE_VA
        return sp.csr_array((values, (np.zeros(len(use), int), self.state[at[use]])), shape=(1, self.n_basic))

    # -- what is exact -----------------------------------------------------------------

    def _exact(self) -> sp.csr_array:
        base = self.frame.base_v
        parts = [self._balances_at_nodes(), self._wide(self.drops())]
        for group in (g[self.live[g]] for g in self.frame.groups):
            if len(group):
                at = (np.zeros(len(group), int), self.injection_state[group])
                ratio = base[group[0]] / base[group] + 0j
                parts.append(sp.csr_array((ratio, at), shape=(1, self.n_states)))
        for column in self.current_state.values():
            row = self._wide(self._rows[1 + column - self._first_metered])
            parts.append(sp.csr_array(row - self._unit(column)))
        if self.frame.upstream == "balanced":
            grid = [s for e, s in self.frame.emfs.items() if e.startswith("source.")]
            parts += [row for source in grid for row in self._balance(source)]
        # Rows keep the strength of their lines: scaled to one size, they cost the steps three digits.
        return sp.csr_array(sp.vstack([p for p in parts if p.shape[0]]))

    @property
    def _first_metered(self) -> int:
        return self.n_states - len(self.current_state)

    def _wide(self, rows: sp.csr_array) -> sp.csr_array:
        """Return rows over the basic states as rows over all."""
        shape = (rows.shape[0], self.n_states)
        return sp.csr_array((rows.data, rows.indices, rows.indptr), shape=shape)

    def _unit(self, column: int) -> sp.csr_array:
        return sp.csr_array((np.ones(1, np.complex128), ([0], [column])), shape=(1, self.n_states))

    def _balances_at_nodes(self) -> sp.csr_array:
        """Kirchhoff's law: what leaves a node into elements is what is injected there."""
        here = np.flatnonzero(self.has_state)
        injected = self.injection_state[here]
        some = np.flatnonzero(injected >= 0)
        ones = np.ones(len(some), np.complex128)
        minus = sp.csr_array((ones, (some, injected[some])), shape=(len(here), self.n_states))
        return sp.csr_array(self._wide(self._kirchhoff[here.tolist()]) - minus)

    def drops(self) -> sp.csr_array:
        """Return V_i - V_j - z I of every closed pole as rows over the basic states."""
        base, rows, columns, values = self.frame.base_v, [], [], []
        for k, p in enumerate(self.poles):
            rows += [k, k, k]
            columns += [int(self.state[p.i]), int(self.state[p.j]), self.n_voltages + k]
            values += [1.0, -base[p.j] / base[p.i], -p.z_ohm * S_BASE_VA / base[p.i] ** 2]
        table = np.array(values, np.complex128)
        return sp.csr_array((table, (rows, columns)), shape=(len(self.poles), self.n_basic))

    def kirchhoff(self) -> sp.csr_array:
        """Return what leaves every node with a state into elements, as rows over the basic states."""
        return sp.csr_array(self._kirchhoff[np.flatnonzero(self.has_state).tolist()])

    def _emf_rows(self, source: Source) -> sp.csr_array | None:
        """EMF behind every phase of a source, E = V + Z I [pu]; None where it is not a plain one."""
        at = self.frame.nodes.of(source.bus, source.nodes)
        if source.return_bus or min(at) < 0 or not self.live[at[0]]:
            return None
        z = adm.source_impedance(source) * S_BASE_VA
        base = self.frame.base_v[at]
        behind = sp.csr_array(z / np.outer(base, base))
        ones = np.ones(len(at), np.complex128)
        v = sp.csr_array((ones, (np.arange(len(at)), self.state[at])), shape=(len(at), self.n_states))
        j = (ones, (np.arange(len(at)), self.injection_state[at]))
        return sp.csr_array(v + behind @ sp.csr_array(j, shape=(len(at), self.n_states)))

    def _balance(self, source: Source) -> list[sp.csr_array]:
        rows = self._emf_rows(source)
        if rows is None or source.phases < 2:
            return []
        e = adm.source_emf(source)
        ratio = e / e[0] * self.frame.base_v[self.frame.nodes.of(source.bus, source.nodes)[0]]
        ratio = ratio / self.frame.base_v[self.frame.nodes.of(source.bus, source.nodes)]
        return [sp.csr_array(rows[[k]] - ratio[k] * rows[[0]]) for k in range(1, source.phases)]

    def _references(self) -> list[sp.csr_array]:
        """One angle for every live island: that of its first EMF, or of the node that holds its voltage."""
        found, seen = [], set[int]()
        for element, at in self.emf_nodes().items():
            island = int(self.island[at[0]])
            if island in seen:
                continue
            seen.add(island)
            source = self.frame.emfs[element]
            is_balanced = self.frame.upstream == "balanced" and element.startswith("source.")
            rows = self._emf_rows(source) if is_balanced else None
            if rows is not None:
                turn = np.exp(-1j * np.angle(adm.source_emf(source)[0]))
                found.append(sp.csr_array(rows[[0]] * turn))
            else:
                turn = np.exp(-1j * np.angle(adm.source_emf(source)[0]))
                row = (np.array([turn]), ([0], [int(self.state[at[0]])]))
                found.append(sp.csr_array(row, shape=(1, self.n_states)))
        return found
