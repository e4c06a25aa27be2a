"""Nodal admittance of every element from its physical parameters, in siemens.

Not here: assembling, ordering and factoring (``factor``), the load law (``powerflow``).

Two details of OpenDSS are kept because they decide the last digits: antifloat admittances at
transformer windings, and a solidly grounded neutral as 1 microohm. Lines and banks get no such
addition there and none here (compared element by element with dss-python 0.15.7).

References
----------
Winding incidence (A Z^-1 A^T on a one-volt base, then turns and connection): R. C. Dugan,
"A perspective on transformer modeling for distribution system analysis", IEEE PES General Meeting
2003; R. C. Dugan and S. Santoso, "An example of 3-phase transformer modeling for distribution
system analysis", IEEE PES T&D 2003. Lines and sequence-to-phase: W. H. Kersting, "Distribution
System Modeling and Analysis", chapters 4 to 6.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtcore.network.model import (
    Capacitor,
    Der,
    Line,
    LineCode,
    Load,
    Network,
    Reactor,
    Regulator,
    Source,
    Switch,
    Transformer,
    Winding,
    length_ratio,
)

Complex = NDArray[np.complex128]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SOLID_NEUTRAL_S = 1e6


@dc.dataclass(frozen=True)
class NodeTable:
    """All nodes of a network in bus order, ground left out."""

    names: tuple[str, ...]
    base_v: Floats
    """Line-to-neutral base [V], shape (n,)."""
    index: dict[str, int]

    def of(self, bus: str, nodes: Iterable[int]) -> list[int]:
        """Return the indices of a terminal's nodes, -1 for ground."""
        return [self.index[f"{bus}.{k}"] if k else -1 for k in nodes]


@dc.dataclass
class Block:
    """Admittance of one element over its own conductors: I_into = y V."""

    element: str
    nodes: Ints
    """Index into the node table, -1 = ground, shape (k,)."""
    terminal: Ints
    """1-based terminal (winding) of each row, shape (k,)."""
    y: Complex
    """Shape (k, k) [S]."""


@dc.dataclass(frozen=True)
class LoadBranches:
    """Loads as branches between two nodes; every array has one entry a branch."""

    load: Ints
    a: Ints
    b: Ints
    share: Floats
    vb_v: Floats
    model: Ints
    vlow: Floats
    vmin: Floats
    vmax: Floats
    zip: Floats
    """Shape (nb, 7): ZIPV; for model 4 columns 0 and 1 hold the exponents of P and Q."""


def node_table(network: Network) -> NodeTable:
    """Return the nodes that elements use, bus by bus in file order, numbers ascending."""
    used: dict[str, set[int]] = {b.name: set() for b in network.buses}
    for _, bus, nodes in network.terminals():
        used[bus].update(k for k in nodes if k)
    names = [f"{b.name}.{k}" for b in network.buses for k in sorted(used[b.name])]
    base = [1e3 * b.base_kv_ln for b in network.buses for _ in used[b.name]]
    return NodeTable(tuple(names), np.array(base, np.float64), {n: i for i, n in enumerate(names)})


def blocks(network: Network, nodes: NodeTable) -> list[Block]:
    """Return the blocks of all elements but loads.

    Switches stand closed whatever ``is_closed`` says (the solver opens them), regulators at their
    stored tap, sources with their Thevenin admittance.
    """
    omega = 2.0 * math.pi * network.base_frequency_hz
    codes = {c.name: c for c in network.linecodes}
    rows = [_source_block(element, s, nodes) for element, s in emf_sources(network).items()]
    rows += [_line_block(e, codes[e.linecode], omega, nodes) for e in network.lines]
    rows += [_switch_block(e, nodes) for e in network.switches]
    rows += [_transformer_block(f"transformer.{t.name}", t, nodes) for t in network.transformers]
    for r in network.regulators:
        ya, yb, yc = regulator_parts(r, nodes)
        ratio = r.ratio(r.tap)
        rows.append(dc.replace(_regulator_frame(r, nodes), y=ya + yb / ratio + yc / ratio**2))
    rows += [_capacitor_block(e, nodes) for e in network.capacitors]
    rows += [_reactor_block(e, nodes) for e in network.reactors]
    return rows


def source_emf(source: Source) -> Complex:
    """Return the voltages behind the source impedance at its ``v_pu`` = 1 [V], shape (phases,).

    A three-phase source is rated line to line, so that the phase voltage is base / sqrt(3); for
    other numbers of phases the polygon voltage is taken likewise.
    """
    n = source.phases
    v = 1e3 * source.base_kv * (1.0 if n == 1 else 0.5 / math.sin(math.pi / n))
    angle = np.radians(source.angle_deg) - 2.0 * math.pi / n * np.arange(n)
    return np.asarray(v * np.exp(1j * angle), np.complex128)


