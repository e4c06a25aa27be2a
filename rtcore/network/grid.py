"""A network, assembled and factored: what studies and the engine solve.

Built once from the element blocks; afterwards switches, taps, banks and faults only change
values in place.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rtcore.network import admittance as adm
from rtcore.network import fault_slots as slots
from rtcore.network import powerflow as pf
from rtcore.network.factor import Complex, Factor, Ints, make_factor, order, position
from rtcore.network.fault_table import fault_slots
from rtcore.network.grid_arrays import (
    FAULT_CAPACITY,
    FAULT_SLOTS,
    N_FAULTS,
    N_ITERATIONS,
    Emfs,
    Floats,
    GridArrays,
    Injections,
    Loads,
    TerminalRows,
)
from rtcore.network.model import Der, Network

EPS_S = 1e-12
"""Shunt at every node that keeps opened islands non-singular [S]."""

LINK_MIN_S = 1e-9
"""Admittances below this do not connect two nodes [S]."""

SWITCHED = ("source", "der", "switch", "regulator", "capacitor")
"""Element kinds whose admittance can change while running."""


class DivergedError(ArithmeticError):
    """The power flow did not converge; carries what is needed to find out why."""


@dc.dataclass(frozen=True, slots=True)
class Stamp:
    """One entry of a unit's admittance: Y[i, j] = a*f0 + b*f1 + c*f2."""

    i: int
    j: int
    unit: int
    is_link: bool
    a: complex
    b: complex
    c: complex


