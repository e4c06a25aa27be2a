"""From a network, a point list and settings to a ready world."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore import board as bd
from rtcore import ring as rg
from rtcore.clock import NS_PER_HOUR, SimClock
from rtcore.commands import GROUP_MAX, RECORD_WORDS
from rtcore.component import REGISTRY, Spec, rows_of
from rtcore.instruments import PointArrays, draw_gain
from rtcore.network.admittance import blocks, node_table
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from rtcore.noise import draw_key, quantile_table
from rtcore.plant import breaker as breaker_module
from rtcore.plant.breaker import Breaker
from rtcore.plant.capacitor import Capacitor
from rtcore.plant.load import Load
from rtcore.plant.loop_health import LoopHealth
from rtcore.plant.measuring_points import Terminal
from rtcore.plant.regulator import Regulator
from rtcore.plant.source import Source
from rtcore.points import Kind, Point
from rtcore.shared_kernels import NOT_WRITABLE, PULSE, SETPOINT, SWITCH
from rtcore.world import K_IS_SOLVED, World

_REGISTERED = (Capacitor, LoopHealth, Terminal)  # importing a module declares its kind

Floats = npt.NDArray[np.float64]

SCRATCH_COUNT = 8
NETWORK_KINDS = ("load", "loads", "bus", "terminal", "capacitor")
"""Kinds whose analog attributes come from the network solution."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Demand per load over time, each row valid at the start of its interval.

    ``p_w``, ``q_var``: shape (n_t, n_loads), in the network's load order [W], [var]. One that
    does not wrap holds its last row to the end of the interval.
    """

    start_ns: int
    step_ns: int
    p_w: Floats
    q_var: Floats
    wraps: bool = True


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is built from.

    ``instruments`` maps class_frac, noise_frac, noise_abs, quantum_abs, cutoff_abs to arrays
    of shape (n_points,); ``unit_factor`` turns an attribute's SI value into the point's unit.
    """

    network: Network
    points: Sequence[Point]
    instruments: Mapping[str, Floats]
    unit_factor: Floats
    clock: SimClock
    seed: int
    profile: Profile | None = None
    load_scale: float = 1.0
    ripple_pu: float = 0.02
    ripple_tau_s: float = 60.0
    source_v_pu: float | None = None


def bindable(network: Network) -> dict[str, Collection[str]]:
    """Return component instance -> attributes that points may bind to."""
    names = {kind: [a.name for a in spec.attrs] for kind, spec in REGISTRY.items()}
    known: dict[str, Collection[str]] = {"loads.all": names["loads"], "loop.loop": names["loop"]}
    known |= {f"source.{s.name}": names["source"] for s in network.sources}
    known |= {f"load.{x.name}": names["load"] for x in network.loads}
    known |= {f"bus.{b.name}": names["bus"] for b in network.buses}
    known |= {f"breaker.{s.name}": names["breaker"] for s in network.switches}
    known |= {f"regulator.{r.name}": names["regulator"] for r in network.regulators}
    known |= {f"capacitor.{c.name}": names["capacitor"] for c in network.capacitors}
    known |= {f"scratch.{k}": names["scratch"] for k in range(1, SCRATCH_COUNT + 1)}
    for block in blocks(network, node_table(network)):
        for terminal in sorted(set(block.terminal.tolist())):
            known[f"terminal.{block.element}@{terminal}"] = names["terminal"]
    return known


class Store:
    """State rows of all component instances, back to back in one float64 array."""

    def __init__(self) -> None:
        self._order: list[tuple[Spec, list[str], int]] = []
        self._size = 0
        self._row: dict[str, tuple[Spec, int]] = {}
        self.x = np.zeros(0)

    def add(self, kind: str, names: Sequence[str]) -> None:
        """Reserve one row per instance."""
        spec, width = REGISTRY[kind], len(REGISTRY[kind].attrs)
        self._order.append((spec, list(names), self._size))
        for i, name in enumerate(names):
            self._row[f"{kind}.{name}"] = (spec, self._size + i * width)
        self._size += width * len(names)

    def allocate(self) -> None:
        """Make the array; after this ``rows`` and ``columns`` give views of it."""
        self.x = np.zeros(max(self._size, 1))

    def columns(self, kind: str) -> Floats:
        """Return the rows of a kind as float64[n, n_attrs]."""
        spec, names, start = next(e for e in self._order if e[0].kind == kind)
        width = len(spec.attrs)
        return self.x[start : start + width * len(names)].reshape(len(names), width)

    def rows(self, kind: str) -> np.ndarray[Any, Any]:
        """Return the rows of a kind as a structured array over the same memory."""
        table = self.columns(kind)
        dtype = REGISTRY[kind].state_dtype
        return table.view(dtype).reshape(-1) if len(table) else np.zeros(0, dtype)

    def address(self, source: str, attr: str) -> int:
        """Return the index in ``x`` of one attribute of one instance."""
        spec, start = self._row[source]
        return start + spec.column(attr)

    def spec_of(self, source: str) -> Spec:
        """Return the declaration of an instance's kind."""
        return self._row[source][0]