def emf_sources(network: Network) -> dict[str, Source]:
    """Return every EMF behind an impedance as a source: element -> source, grid sources first."""
    found = {f"source.{s.name}": s for s in network.sources}
    for der in network.ders:
        if der.kind != "pv":
            found[f"der.{der.name}"] = _der_source(der)
    return found


def _der_source(der: Der) -> Source:
    z_base = (1e3 * der.kv) ** 2 / (1e3 * der.kva)
    phases = der.nodes[: der.phases]
    return Source(
        name=der.name,
        bus=der.bus,
        nodes=phases,
        base_kv=der.kv,
        r1_ohm=der.r1_pu * z_base,
        x1_ohm=der.x1_pu * z_base,
        r0_ohm=der.r0_pu * z_base,
        x0_ohm=der.x0_pu * z_base,
    )


def source_impedance(source: Source) -> Complex:
    """Return the phase impedance matrix from the sequence impedances [ohm]."""
    z1, z0 = complex(source.r1_ohm, source.x1_ohm), complex(source.r0_ohm, source.x0_ohm)
    n = source.phases
    if n == 1:
        return np.array([[(2.0 * z1 + z0) / 3.0]])
    z = np.full((n, n), (z0 - z1) / 3.0)
    np.fill_diagonal(z, (2.0 * z1 + z0) / 3.0)
    return z


def _frame(element: str, nodes: NodeTable, ends: Sequence[tuple[str, Sequence[int]]]) -> Block:
    """Return a zero block over the conductors of the terminals in order."""
    rows = [i for bus, numbers in ends for i in (nodes.of(bus, numbers) if bus else [-1] * len(numbers))]
    terminal = [t for t, (_, numbers) in enumerate(ends, 1) for _ in numbers]
    k = len(rows)
    return Block(
        element, np.array(rows, np.int64), np.array(terminal, np.int64), np.zeros((k, k), np.complex128)
    )


def _inverse(z: NDArray[Any]) -> Complex:
    return np.asarray(np.linalg.inv(z), np.complex128)


def _series(y: NDArray[Any]) -> Complex:
    """Return the block of a branch matrix between two terminals."""
    return np.asarray(np.block([[y, -y], [-y, y]]), np.complex128)


def _source_block(element: str, s: Source, nodes: NodeTable) -> Block:
    other = (s.return_bus, s.return_nodes or (0,) * s.phases)
    block = _frame(element, nodes, [(s.bus, s.nodes), other])
    block.y = _series(_inverse(source_impedance(s)))
    return block


def _line_block(e: Line, code: LineCode, omega: float, nodes: NodeTable) -> Block:
    length = e.length * length_ratio(e.unit, code.unit)
    z = (np.array(code.r) + 1j * np.array(code.x)) * length
    shunt = 0.5j * omega * 1e-9 * length * np.array(code.c_nf)
    block = _frame(f"line.{e.name}", nodes, [(e.bus1, e.nodes1), (e.bus2, e.nodes2)])
    n = code.phases
    block.y = _series(_inverse(z))
    block.y[:n, :n] += shunt
    block.y[n:, n:] += shunt
    return block


def _switch_block(e: Switch, nodes: NodeTable) -> Block:
    n = len(e.nodes1)
    block = _frame(f"switch.{e.name}", nodes, [(e.bus1, e.nodes1), (e.bus2, e.nodes2)])
    block.y = _series(np.eye(n) / complex(e.r_ohm, e.x_ohm))
    return block


# --- transformers --------------------------------------------------------------------------------


def _winding_base_v(t: Transformer, w: Winding) -> float:
    """Return the rated voltage across one coil of the winding [V]."""
    return 1e3 * w.kv / (math.sqrt(3.0) if w.conn == "wye" and t.phases > 1 else 1.0)