class Grid:
    """An assembled network.

    Attributes
    ----------
    nodes : NodeTable
        Names and base voltages in network order.
    at : ndarray, shape (n + 1,)
        Network order -> elimination order; the last entry (also ``at[-1]``) is ground.
    units : dict of str to tuple of int
        Element ("switch.cb_101") -> its unit numbers (switches: one per pole).
    emfs : tuple of str
        Elements that hold an EMF: sources, then machines and batteries.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes = adm.node_table(network)
        self.blocks = {b.element: b for b in adm.blocks(network, self.nodes)}
        self.emfs = tuple(adm.emf_sources(network))
        self.n = len(self.nodes.names)
        branches = adm.load_branches(network, self.nodes)
        pattern = _pattern(self.n, self.nodes.names, self.blocks.values(), branches)
        perm = order(pattern)
        self.at = np.empty(self.n + 1, np.int64)
        self.at[perm] = np.arange(self.n)
        self.at[self.n] = self.n
        permuted = sp.csc_array(pattern[perm][:, perm])
        permuted.sort_indices()
        self.units: dict[str, tuple[int, ...]] = {}
        self.arrays = self._assemble(permuted, branches)
        self.reset_switches()
        self.refresh()
        pf.start_cold(self.arrays)

    def node_at(self, node: int) -> int:
        """Return the elimination-order index of a network-order node (-1 is ground)."""
        return int(self.at[node])

    @property
    def voltages(self) -> Complex:
        """Node voltages in network order, shape (n,) [V]."""
        return np.asarray(self.arrays.v[self.at[:-1]])

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """Which nodes a source reaches, in network order, shape (n,)."""
        return np.asarray(self.arrays.live[self.at[:-1]] != 0)

    def refresh(self) -> None:
        """Refactor after any change of switches, taps, banks or faults."""
        pf.restamp(self.arrays)

    def solve(self, tol_pu: float = pf.TOL_STUDY_PU, iterations_max: int = pf.ITERATIONS_MAX) -> int:
        """Solve from the present state; returns iterations, raises DivergedError."""
        iterations = pf.fixed_point(self.arrays, tol_pu, iterations_max)
        if iterations < 0:
            raise DivergedError(f"power flow did not converge to {tol_pu} pu in {iterations_max} iterations")
        slots.measure_faults(self.arrays.v, self.arrays.live, self.arrays.faults)
        return int(iterations)

    @property
    def iterations(self) -> int:
        """Iterations of the last solution."""
        return int(self.arrays.counters[N_ITERATIONS])

    # -- what can change ---------------------------------------------------------------

    def reset_switches(self) -> None:
        """Put every switch, tap, bank and EMF where the network says; machines and batteries are out."""
        for element in self.emfs:
            self.arrays.unit[self.units[element][0]] = (float(element.startswith("source.")), 0.0, 0.0)
        for switch in self.network.switches:
            self.set_switch(switch.name, switch.is_closed)
        for regulator in self.network.regulators:
            self.set_tap(regulator.name, regulator.tap)

    def set_switch(self, name: str, is_closed: bool) -> None:
        """Open or close all poles of a switch; call ``refresh`` afterwards."""
        for u in self.units[f"switch.{name}"]:
            self.arrays.unit[u] = (float(is_closed), 0.0, 0.0)

    def set_tap(self, name: str, tap: int) -> None:
        """Move a regulator; call ``refresh`` afterwards."""
        ratio = next(r for r in self.network.regulators if r.name == name).ratio(tap)
        for u in self.units[f"regulator.{name}"]:
            self.arrays.unit[u] = (1.0, 1.0 / ratio, 1.0 / ratio**2)

    def set_capacitor(self, name: str, is_closed: bool) -> None:
        """Switch a capacitor bank; call ``refresh`` afterwards."""
        for u in self.units[f"capacitor.{name}"]:
            self.arrays.unit[u] = (float(is_closed), 0.0, 0.0)

    def set_loads(self, s_va: Complex) -> None:
        """Set the demand of every load, shape (n_loads,) [VA], in network order."""
        g = self.arrays.loads
        g.s[:] = s_va[g.load] * g.share

    def set_source(self, v_pu: float) -> None:
        """Set the EMF magnitude of every source [pu of its base]."""
        self.arrays.emfs.scale[: len(self.network.sources)] = v_pu

    def set_faults(self, faults: Sequence[tuple[int, int, complex]]) -> None:
        """Put fault admittances (network-order node, node or -1 for ground, siemens) in place."""
        if len(faults) > FAULT_CAPACITY:
            raise ValueError(f"{len(faults)} fault branches, at most {FAULT_CAPACITY} at once")
        a = self.arrays
        for k, (i, j, y) in enumerate(faults):
            pi, pj = self.node_at(i), self.node_at(j)
            if pi < self.n and pj < self.n and position(a.factor.ap, a.factor.ai, pi, pj) < 0:
                names = self.nodes.names
                raise ValueError(f"a fault joins nodes of one bus, not {names[i]} and {names[j]}")
            a.fault_i[k], a.fault_j[k], a.fault_y[k] = pi, pj, y
        a.counters[N_FAULTS] = len(faults)

    def set_place_fault(
        self, slot: int, place: int, kind: int, *, fraction: float = 0.5, phases: int = 0, r_ohm: float = 1e-4
    ) -> int:
        """Put a fault at a numbered place (``fault_table``); returns 0 or why it cannot be.

        Types, phase masks and refusals are those of ``fault_slots``; call ``refresh`` afterwards.
        """
        return int(slots.set_fault(self.arrays.faults, slot, place, fraction, kind, phases, r_ohm))

    def clear_faults(self) -> None:
        """Take all faults away, those at places and those of ``set_faults``; call ``refresh`` afterwards."""
        for slot in range(FAULT_SLOTS):
            slots.clear_fault(self.arrays.faults, slot)
        self.arrays.counters[N_FAULTS] = 0

    # -- what can be measured ----------------------------------------------------------

    def terminal_rows(self, terminals: Sequence[tuple[str, int]]) -> TerminalRows:
        """Return current rows of (element, terminal) pairs, conductor by conductor."""
        start, node, unit, y, at = [0], [], [], [], []
        line, end = [], []
        lines = {f"line.{x.name}": k for k, x in enumerate(self.network.lines)}
        for element, terminal in terminals:
            block = self.blocks[element]
            parts, unit_of_row = self._parts(block)
            for r in np.flatnonzero(block.terminal == terminal):
                for c, column in enumerate(block.nodes):
                    entry = [part[r, c] for part in parts]
                    if column >= 0 and any(entry):
                        node.append(self.node_at(int(column)))
                        unit.append(unit_of_row[r])
                        y.append(entry)
                start.append(len(node))
                at.append(self.node_at(int(block.nodes[r])))
                line.append(lines.get(element, -1))
                end.append(r)
        table = np.array(y, np.complex128).reshape(-1, 3)
        return TerminalRows(
            np.array(start, np.int32),
            np.array(node, np.int32),
            np.array(unit, np.int32),
            np.ascontiguousarray(table[:, 0]),
            np.ascontiguousarray(table[:, 1]),
            np.ascontiguousarray(table[:, 2]),
            np.array(at, np.int32),
            np.array(line, np.int32),
            np.array(end, np.int32),
            self.arrays.faults.lines,
            self.arrays.faults.slots,
            np.zeros(len(at), np.complex128),
        )

    def terminal_current(self, element: str, terminal: int) -> Complex:
        """Return the currents into an element at one terminal, shape (conductors,) [A]."""
        rows = self.terminal_rows([(element, terminal)])
        pf.row_currents(self.arrays.v, self.arrays.unit, rows, 0, len(rows.at))
        return rows.i_a

    def power_from_sources(self) -> complex:
        """Return the power that EMFs and current sources feed into the network at their terminals [VA]."""
        a = self.arrays
        pf.measure_emfs(a)
        injected = a.injections
        across = a.v[injected.at] - a.v[injected.back]
        return complex(np.sum(a.emfs.s_va) + np.sum(across * np.conj(injected.i_a)))

    def losses(self) -> complex:
        """Return the power taken by everything but loads and sources [VA]."""
        return self.power_from_sources() - self.load_power()

    def load_power(self) -> complex:
        """Return the power drawn by all loads at the present voltages [VA]."""
        return complex(pf.load_power(self.arrays))

    def _at_nodes(self, nodes: npt.NDArray[np.int64]) -> Complex:
        return np.asarray(self.arrays.v[self.at[nodes]])

    # -- assembly ----------------------------------------------------------------------

    def _parts(self, block: adm.Block) -> tuple[list[Complex], list[int]]:
        """Return the (a, b, c) parts of a block and the unit of each row (-1 static)."""
        kind, _, name = block.element.partition(".")
        zero = np.zeros_like(block.y)
        if block.element not in self.units:
            return [block.y, zero, zero], [-1] * len(block.nodes)
        units = self.units[block.element]
        if kind == "regulator":
            regulator = next(r for r in self.network.regulators if r.name == name)
            return list(adm.regulator_parts(regulator, self.nodes)), [units[0]] * len(block.nodes)
        if kind == "switch":
            poles = len(block.nodes) // 2
            return [block.y, zero, zero], [units[r % poles] for r in range(len(block.nodes))]
        return [block.y, zero, zero], [units[0]] * len(block.nodes)

    def _number_units(self) -> int:
        count = 0
        for element, block in self.blocks.items():
            kind = element.partition(".")[0]
            if kind in SWITCHED:
                poles = len(block.nodes) // 2 if kind == "switch" else 1
                self.units[element] = tuple(range(count, count + poles))
                count += poles
        return count

    def _assemble(self, permuted: sp.csc_array, branches: adm.LoadBranches) -> GridArrays:
        n_units = self._number_units()
        factor = make_factor(permuted)
        entries: list[Stamp] = []
        static = np.zeros_like(factor.ax)
        link = np.zeros(len(static), np.int32)
        for block in self.blocks.values():
            parts, unit_of_row = self._parts(block)
            at = [self.node_at(int(i)) if i >= 0 else -1 for i in block.nodes]
            for r, i in enumerate(at):
                for c, j in enumerate(at):
                    if i < 0 or j < 0:
                        continue
                    entry = [complex(part[r, c]) for part in parts]
                    is_link = _is_link(block, r, c, entry)
                    if unit_of_row[r] >= 0:
                        entries.append(Stamp(i, j, unit_of_row[r], is_link, *entry))
                    elif entry[0]:
                        at_ij = position(factor.ap, factor.ai, i, j)
                        static[at_ij] += entry[0]
                        link[at_ij] += is_link
        for i in range(self.n):
            static[position(factor.ap, factor.ai, i, i)] += EPS_S
        loads = self._loads(branches)
        for k in range(len(loads.a)):
            for i, j in ((0, 0), (1, 1), (0, 1), (1, 0)):
                pair = (loads.a[k], loads.b[k])
                if pair[i] < self.n and pair[j] < self.n:
                    at_ij = position(factor.ap, factor.ai, pair[i], pair[j])
                    loads.at[k, 2 * i + j] = at_ij
                    link[at_ij] += abs(loads.y_const[k]) > LINK_MIN_S
        return self._arrays(factor, static, link, entries, n_units, loads)

    def _loads(self, branches: adm.LoadBranches) -> Loads:
        demand = np.array([(ld.kw + 1j * ld.kvar) * 1e3 for ld in self.network.loads], np.complex128)
        s = demand[branches.load] * branches.share if len(demand) else np.zeros(0, np.complex128)
        return Loads(
            load=branches.load.astype(np.int32),
            a=self.at[branches.a].astype(np.int32),
            b=self.at[branches.b].astype(np.int32),
            share=branches.share,
            vb=branches.vb_v,
            model=branches.model.astype(np.int32),
            v_low=branches.vlow,
            v_min=branches.vmin,
            v_max=branches.vmax,
            z=branches.zip,
            at=np.full((len(s), 4), -1, np.int32),
            y_const=np.asarray(np.conj(s) / branches.vb_v**2, np.complex128),
            s=s.copy(),
        )

    def _arrays(
        self,
        factor: Factor,
        static: Complex,
        link: Ints,
        entries: list[Stamp],
        n_units: int,
        loads: Loads,
    ) -> GridArrays:
        base = np.empty(self.n)
        base[self.at[:-1]] = self.nodes.base_v
        floor: Floats = np.maximum(base, 1.0)
        return GridArrays(
            factor=factor,
            ax_static=static,
            link_static=link,
            link=link.copy(),
            stamp_at=np.array([position(factor.ap, factor.ai, e.i, e.j) for e in entries], np.int32),
            stamp_unit=np.array([e.unit for e in entries], np.int32),
            stamp_a=np.array([e.a for e in entries], np.complex128),
            stamp_b=np.array([e.b for e in entries], np.complex128),
            stamp_c=np.array([e.c for e in entries], np.complex128),
            stamp_links=np.array([e.is_link for e in entries], np.int32),
            unit=np.tile(np.array([1.0, 0.0, 0.0]), (n_units, 1)),
            fault_i=np.zeros(FAULT_CAPACITY, np.int32),
            fault_j=np.zeros(FAULT_CAPACITY, np.int32),
            fault_y=np.zeros(FAULT_CAPACITY, np.complex128),
            faults=fault_slots(self.network, self.nodes, self.blocks, self.at),
            emfs=self._emfs(),
            injections=self._injections(),
            inv_base2=1.0 / floor**2,
            base_v=base,
            loads=loads,
            v=np.zeros(self.n + 1, np.complex128),
            rhs=np.zeros(self.n + 1, np.complex128),
            live=np.zeros(self.n, np.uint8),
            owner=np.full(self.n, -1, np.int32),
            queue=np.zeros(self.n, np.int32),
            rate=np.array([1.0, 0.0]),
            counters=np.zeros(8, np.int64),
        )

    def _emfs(self) -> Emfs:
        sources = adm.emf_sources(self.network)
        n, m = len(sources), max([3, *(s.phases for s in sources.values())])
        at, back = np.full((n, m), self.n, np.int32), np.full((n, m), self.n, np.int32)
        e1, y = np.zeros((n, m), np.complex128), np.zeros((n, m, m), np.complex128)
        for k, (element, source) in enumerate(sources.items()):
            block, p = self.blocks[element], source.phases
            at[k, :p] = self.at[block.nodes[:p]]
            back[k, :p] = self.at[block.nodes[p:]]
            e1[k, :p] = adm.source_emf(source)
            y[k, :p, :p] = block.y[:p, :p]
        return Emfs(
            at=at,
            back=back,
            e1_v=e1,
            y=y,
            norton_a=np.asarray(np.einsum("kij,kj->ki", y, e1)),
            unit=np.array([self.units[e][0] for e in sources], np.int32),
            scale=np.array([s.v_pu for s in sources.values()], np.complex128),
            s_va=np.zeros(n, np.complex128),
            airgap_w=np.zeros(n),
            i_a=np.zeros(n),
            v1=np.zeros(n, np.complex128),
            i1=np.zeros(n, np.complex128),
        )

    def _injections(self) -> Injections:
        """Return one row per inverter, in the order of ``inverters``: its phases against their other ends."""
        ders = inverters(self.network)
        at = np.full((len(ders), 3), self.n, np.int32)
        back = at.copy()
        for k, der in enumerate(ders):
            nodes = [self.node_at(i) for i in self.nodes.of(der.bus, der.nodes)]
            at[k, : der.phases] = nodes[: der.phases]
            if der.conn == "wye" or der.phases == 1:
                back[k, : der.phases] = nodes[der.phases]
        return Injections(at, back, np.zeros(at.shape, np.complex128))


def _is_link(block: adm.Block, r: int, c: int, entry: Sequence[complex]) -> bool:
    """Tell whether an entry joins two nodes; between two conductors of a line it only couples them."""
    conductors = len(block.nodes) // 2
    if block.element.startswith("line.") and r % conductors != c % conductors:
        return False
    return r != c and max(abs(x) for x in entry) > LINK_MIN_S


def inverters(network: Network) -> list[Der]:
    """Return what can feed current: photovoltaic sites, then batteries, each in file order."""
    return [d for kind in ("pv", "battery") for d in network.ders if d.kind == kind]


def _pattern(
    n: int, names: Sequence[str], blocks: Iterable[adm.Block], branches: adm.LoadBranches
) -> sp.csc_array:
    """Return the pattern of Y' with the dense block of every bus, so that any fault fits."""
    groups = [block.nodes[block.nodes >= 0] for block in blocks]
    groups += [np.array([a, b]) for a, b in zip(branches.a, branches.b, strict=True) if b >= 0]
    of_bus: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        of_bus.setdefault(name.rpartition(".")[0], []).append(i)
    groups += [np.array(nodes) for nodes in of_bus.values()]
    rows = np.concatenate([np.repeat(g, len(g)) for g in groups])
    columns = np.concatenate([np.tile(g, len(g)) for g in groups])
    return sp.csc_array(sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)))
