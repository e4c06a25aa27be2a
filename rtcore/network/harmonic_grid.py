"""The network at harmonic orders: same nodes, same elimination order, other admittances.

At order h a network is the network itself with its parameters moved to h times the frequency,
so that its matrix comes from the same code as the fundamental one and is equal to it at h = 1:

- series reactances and leakages X*h, capacitances C*h, magnetising branches 1/h (antifloat
  admittances, a numerical aid, stay); EMFs are short circuits behind their impedance, current
  sources are open;
- resistance of lines times 1 + 0.646 h^2 / (192 + 0.518 h^2), referred to h = 1 (overhead
  lines: J. Arrillaga and N. R. Watson, "Power System Harmonics", 2nd ed., Wiley 2003, chapter on
  system components); it is taken for the whole matrix, earth return included;
- resistance of transformers 1 - p + p*h^2: the share p of the load loss is eddy loss, which grows
  with the square of the order (IEEE C57.110-2018);
- loads draw their nominal power as a share ``series`` of R and X in series, the rest in parallel
  (the two-part model of OpenDSS, default one half each, after the aggregate models of the CIGRE
  guide, Electra 77, 1981): the series part is motors and transformers, the parallel part is what
  damps resonances. A load with leading power is a resistance and a capacitance in parallel, one
  that delivers active power is open (it is a current source).

Static values of every order are made once; switches, taps, banks and EMFs in service count
through the factors of their units. Faults do not: this is a screening of healthy states.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.jit import fast_kernel, kernel
from rtcore.network.factor import Complex, Factor, Ints, position, refactor, solve
from rtcore.network.grid import Grid
from rtcore.network.grid_arrays import Floats, GridArrays
from rtcore.network.model import Load, Network, Regulator, Transformer
from rtcore.network.powerflow import stamp_loads

ORDERS = (3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25)
"""Odd orders. Those divisible by three belong to it: four-wire feeders are not balanced."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """How resistance and loads follow frequency."""

    has_line_skin: bool = True
    transformer_eddy_pu: float = 0.02
    """Eddy share of a transformer's load loss at the fundamental [pu]."""
    series: float = 0.5
    """Share of every load that is R and X in series [pu]."""


PLAIN = Laws(has_line_skin=False, transformer_eddy_pu=0.0)
"""Resistances that do not change with frequency."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """R, L and C in series between two nodes (network order, -1 is ground); ohm at the fundamental."""

    i: int
    j: int = -1
    r_ohm: float
    x_l_ohm: float
    x_c_ohm: float

    def admittance(self, h: float) -> complex:
        """Return the admittance at an order [S]."""
        return 1.0 / complex(self.r_ohm, self.x_l_ohm * h - self.x_c_ohm / h)


class OrderRows(NamedTuple):
    """``TerminalRows`` at every order: ``a``, ``b``, ``c`` have shape (n_orders, n_entries)."""

    start: Ints
    node: Ints
    unit: Ints
    a: Complex
    b: Complex
    c: Complex
    at: Ints


class HarmonicArrays(NamedTuple):
    """What the kernels of this module read and write; nodes in elimination order, n is ground."""

    factor: Factor
    """One for all orders; the pattern is the fundamental network's own memory."""
    ax_static: Complex
    """Shape (n_orders, nnz)."""
    stamp_at: Ints
    stamp_unit: Ints
    stamp_a: Complex
    """Shape (n_orders, n_stamps), as are b and c."""
    stamp_b: Complex
    stamp_c: Complex
    branch_at: Ints
    """Positions of (i, i), (j, j), (i, j), (j, i) of every tuned branch, -1 at ground, shape (n_b, 4)."""
    branch_y: Complex
    """Shape (n_orders, n_b)."""
    branch_on: Floats
    """1 in service, 0 out, shape (n_b,)."""
    unit: Floats
    """Unit factors as they were when the scan began."""
    live: npt.NDArray[np.uint8]
    v: Complex
    """Injected currents [A] before a solution, voltages [V] after it, shape (n + 1,)."""


# --- the network at an order ---------------------------------------------------------------------


def line_skin(h: float) -> float:
    """Return the resistance of a line at order ``h`` [pu of that at the fundamental]."""
    return (1.0 + 0.646 * h**2 / (192.0 + 0.518 * h**2)) / (1.0 + 0.646 / 192.518)