def build_world(setup: Setup) -> tuple[World, Grid, Store]:
    """Assemble a station's world; deterministic for a given setup."""
    network, grid = setup.network, Grid(setup.network)
    rng = np.random.default_rng(setup.seed)
    keys = np.array([draw_key(rng), draw_key(rng)], np.uint64)
    store = Store()
    sources = sorted({p.source for p in setup.points})
    buses = [s.partition(".")[2] for s in sources if s.startswith("bus.")]
    terminals = [_terminal(s) for s in sources if s.startswith("terminal.")]
    for kind, names in {
        "source": [s.name for s in network.sources],
        "loads": ["all"],
        "load": [x.name for x in network.loads],
        "bus": buses,
        "terminal": [f"{e}@{t}" for e, t in terminals],
        "breaker": [s.name for s in network.switches],
        "regulator": [r.name for r in network.regulators],
        "capacitor": [c.name for c in network.capacitors],
        "scratch": [str(k) for k in range(1, SCRATCH_COUNT + 1)],
        "loop": ["loop"],
    }.items():
        store.add(kind, names)
    store.allocate()
    _initial_state(store, setup)
    n = len(setup.points)
    image = bd.blank_image(n)
    rows, of, phase = _terminal_rows(grid, terminals)
    capacitors = [(f"capacitor.{c.name}", 1) for c in network.capacitors]
    profile = setup.profile or _constant_profile(network)
    world = World(
        grid=grid.arrays,
        v_good=grid.arrays.v.copy(),
        x=store.x,
        source_p=rows_of([Source(v_pu=s.v_pu) for s in network.sources], REGISTRY["source"]),
        source=store.rows("source"),
        totals=store.rows("loads"),
        load_p=rows_of(
            [Load(ripple_pu=setup.ripple_pu, ripple_tau_s=setup.ripple_tau_s)] * len(network.loads),
            REGISTRY["load"],
        ),
        load=store.rows("load"),
        load_columns=store.columns("load"),
        load_branch=_branch_numbers(grid),
        bus_at=_bus_nodes(grid, buses),
        bus_columns=store.columns("bus"),
        terminal_rows=rows,
        terminal_of=of,
        terminal_phase=phase,
        terminal_columns=store.columns("terminal"),
        breaker_p=rows_of([Breaker()] * len(network.switches), REGISTRY["breaker"]),
        breaker=store.rows("breaker"),
        breaker_units=_poles(grid, [s.name for s in network.switches]),
        regulator_p=rows_of(
            [
                Regulator(step_pu=r.step_pu, mid_pu=r.mid_pu, tap_max=r.tap_highest)
                for r in network.regulators
            ],
            REGISTRY["regulator"],
        ),
        regulator=store.rows("regulator"),
        regulator_units=_units(grid, [f"regulator.{r.name}" for r in network.regulators]),
        capacitor=store.rows("capacitor"),
        capacitor_units=_units(grid, [f"capacitor.{c.name}" for c in network.capacitors]),
        capacitor_rows=grid.terminal_rows(capacitors),
        capacitor_first=_first_rows(grid, capacitors),
        loop=store.rows("loop"),
        profile_p=np.ascontiguousarray(profile.p_w),
        profile_q=np.ascontiguousarray(profile.q_var),
        times=np.array(
            [setup.clock.epoch_ns, setup.clock.dt_ns, profile.start_ns, profile.step_ns, profile.wraps],
            np.int64,
        ),
        noise=quantile_table(),
        keys=keys,
        points=_point_arrays(setup, store, grid, rng),
        image=image.words,
        values=image.values,
        quality=image.quality,
        status_before=np.zeros(n),
        events=np.zeros(rg.EVENT_BYTES // 8, np.int64)[rg.HEADER_WORDS :],
        group=np.zeros(GROUP_MAX * RECORD_WORDS, np.int64),
        counters=np.zeros(16, np.int64),
    )
    world.counters[K_IS_SOLVED] = 1
    world.regulator["wait_s"] = world.regulator_p["tap_time_s"]
    for i in np.flatnonzero(world.points.is_status):
        world.status_before[i] = store.x[world.points.source[i]]
    return world, grid, store


def _initial_state(store: Store, setup: Setup) -> None:
    for i, source in enumerate(setup.network.sources):
        v_pu = source.v_pu if setup.source_v_pu is None else setup.source_v_pu
        store.rows("source")["v_pu_sp"][i] = v_pu
    store.rows("loads")["scale_sp"] = setup.load_scale
    breakers = store.rows("breaker")
    closed = np.array([s.is_closed for s in setup.network.switches], bool)
    if len(breakers):
        breakers["state"] = np.where(closed, breaker_module.CLOSED, breaker_module.OPEN)
        breakers["is_52a"], breakers["is_52b"] = closed, ~closed
        breakers["is_remote_sp"] = 1.0
    for i, regulator in enumerate(setup.network.regulators):
        store.rows("regulator")["tap"][i] = store.rows("regulator")["tap_sp"][i] = regulator.tap
    store.rows("capacitor")["is_closed"] = 1.0


def _terminal(source: str) -> tuple[str, int]:
    element, _, terminal = source.partition(".")[2].rpartition("@")
    return element, int(terminal)


def _phase_of(name: str) -> int:
    """Return 0..2 for nodes 1..3, -1 for any other (neutral) node."""
    digit = int(name.rpartition(".")[2])
    return digit - 1 if digit <= 3 else -1


def _terminal_rows(grid: Grid, terminals: Sequence[tuple[str, int]]) -> tuple[Any, Any, Any]:
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
    chosen = _select_rows(rows, keep)
    return chosen, np.array(of, np.int32)[keep], np.array(phase, np.int32)[keep]


def _select_rows(rows: Any, keep: Sequence[int]) -> Any:
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
    )


