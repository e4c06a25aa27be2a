"""From a network and a list of places to the arrays of a harmonic scan."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.network.factor import Complex, Ints, solve
from rtcore.network.grid import Grid, inverters
from rtcore.network.harmonic_grid import ORDERS, HarmonicGrid, Laws, OrderRows, Tuned
from rtcore.plant.harmonic_limits import Limits, current_limits, voltage_limits
from rtcore.plant.harmonic_spectra import SPECTRA
from rtcore.plant.harmonics import (
    ActiveFilter,
    Actives,
    Buses,
    HarmonicBus,
    HarmonicPcc,
    Harmonics,
    HarmonicSource,
    Pccs,
    Rows,
    Sources,
    TunedFilter,
    Tunings,
)

NUMBER = {name: float(k) for k, name in enumerate(SPECTRA)}


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlace:
    """Emitter ``element``: "load.x" emits along its branches, "der.x" along its conductors."""

    element: str
    spectrum: str
    share: float = 1.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class PccPlace:
    """Metering point; ``isc_a`` 0: worked out from the network as it stands."""

    element: str
    terminal: int
    il_a: float
    isc_a: float = 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class TunedPlace:
    """Passive filter on all phases of a bus; ``q_var`` is that of all phases together."""

    bus: str
    q_var: float
    tuned_order: float = 4.7
    quality: float = 40.0
    is_on: bool = True


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class ActivePlace:
    """Active filter on a bus."""

    bus: str
    rated_a: float
    share: float = 0.9
    is_on: bool = True


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Everything a station's harmonic scan looks at, row by row in this order."""

    sources: Sequence[SourcePlace] = ()
    buses: Sequence[str] = ()
    pccs: Sequence[PccPlace] = ()
    tuned: Sequence[TunedPlace] = ()
    active: Sequence[ActivePlace] = ()

    def rows(self) -> dict[str, int]:
        """Return how many state rows each kind needs."""
        return {
            "harmonic_source": len(self.sources),
            "harmonic_bus": len(self.buses),
            "harmonic_pcc": len(self.pccs),
            "tuned_filter": len(self.tuned),
            "active_filter": len(self.active),
        }


def build_harmonics(
    grid: Grid,
    places: Places,
    state: Mapping[str, Rows] | None = None,
    orders: tuple[int, ...] = ORDERS,
    laws: Laws | None = None,
) -> Harmonics:
    """Return the arrays of a scan; initial setpoints are written into the state rows.

    Parameters
    ----------
    state : mapping of kind to structured state rows, optional
        Where the points live, in the order of ``places``; new arrays when left out.
    """
    s = dict(state) if state is not None else _new_state(places)
    tuned_p = [_tuned(grid, t) for t in places.tuned]
    branches, branch = _branches(grid, places.tuned, tuned_p)
    terminals = [(p.element, p.terminal) for p in places.pccs]
    net = HarmonicGrid(grid, orders, laws=laws, branches=branches, terminals=terminals)
    return Harmonics(
        orders=np.array(orders, np.int64),
        progress=np.zeros(2, np.int64),
        net=net.arrays,
        sources=_sources(grid, places, s["harmonic_source"], orders),
        buses=_buses(grid, places.buses, s["harmonic_bus"], len(orders)),
        pccs=_pccs(grid, places.pccs, net.rows, s["harmonic_pcc"], orders),
        tuned=_tunings(grid, places.tuned, tuned_p, branch, s["tuned_filter"]),
        active=_actives(places.active, s["active_filter"]),
    )


def _new_state(places: Places) -> dict[str, Rows]:
    return {kind: np.zeros(n, REGISTRY[kind].state_dtype) for kind, n in places.rows().items()}


def _table(rows: Sequence[Any], kind: str) -> Rows:
    return rows_of(list(rows), REGISTRY[kind])


def bus_nodes(grid: Grid, bus: str) -> list[int]:
    """Return the nodes of phases 1 to 3 of a bus in network order, -1 where there is none."""
    found = [grid.nodes.index.get(f"{bus}.{k}", -1) for k in (1, 2, 3)]
    if max(found) < 0:
        raise ValueError(f"bus {bus!r} has no phases in network {grid.network.name!r}")
    return found


def _at(grid: Grid, nodes: Sequence[Sequence[int]]) -> Ints:
    """Return elimination-order nodes, ground where there is none, shape (n, 3)."""
    table = [[grid.node_at(i) if i >= 0 else grid.n for i in row] for row in nodes]
    return np.array(table, np.int32).reshape(-1, 3)