def _one_volt(t: Transformer) -> tuple[Complex, complex]:
    """Return the coil admittances of one phase on a one-volt base, and the core's on winding 2.

    Branch impedances are taken relative to winding 1: diagonal z_1j, off the diagonal
    (z_1i + z_1j - z_ij) / 2; A ties the winding currents to them (they sum to zero).
    """
    n = len(t.windings)
    va_phase = 1e3 * t.windings[0].kva / t.phases
    pairs = iter(t.x_pct)
    x = {(i, j): next(pairs) for i in range(n) for j in range(i + 1, n)}
    r = [w.r_pct for w in t.windings]
    z = {(i, j): complex(r[i] + r[j], x[i, j]) * 0.01 / va_phase for i, j in x}
    zb = np.empty((n - 1, n - 1), np.complex128)
    for i in range(1, n):
        for j in range(1, n):
            zb[i - 1, j - 1] = z[0, i] if i == j else 0.5 * (z[0, i] + z[0, j] - z[min(i, j), max(i, j)])
    a = np.vstack([np.ones(n - 1), -np.eye(n - 1)])
    core = complex(t.no_load_loss_pct, -t.magnetising_pct) * 0.01 * va_phase
    return np.asarray(a @ _inverse(zb) @ a.T, np.complex128), core


def _delta_turn(t: Transformer) -> int:
    """Return +1 when a delta coil runs from phase k to k + 1, -1 when to k - 1.

    With unlike connections the high-voltage side leads the low one by 30 degrees (``lag``, the
    ANSI way) or lags it (``lead``).
    """
    first, second = t.windings[0], t.windings[1]
    if first.conn == second.conn:
        return 1
    high = first if first.kv >= second.kv else second
    lag = 1 if high.conn == "wye" else -1
    return lag if t.lead_lag == "lag" else -lag


def _coil_ends(t: Transformer, w: Winding, phase: int) -> tuple[int, int]:
    """Return the two conductors (0-based, within the winding's nodes) of one phase's coil."""
    if w.conn == "wye":
        return phase, t.phases
    if t.phases == 1:
        return 0, 1
    other = phase + _delta_turn(t)
    if t.phases == 2:  # open delta: the third conductor closes whichever way it turns
        return phase, other if other >= 0 else 2
    return phase, other % t.phases


def _wind(t: Transformer, frame: Block, y_coil: Complex, core: complex, ratios: Sequence[float]) -> Complex:
    """Connect coil admittances to conductors: y = sum over phases of N^T y_coil N, with turns ratios."""
    k = frame.nodes.size
    start = [int(np.argmax(frame.terminal == i + 1)) for i in range(len(t.windings))]
    y_full = y_coil.copy()
    y_full[1, 1] += core
    y = np.zeros((k, k), np.complex128)
    for phase in range(t.phases):
        incidence = np.zeros((len(t.windings), k))
        for i, w in enumerate(t.windings):
            head, tail = _coil_ends(t, w, phase)
            incidence[i, start[i] + head] += 1.0 / (_winding_base_v(t, w) * ratios[i])
            incidence[i, start[i] + tail] -= 1.0 / (_winding_base_v(t, w) * ratios[i])
        y += incidence.T @ y_full @ incidence
    return y


def _to_ground(t: Transformer, frame: Block) -> Complex:
    """Return antifloat admittances (at both ends of every coil) and neutral impedances, a diagonal."""
    va_phase = 1e3 * t.windings[0].kva / t.phases
    y = np.zeros(frame.nodes.size, np.complex128)
    for i, w in enumerate(t.windings):
        start = int(np.argmax(frame.terminal == i + 1))
        float_s = -0.5j * t.antifloat_ppm * 1e-6 * va_phase / _winding_base_v(t, w) ** 2
        for phase in range(t.phases):
            for end in _coil_ends(t, w, phase):
                y[start + end] += float_s
        if w.conn == "wye":
            neutral = start + t.phases
            if w.r_neutral_ohm < 0.0:
                y[neutral] += float_s
            elif w.r_neutral_ohm == 0.0 and w.x_neutral_ohm == 0.0:
                y[neutral] += SOLID_NEUTRAL_S
            else:
                y[neutral] += 1.0 / complex(w.r_neutral_ohm, w.x_neutral_ohm)
    return np.diag(y)


def _transformer_frame(element: str, t: Transformer, nodes: NodeTable) -> Block:
    return _frame(element, nodes, [(w.bus, w.nodes) for w in t.windings])


def _transformer_block(element: str, t: Transformer, nodes: NodeTable) -> Block:
    block = _transformer_frame(element, t, nodes)
    y_coil, core = _one_volt(t)
    block.y = _wind(t, block, y_coil, core, [w.tap for w in t.windings]) + _to_ground(t, block)
    return block


def _regulator_frame(r: Regulator, nodes: NodeTable) -> Block:
    return _transformer_frame(f"regulator.{r.name}", r.transformer, nodes)