def _first_rows(grid: Grid, terminals: Sequence[tuple[str, int]]) -> Any:
    counts = [int(np.sum(grid.blocks[e].terminal == t)) for e, t in terminals]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _branch_numbers(grid: Grid) -> Any:
    """Return the number of each load branch within its load (0, 1, 2)."""
    load = grid.arrays.loads.load
    seen: dict[int, int] = {}
    numbers = []
    for i in load.tolist():
        numbers.append(seen.get(i, 0))
        seen[i] = numbers[-1] + 1
    return np.array(numbers, np.int32)


def _bus_nodes(grid: Grid, buses: Sequence[str]) -> Any:
    index = grid.nodes.index
    at = [[index.get(f"{b}.{k}", -1) for k in (1, 2, 3)] for b in buses]
    return np.array([[grid.node_at(i) if i >= 0 else -1 for i in row] for row in at], np.int32).reshape(-1, 3)


def _poles(grid: Grid, names: Sequence[str]) -> Any:
    table = np.full((len(names), 3), -1, np.int32)
    for i, name in enumerate(names):
        units = grid.units[f"switch.{name}"]
        table[i, : len(units)] = units
    return table


def _units(grid: Grid, elements: Sequence[str]) -> Any:
    return np.array([grid.units[e][0] for e in elements], np.int32)


def _constant_profile(network: Network) -> Profile:
    """Return the network's own snapshot demand, for ever."""
    return Profile(
        start_ns=0,
        step_ns=NS_PER_HOUR,
        p_w=np.array([[x.kw * 1e3 for x in network.loads]]),
        q_var=np.array([[x.kvar * 1e3 for x in network.loads]]),
    )


def _point_arrays(setup: Setup, store: Store, grid: Grid, rng: np.random.Generator) -> PointArrays:
    points, inst = setup.points, setup.instruments
    n = len(points)
    is_analog = np.array([p.kind is Kind.ANALOG and not p.is_health for p in points], np.uint8)
    return PointArrays(
        source=np.array([store.address(p.source, _attr(p)) for p in points], np.int64),
        factor=np.asarray(setup.unit_factor, np.float64),
        gain=draw_gain(inst["class_frac"], rng),
        noise_frac=inst["noise_frac"],
        noise_abs=inst["noise_abs"],
        quantum=inst["quantum_abs"],
        cutoff=inst["cutoff_abs"],
        low=np.array([p.minimum for p in points]),
        high=np.array([p.maximum for p in points]),
        is_analog=is_analog,
        is_health=np.array([p.is_health for p in points], np.uint8),
        is_network=np.array([_kind(p) in NETWORK_KINDS for p in points], np.uint8),
        is_status=np.array([p.kind is Kind.STATUS and not p.is_health for p in points], np.uint8),
        node=np.array([_quality_node(p, grid) for p in points], np.int32).reshape(n),
        writable=np.array([_way(p, store) for p in points], np.uint8),
        guard=np.array([_guard(p, store) for p in points], np.int64),
    )


def _attr(point: Point) -> str:
    """Return the attribute a point binds to; a leading "-" only turns the sign (in the factor)."""
    return point.attr.removeprefix("-")


def _kind(point: Point) -> str:
    return point.source.partition(".")[0]


def _way(point: Point, store: Store) -> int:
    """Return how the point takes commands; the point list may only narrow what the attribute allows."""
    declared = store.spec_of(point.source).attr(_attr(point)).writable
    if not point.is_writable or not declared:
        return NOT_WRITABLE
    if declared == "pulse":
        return PULSE
    return SWITCH if point.is_two_state else SETPOINT


def _guard(point: Point, store: Store) -> int:
    guard = store.spec_of(point.source).attr(_attr(point)).guard
    return store.address(point.source, guard) if guard else -1


def _quality_node(point: Point, grid: Grid) -> int:
    """Return the node whose loss makes the point bad: the metered bus or load branch, else -1."""
    kind, _, name = point.source.partition(".")
    digit = next((c for c in _attr(point) if c in "123"), "")
    if kind == "bus":
        node = grid.nodes.index.get(f"{name}.{digit}", -1)
        return grid.node_at(node) if node >= 0 else -1
    if kind == "load" and digit:
        g = grid.arrays.loads
        index = next(i for i, x in enumerate(grid.network.loads) if x.name == name)
        branches = np.flatnonzero(g.load == index)
        return int(g.a[branches[int(digit) - 1]]) if int(digit) <= len(branches) else -1
    return -1