def harmonic_network(network: Network, h: float, laws: Laws) -> Network:
    """Return the network whose fundamental admittances are those of ``network`` at order ``h``."""
    skin = line_skin(h) if laws.has_line_skin else 1.0
    return dc.replace(
        network,
        base_frequency_hz=network.base_frequency_hz * h,
        sources=tuple(dc.replace(s, x1_ohm=s.x1_ohm * h, x0_ohm=s.x0_ohm * h) for s in network.sources),
        linecodes=tuple(
            dc.replace(
                c,
                r=tuple(tuple(r * skin for r in row) for row in c.r),
                x=tuple(tuple(x * h for x in row) for row in c.x),
            )
            for c in network.linecodes
        ),
        switches=tuple(dc.replace(s, x_ohm=s.x_ohm * h) for s in network.switches),
        transformers=tuple(_transformer(t, h, laws) for t in network.transformers),
        regulators=tuple(_regulator(r, h, laws) for r in network.regulators),
        capacitors=tuple(
            dc.replace(c, steps_kvar=tuple(q * h for q in c.steps_kvar)) for c in network.capacitors
        ),
        reactors=tuple(dc.replace(r, x_ohm=r.x_ohm * h) for r in network.reactors),
        loads=tuple(_load(d, h, laws.series) for d in network.loads),
        ders=tuple(dc.replace(d, x1_pu=d.x1_pu * h, x0_pu=d.x0_pu * h) for d in network.ders),
    )


def _transformer(t: Transformer, h: float, laws: Laws) -> Transformer:
    eddy = 1.0 + laws.transformer_eddy_pu * (h**2 - 1.0)
    return dc.replace(
        t,
        windings=tuple(
            dc.replace(w, r_pct=w.r_pct * eddy, x_neutral_ohm=w.x_neutral_ohm * h) for w in t.windings
        ),
        x_pct=tuple(x * h for x in t.x_pct),
        magnetising_pct=t.magnetising_pct / h,
    )


def _regulator(r: Regulator, h: float, laws: Laws) -> Regulator:
    return dc.replace(r, transformer=_transformer(r.transformer, h, laws))


def _load(d: Load, h: float, series: float) -> Load:
    """Return the load whose nominal admittance is that of ``d`` at order ``h``."""
    if h == 1.0 or (d.kw == 0.0 and d.kvar == 0.0):
        return d
    if d.kw < 0.0:
        return dc.replace(d, kw=0.0, kvar=0.0)
    if d.kvar < 0.0:
        return dc.replace(d, kvar=d.kvar * h)
    y = (1.0 - series) * complex(d.kw, -d.kvar / h)
    if series > 0.0:
        z = 1.0 / (series * complex(d.kw, -d.kvar))
        y += 1.0 / complex(z.real, z.imag * h)
    return dc.replace(d, kw=y.real, kvar=-y.imag)


# --- building ------------------------------------------------------------------------------------


class HarmonicGrid:
    """The orders of one assembled network.

    Parameters
    ----------
    grid : Grid
        The fundamental network; its pattern and elimination order are used as they are.
    orders : tuple of int
        Ascending.
    branches : sequence of Tuned
        Filters, one entry per phase; out of service until ``arrays.branch_on`` says otherwise.
    terminals : sequence of (element, terminal)
        Where currents are wanted: ``rows``, as of ``Grid.terminal_rows``.
    """

    def __init__(
        self,
        grid: Grid,
        orders: tuple[int, ...] = ORDERS,
        *,
        laws: Laws | None = None,
        branches: Sequence[Tuned] = (),
        terminals: Sequence[tuple[str, int]] = (),
    ) -> None:
        if not orders or list(orders) != sorted(set(orders)) or orders[0] < 1:
            raise ValueError(f"harmonic orders must be ascending whole numbers from 1 on, not {orders}")
        self.grid, self.orders = grid, orders
        laws = laws or Laws()
        made, rows = [], []
        for h in orders:
            at_order = Grid(harmonic_network(grid.network, float(h), laws))
            assert np.array_equal(at_order.at, grid.at), "the pattern must not depend on the order"
            made.append(at_order.arrays)
            rows.append(at_order.terminal_rows(terminals))
        first = rows[0]
        self.rows = OrderRows(
            start=first.start,
            node=first.node,
            unit=first.unit,
            a=np.array([r.a for r in rows]),
            b=np.array([r.b for r in rows]),
            c=np.array([r.c for r in rows]),
            at=first.at,
        )
        self.arrays = self._arrays(made, branches)

    def _arrays(self, made: Sequence[GridArrays], branches: Sequence[Tuned]) -> HarmonicArrays:
        base = self.grid.arrays
        f = base.factor
        return HarmonicArrays(
            factor=f._replace(
                ax=np.zeros_like(f.ax),
                li=np.zeros_like(f.li),
                lx=np.zeros_like(f.lx),
                d_inv=np.zeros_like(f.d_inv),
                work=np.zeros_like(f.work),
                path=np.zeros_like(f.path),
                mark=np.zeros_like(f.mark),
                fill=np.zeros_like(f.fill),
            ),
            ax_static=np.array([_with_loads(g) for g in made]),
            stamp_at=base.stamp_at.copy(),
            stamp_unit=base.stamp_unit.copy(),
            stamp_a=np.array([g.stamp_a for g in made]),
            stamp_b=np.array([g.stamp_b for g in made]),
            stamp_c=np.array([g.stamp_c for g in made]),
            branch_at=np.array([self._positions(b) for b in branches], np.int32).reshape(-1, 4),
            branch_y=np.array(
                [[b.admittance(h) for b in branches] for h in self.orders], np.complex128
            ).reshape(len(self.orders), -1),
            branch_on=np.zeros(len(branches)),
            unit=base.unit.copy(),
            live=base.live.copy(),
            v=np.zeros(self.grid.n + 1, np.complex128),
        )

    def _positions(self, branch: Tuned) -> tuple[int, ...]:
        n, f = self.grid.n, self.grid.arrays.factor
        i, j = self.grid.node_at(branch.i), self.grid.node_at(branch.j)
        pairs = ((i, i), (j, j), (i, j), (j, i))
        found = tuple(position(f.ap, f.ai, a, b) if a < n and b < n else -1 for a, b in pairs)
        if i < n and j < n and min(found) < 0:
            names = self.grid.nodes.names
            raise ValueError(f"a filter joins nodes of one bus, not {names[branch.i]} and {names[branch.j]}")
        return found

    def scan_order(self, k: int, injected_a: Complex) -> Complex:
        """Return the voltages [V] that injected currents [A] of order number ``k`` cause (network order).

        Switches, taps and banks are those of the fundamental network now.
        """
        a, at = self.arrays, self.grid.at[:-1]
        take_units(a.unit, a.live, self.grid.arrays.unit, self.grid.arrays.live)
        a.v[at] = injected_a
        scan_order(a, k)
        return np.asarray(a.v[at])

    def impedance(self, k: int, node: int) -> complex:
        """Return the driving-point impedance of a node (network order) at order number ``k`` [ohm]."""
        injected = np.zeros(self.grid.n, np.complex128)
        injected[node] = 1.0
        return complex(self.scan_order(k, injected)[node])