def regulator_parts(regulator: Regulator, nodes: NodeTable) -> tuple[Complex, Complex, Complex]:
    """Return (ya, yb, yc) with Y(ratio) = ya + yb / ratio + yc / ratio**2 over the block's conductors.

    The coil admittance is quadratic in 1/ratio of the tapped winding: what does not touch that
    winding is constant, its mutual part goes with 1/ratio, its own part with 1/ratio**2.
    """
    t = regulator.transformer
    frame = _regulator_frame(regulator, nodes)
    y_coil, core = _one_volt(t)
    ratios = [w.tap for w in t.windings]
    tapped = regulator.tapped_winding - 1
    ratios[tapped] = 1.0
    y = _wind(t, frame, y_coil, core, ratios)
    is_tapped = frame.terminal == tapped + 1
    own = np.outer(is_tapped, is_tapped)
    mutual = np.logical_xor.outer(is_tapped, is_tapped)
    constant = np.where(own | mutual, 0.0, y) + _to_ground(t, frame)
    return constant, np.where(mutual, y, 0.0), np.where(own, y, 0.0)


# --- shunt and series banks ----------------------------------------------------------------------


def _bank(label: str, e: Capacitor | Reactor, y_phase: complex, nodes: NodeTable) -> Block:
    """Return one admittance per phase, wye (two terminals) or delta (one terminal, in a ring)."""
    n = e.phases
    if e.conn == "delta":
        block = _frame(label, nodes, [(e.bus1, e.nodes1)])
        k = len(e.nodes1)
        for phase in range(n):  # two phases: an open ring over three nodes
            i, j = phase, (phase + 1) % k
            block.y[[i, j], [i, j]] += y_phase
            block.y[[i, j], [j, i]] -= y_phase
        return block
    block = _frame(label, nodes, [(e.bus1, e.nodes1), (e.bus2, e.nodes2 or (0,) * n)])
    block.y = _series(np.eye(n, dtype=np.complex128) * y_phase)
    return block


def _capacitor_block(e: Capacitor, nodes: NodeTable) -> Block:
    v = 1e3 * e.kv / (math.sqrt(3.0) if e.conn == "wye" and e.phases > 1 else 1.0)
    return _bank(f"capacitor.{e.name}", e, 1j * 1e3 * e.kvar_on / e.phases / v**2, nodes)


def _reactor_block(e: Reactor, nodes: NodeTable) -> Block:
    y = 1.0 / complex(e.r_ohm, e.x_ohm)
    if e.parallel_r_ohm is not None:
        y += 1.0 / e.parallel_r_ohm
    return _bank(f"reactor.{e.name}", e, y, nodes)


# --- loads ---------------------------------------------------------------------------------------


def _load_ends(d: Load) -> list[tuple[int, int]]:
    """Return the conductor pairs of a load's branches."""
    if d.conn == "wye":
        return [(p, d.phases) for p in range(d.phases)]
    if d.phases < 3:
        return [(p, p + 1) for p in range(d.phases)]
    return [(p, (p + 1) % d.phases) for p in range(d.phases)]


def _load_zip(d: Load) -> list[float]:
    if d.model == 4:
        return [d.cvr_watts, d.cvr_vars, 0.0, 0.0, 0.0, 0.0, 0.0]
    return list(d.zipv) if d.model == 8 else [0.0] * 7


def load_branches(network: Network, nodes: NodeTable) -> LoadBranches:
    """Return every load as branches between two nodes, in load order."""
    pairs = [(i, d, ends) for i, d in enumerate(network.loads) for ends in _load_ends(d)]

    def floats(value: Callable[[Load], float]) -> Floats:
        return np.array([value(d) for _, d, _ in pairs], np.float64)

    def end(k: int) -> Ints:
        return np.array([nodes.of(d.bus, [d.nodes[ends[k]]])[0] for _, d, ends in pairs], np.int64)

    return LoadBranches(
        load=np.array([i for i, _, _ in pairs], np.int64),
        a=end(0),
        b=end(1),
        share=floats(lambda d: 1.0 / len(_load_ends(d))),
        vb_v=floats(lambda d: 1e3 * d.kv / (math.sqrt(3.0) if d.conn == "wye" and d.phases > 1 else 1.0)),
        model=np.array([d.model for _, d, _ in pairs], np.int64),
        vlow=floats(lambda d: d.vlow_pu),
        vmin=floats(lambda d: d.vmin_pu),
        vmax=floats(lambda d: d.vmax_pu),
        zip=np.array([_load_zip(d) for _, d, _ in pairs], np.float64).reshape(len(pairs), 7),
    )