def _rated_v(grid: Grid, nodes: Sequence[int]) -> float:
    return float(grid.nodes.base_v[next(i for i in nodes if i >= 0)])


def _rated_kv(grid: Grid, nodes: Sequence[int]) -> float:
    return 1e-3 * math.sqrt(3.0) * _rated_v(grid, nodes)


# --- sources -------------------------------------------------------------------------------------


def _sources(grid: Grid, places: Places, s: Rows, orders: tuple[int, ...]) -> Sources:
    n = len(places.sources)
    at, back = np.full((n, 3), grid.n, np.int32), np.full((n, 3), grid.n, np.int32)
    load = np.full((n, 3), -1, np.int32)
    row, emf, active = (np.full(n, -1, np.int32) for _ in range(3))
    of_bus = {a.bus: i for i, a in enumerate(places.active)}
    for i, place in enumerate(places.sources):
        kind, _, name = place.element.partition(".")
        if kind == "load":
            k = _number(grid.network.loads, place.element, name)
            branches = np.flatnonzero(grid.arrays.loads.load == k)
            load[i, : len(branches)] = branches
            at[i, : len(branches)] = grid.arrays.loads.a[branches]
            back[i, : len(branches)] = grid.arrays.loads.b[branches]
            bus = grid.network.loads[k].bus
        elif kind == "der":
            der = grid.network.ders[_number(grid.network.ders, place.element, name)]
            emf[i] = grid.emfs.index(place.element) if place.element in grid.emfs else -1
            ends: Any = grid.arrays.emfs
            k = emf[i]
            if der.kind != "machine":
                ends = grid.arrays.injections
                k = row[i] = _number(inverters(grid.network), place.element, name)
            at[i], back[i] = ends.at[k, :3], ends.back[k, :3]
            bus = der.bus
        else:
            raise ValueError(f"a harmonic source is a load or a der, not {place.element!r}")
        active[i] = of_bus.get(bus, -1)
    spectrum = np.array([[SPECTRA[p.spectrum].phasor(h) for h in orders] for p in places.sources])
    spectrum = spectrum.astype(np.complex128).reshape(n, len(orders))
    s["share_pu_sp"] = [p.share for p in places.sources]
    return Sources(
        p=_table(
            [HarmonicSource(spectrum=NUMBER[p.spectrum], share=p.share) for p in places.sources],
            "harmonic_source",
        ),
        s=s,
        at=at,
        back=back,
        load=load,
        row=row,
        emf=emf,
        filter=active,
        spectrum=spectrum,
        total=np.sqrt(np.sum(np.abs(spectrum) ** 2, axis=1)),
        magnitude=np.zeros((n, 3)),
        turn=np.ones((n, 3), np.complex128),
        turned=np.ones((n, 3), np.complex128),
    )


def _number(items: Sequence[Any], element: str, name: str) -> int:
    for k, item in enumerate(items):
        if item.name == name:
            return k
    raise ValueError(f"there is no {element!r} in the network")


# --- where distortion is measured ----------------------------------------------------------------


def _buses(grid: Grid, buses: Sequence[str], s: Rows, n_orders: int) -> Buses:
    nodes = [bus_nodes(grid, b) for b in buses]
    params = []
    for row in nodes:
        individual, total = voltage_limits(_rated_kv(grid, row))
        params.append(HarmonicBus(rated_v=_rated_v(grid, row), individual_pct=individual, total_pct=total))
    n = len(buses)
    return Buses(
        p=_table(params, "harmonic_bus"),
        s=s,
        at=_at(grid, nodes),
        v1=np.zeros((n, 3)),
        squares=np.zeros((n, 3)),
        pct=np.zeros((n, n_orders)),
    )