# --- kernels -------------------------------------------------------------------------------------


def _with_loads(g: GridArrays) -> Complex:
    """Return the matrix without switches, taps and banks, loads at their nominal admittance."""
    ax = g.ax_static.copy()
    stamp_loads(g.loads, ax)
    return ax


@kernel
def take_units(mine, my_live, unit, live):  # type: ignore[no-untyped-def]
    """Take over what is in service, so that one scan sees one state of the network."""
    for u in range(unit.shape[0]):
        for k in range(3):
            mine[u, k] = unit[u, k]
    for i in range(live.shape[0]):
        my_live[i] = live[i]


@kernel
def stamp_order(a, k):  # type: ignore[no-untyped-def]
    """Rebuild the matrix of order number ``k``; the factors of the last one stay until refactored."""
    ax, unit, static = a.factor.ax, a.unit, a.ax_static
    for e in range(ax.shape[0]):
        ax[e] = static[k, e]
    for e in range(a.stamp_at.shape[0]):
        u = a.stamp_unit[e]
        ax[a.stamp_at[e]] += (
            a.stamp_a[k, e] * unit[u, 0] + a.stamp_b[k, e] * unit[u, 1] + a.stamp_c[k, e] * unit[u, 2]
        )
    for b in range(a.branch_at.shape[0]):
        y = a.branch_y[k, b] * a.branch_on[b]
        for e in range(4):
            if a.branch_at[b, e] >= 0:
                ax[a.branch_at[b, e]] += y if e < 2 else -y


@fast_kernel
def solve_order(factor, v, live):  # type: ignore[no-untyped-def]
    """Turn the injected currents in ``v`` into voltages; 0 V at dead nodes and ground."""
    n = live.shape[0]
    for i in range(n):
        if live[i] == 0:
            v[i] = 0.0
    v[n] = 0.0
    solve(factor, v)
    for i in range(n):
        if live[i] == 0:
            v[i] = 0.0


@fast_kernel
def scan_order(a, k):  # type: ignore[no-untyped-def]
    """Stamp, factor and solve order number ``k`` for the currents in ``a.v``; returns pivots replaced."""
    stamp_order(a, k)
    bad = refactor(a.factor)
    solve_order(a.factor, a.v, a.live)
    return bad


@fast_kernel
def order_current(v, unit, rows, k, r):  # type: ignore[no-untyped-def]
    """Current of order number ``k`` into an element at one terminal conductor [A]."""
    current = 0.0j
    for e in range(rows.start[r], rows.start[r + 1]):
        y, u = rows.a[k, e], rows.unit[e]
        if u >= 0:
            y = y * unit[u, 0] + rows.b[k, e] * unit[u, 1] + rows.c[k, e] * unit[u, 2]
        current += y * v[rows.node[e]]
    return current