def _pccs(grid: Grid, pccs: Sequence[PccPlace], rows: OrderRows, s: Rows, orders: tuple[int, ...]) -> Pccs:
    params, limits = [], []
    of, phase = [], []
    digits = {grid.node_at(i): int(name.rpartition(".")[2]) for i, name in enumerate(grid.nodes.names)}
    conductors = iter(rows.at.tolist())
    for i, p in enumerate(pccs):
        block = grid.blocks[p.element]
        nodes = block.nodes[block.terminal == p.terminal]
        bus = grid.nodes.names[int(nodes[nodes >= 0][0])].rpartition(".")[0]
        isc_a = p.isc_a or short_circuit_a(grid, bus)
        found = current_limits(_rated_kv(grid, bus_nodes(grid, bus)), isc_a / p.il_a)
        limits.append(found)
        params.append(HarmonicPcc(il_a=p.il_a, isc_a=isc_a, total_pct=found.tdd))
        for _ in nodes:
            digit = digits.get(next(conductors), 0)
            of.append(i)
            phase.append(digit - 1 if digit <= 3 else -1)
    n = len(pccs)
    return Pccs(
        p=_table(params, "harmonic_pcc"),
        s=s,
        rows=rows,
        of=np.array(of, np.int32),
        phase=np.array(phase, np.int32),
        limit=_limit_table(limits, orders),
        squares=np.zeros((n, 3)),
        pct=np.zeros((n, len(orders))),
    )


def _limit_table(limits: Sequence[Limits], orders: tuple[int, ...]) -> Any:
    return np.array([[x.individual(h) for h in orders] for x in limits]).reshape(-1, len(orders))


def short_circuit_a(grid: Grid, bus: str) -> float:
    """Return the largest phase current of a bolted short circuit of all phases of a bus to ground [A].

    From the factored matrix as it stands, loads as their nominal admittance, rated voltage before.
    """
    nodes = [i for i in bus_nodes(grid, bus) if i >= 0]
    z = np.empty((len(nodes), len(nodes)), np.complex128)
    for k, j in enumerate(nodes):
        x = np.zeros(grid.n + 1, np.complex128)
        x[grid.node_at(j)] = 1.0
        solve(grid.arrays.factor, x)
        z[:, k] = x[[grid.node_at(i) for i in nodes]]
    turns: Complex = np.exp(-2j * np.pi / 3.0 * np.arange(len(nodes)))
    current = np.linalg.solve(z, _rated_v(grid, nodes) * turns)
    return float(np.max(np.abs(current)))


# --- filters -------------------------------------------------------------------------------------


def _tuned(grid: Grid, t: TunedPlace) -> TunedFilter:
    nodes = bus_nodes(grid, t.bus)
    return TunedFilter(
        rated_v=_rated_v(grid, nodes),
        q_var=t.q_var / sum(i >= 0 for i in nodes),
        tuned_order=t.tuned_order,
        quality=t.quality,
        is_on=float(t.is_on),
    )


def _branches(
    grid: Grid, places: Sequence[TunedPlace], params: Sequence[TunedFilter]
) -> tuple[list[Tuned], Ints]:
    """Return the network branches of all filters, and the number of each phase's branch."""
    made: list[Tuned] = []
    number = np.full((len(places), 3), -1, np.int32)
    for i, (t, p) in enumerate(zip(places, params, strict=True)):
        r, x_l, x_c = p.ohms
        for k, node in enumerate(bus_nodes(grid, t.bus)):
            if node >= 0:
                number[i, k] = len(made)
                made.append(Tuned(i=node, r_ohm=r, x_l_ohm=x_l, x_c_ohm=x_c))
    return made, number


def _tunings(
    grid: Grid, places: Sequence[TunedPlace], params: Sequence[TunedFilter], branch: Ints, s: Rows
) -> Tunings:
    s["is_on_sp"] = [float(t.is_on) for t in places]
    ohms = np.array([p.ohms for p in params]).reshape(-1, 3)
    return Tunings(
        p=_table(params, "tuned_filter"),
        s=s,
        at=_at(grid, [bus_nodes(grid, t.bus) for t in places]),
        branch=branch,
        y1=np.asarray(1.0 / (ohms[:, 0] + 1j * (ohms[:, 1] - ohms[:, 2])), np.complex128),
        squares=np.zeros((len(places), 3)),
    )


def _actives(places: Sequence[ActivePlace], s: Rows) -> Actives:
    n = len(places)
    s["is_on_sp"] = [float(a.is_on) for a in places]
    s["share_pu_sp"] = [a.share for a in places]
    params = [ActiveFilter(rated_a=a.rated_a, share=a.share, is_on=float(a.is_on)) for a in places]
    return Actives(
        p=_table(params, "active_filter"),
        s=s,
        i_a=np.zeros((n, 3), np.complex128),
        squares=np.zeros((n, 3)),
        gain=np.zeros(n),
        room=np.ones(n),
    )
