"""Harmonic screening: emission by spectrum, distortion of buses and at metering points, filters.

Every source emits I_h = share * |I1| * m_h at angle h * phi1 + theta_h; V_h = Z_h I_h order by
order on the network of ``harmonic_grid`` (current-source method, IEEE Std 3002.8-2018; sources do
not answer to the distortion they make). THD and TDD are root sums of squares over the orders of
the scan; the limits are those of IEEE 519-2022, judged here on each scan.

A scan runs outside the fast path: it looks at the plant once (units in service, fundamental
currents and voltages), then takes its orders one after the other, every order in two pieces
(factor; solve, collect and build the next matrix), every piece in a step of its own, spread over
``PERIOD_S`` of simulated time. With steps too long for that, one whole order a step. Nothing but
the number of the step decides what is done when.

An active filter reads last scan's demand for its rating: it is late by one scan.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.component import Attr, component, param
from rtcore.jit import fast_kernel, kernel
from rtcore.network.factor import Complex, Ints, refactor
from rtcore.network.grid_arrays import Floats
from rtcore.network.harmonic_grid import (
    HarmonicArrays,
    OrderRows,
    order_current,
    solve_order,
    stamp_order,
    take_units,
)
from rtcore.network.load_law import branch_current
from rtcore.plant.harmonic_spectra import SPECTRA

Rows = np.ndarray[Any, Any]
Words = npt.NDArray[np.int64]

PERIOD_S = 1.0
"""Simulated time of one scan [s]."""

EMITTED_MAX_A = 1e7
"""A fundamental current above this (or NaN) is no current: the source is left out of the scan [A]."""

PRESENT_MIN_PU = 0.1
"""Below this fundamental voltage a bus is dead and has no distortion [pu]."""

NEXT, SCANS = 0, 1
"""Columns of ``progress``: the piece that comes next, scans completed."""


@component(
    "harmonic_source",
    attrs=(
        Attr("share_pu_sp", "pu", "part of the fundamental current that the spectrum applies to", "setpoint"),
        Attr("i1_a", "A", "fundamental current, largest phase"),
        Attr("ih_a", "A", "harmonic current emitted, largest phase, all orders"),
        Attr("ithd_pct", "%", "harmonic current in per cent of the fundamental current"),
    ),
)
class HarmonicSource:
    """Non-linear load or inverter."""

    spectrum: float = param(
        unit="", doc="type of equipment", choices={name: float(i) for i, name in enumerate(SPECTRA)}
    )
    share: float = param(default=1.0, unit="pu", doc="initial non-linear part", ge=0, le=1)


@component(
    "harmonic_bus",
    attrs=(
        *(Attr(f"thd{k}_pct", "%", f"THD of phase {k}, of the fundamental voltage") for k in (1, 2, 3)),
        Attr("thd_pct", "%", "THD of the worst phase, of the rated voltage (IEEE 519)"),
        Attr("worst_pct", "%", "largest single harmonic of any phase, of the rated voltage"),
        Attr("worst_order", "", "order of that harmonic"),
        Attr("is_over", "", "1 when a limit of IEEE 519-2022 table 1 is exceeded"),
    ),
)
class HarmonicBus:
    """Voltage distortion of one bus."""

    rated_v: float = param(unit="V", doc="rated line-to-neutral voltage", gt=0)
    individual_pct: float = param(unit="%", doc="limit of a single harmonic", gt=0)
    total_pct: float = param(unit="%", doc="limit of the THD", gt=0)


@component(
    "harmonic_pcc",
    attrs=(
        *(Attr(f"tdd{k}_pct", "%", f"TDD of phase {k}, of the maximum demand current") for k in (1, 2, 3)),
        Attr("tdd_pct", "%", "TDD of the worst phase"),
        Attr("worst_pct", "%", "single harmonic that is nearest to, or furthest beyond, its limit"),
        Attr("worst_order", "", "order of that harmonic"),
        Attr("limit_pct", "%", "limit of the TDD"),
        Attr("is_over", "", "1 when a limit of IEEE 519-2022 tables 2 to 4 is exceeded"),
    ),
)
class HarmonicPcc:
    """Current distortion at a metering terminal, a point of common coupling."""

    il_a: float = param(unit="A", doc="maximum demand current, fundamental", gt=0)
    isc_a: float = param(unit="A", doc="short-circuit current", gt=0)
    total_pct: float = param(unit="%", doc="limit of the TDD", gt=0)


@component(
    "tuned_filter",
    attrs=(
        Attr("is_on_sp", "", "1: in service from the next scan on", "setpoint"),
        Attr("i1_a", "A", "fundamental current, largest phase"),
        Attr("q_var", "var", "reactive power supplied at the fundamental"),
        Attr("ih_a", "A", "harmonic current taken in, largest phase, all orders"),
    ),
)
class TunedFilter:
    """Single-tuned passive filter: R, L and C in series, one per phase to ground."""

    rated_v: float = param(unit="V", doc="rated line-to-neutral voltage", gt=0)
    q_var: float = param(unit="var", doc="reactive power per phase at the fundamental", gt=0)
    tuned_order: float = param(default=4.7, unit="", doc="order of resonance", gt=1, le=50)
    quality: float = param(default=40.0, unit="", doc="reactance at resonance over resistance", gt=0, le=500)
    is_on: float = param(default=1.0, unit="", doc="initial position", ge=0, le=1)

    @property
    def ohms(self) -> tuple[float, float, float]:
        """R, X of the reactor and X of the capacitor at the fundamental [ohm]."""
        n = self.tuned_order
        x_c = self.rated_v**2 / self.q_var * n**2 / (n**2 - 1.0)
        return x_c / n / self.quality, x_c / n**2, x_c


@component(
    "active_filter",
    attrs=(
        Attr("is_on_sp", "", "1: in service from the next scan on", "setpoint"),
        Attr("share_pu_sp", "pu", "part of the bus's emission to be cancelled", "setpoint"),
        Attr("i_a", "A", "harmonic current fed in, largest phase, all orders"),
        Attr("is_limited", "", "1 when the rated current limits it"),
    ),
)
class ActiveFilter:
    """Current source that cancels a part of what the sources at its bus emit."""

    rated_a: float = param(unit="A", doc="rated harmonic current per phase", gt=0)
    share: float = param(default=0.9, unit="pu", doc="initial part cancelled", ge=0, le=1)
    is_on: float = param(default=1.0, unit="", doc="initial position", ge=0, le=1)


class Sources(NamedTuple):
    """Emitters; nodes in elimination order, n is ground and stands for unused phases."""

    p: Rows
    s: Rows
    at: Ints
    back: Ints
    load: Ints
    """Load branch of each phase, -1 none, shape (n, 3)."""
    row: Ints
    """Row of ``fundamental``, -1 none, shape (n,)."""
    emf: Ints
    """Row of the network's EMFs that also carries its current, -1 none."""
    filter: Ints
    """Active filter at its bus, -1 none."""
    spectrum: Complex
    """Shape (n, n_orders) [A per A]."""
    total: Floats
    """Root sum of squares of the spectrum, shape (n,)."""
    magnitude: Floats
    """Share times fundamental current, negative when drawn, shape (n, 3) [A]."""
    turn: Complex
    """exp(j phi1), shape (n, 3)."""
    turned: Complex
    """exp(j h phi1) of the order under work."""


class Buses(NamedTuple):
    """Watched buses; shapes (n, 3), ``pct`` (n, n_orders): worst phase, of the rated voltage."""

    p: Rows
    s: Rows
    at: Ints
    v1: Floats
    squares: Floats
    pct: Floats


class Pccs(NamedTuple):
    """Metering terminals; ``of`` and ``phase`` say where each current row belongs (-1 neutral)."""

    p: Rows
    s: Rows
    rows: OrderRows
    of: Ints
    phase: Ints
    limit: Floats
    """Limit of each order, shape (n, n_orders) [%]."""
    squares: Floats
    pct: Floats


class Tunings(NamedTuple):
    """Passive filters; ``branch``: number of each phase's branch in the network, -1 none."""

    p: Rows
    s: Rows
    at: Ints
    branch: Ints
    y1: Complex
    """Admittance at the fundamental, shape (n,) [S]."""
    squares: Floats


class Actives(NamedTuple):
    """Active filters: current of the order under work, squares over all, gain and rating in force."""

    p: Rows
    s: Rows
    i_a: Complex
    squares: Floats
    gain: Floats
    room: Floats


class Harmonics(NamedTuple):
    """Everything a scan reads and writes."""

    orders: Words
    progress: Words
    net: HarmonicArrays
    sources: Sources
    buses: Buses
    pccs: Pccs
    tuned: Tunings
    active: Actives


# --- the work queue ------------------------------------------------------------------------------


@kernel
def advance(h, grid, fundamental, step, dt_s):  # type: ignore[no-untyped-def]
    """Do what this step has to do; returns 1 when a scan was completed.

    Parameters
    ----------
    h : Harmonics
    grid : GridArrays
        The solved fundamental network; only read.
    fundamental : complex128[m, 3]
        Phase currents of inverters (``network.grid.inverters``), into the network [A];
        ``h.sources.row`` numbers its rows.
    step : int
        Number of the step, from 0.
    """
    # One call of every kernel, with the arrays it needs and no more: compiling time grows with both.
    n, net, progress = h.orders.shape[0], h.net, h.progress
    if n == 0:
        return 0
    first, last = _due(step, dt_s, n)
    for piece in range(first, last):
        k = piece // 2
        if piece == 0:
            take_units(net.unit, net.live, grid.unit, grid.live)
            _look_at_sources(h.sources, grid.v, grid.loads, grid.emfs.e1_v, grid.emfs.i1, fundamental)
            _look_at_places(h.buses, h.pccs.squares, h.tuned, h.active, grid.v, net.branch_on)
        elif piece != progress[NEXT]:  # begun in the middle: wait for the next scan
            return 0
        elif piece % 2 == 1:
            refactor(net.factor)
        else:
            _inject(h.sources, h.active.i_a, h.active.gain, net.v, h.orders, k - 1)
            solve_order(net.factor, net.v, net.live)
            _collect_buses(h.buses, net.v, k - 1)
            _collect_pccs(h.pccs, net.v, net.unit, k - 1)
            _collect_filters(h.tuned, h.active, net.v, net.branch_y, net.branch_on, k - 1)
        progress[NEXT] = piece + 1
        if piece == 2 * n:
            _conclude_buses(h.buses, h.orders)
            _conclude_pccs(h.pccs, h.orders)
            _conclude_filters(h.tuned, h.active)
            progress[NEXT] = 0
            progress[SCANS] += 1
            return 1
        if piece % 2 == 0:
            stamp_order(net, k)
    return 0


@kernel
def _due(step, dt_s, n):  # type: ignore[no-untyped-def]
    """Return the first piece to be done in a step and the one after the last; piece 0 begins a scan."""
    pieces = 2 * n + 1
    every = np.int64(PERIOD_S / (pieces * dt_s) + 1e-9)
    if every >= 1:
        piece = (step // every) % pieces
        return piece, piece + (1 if step % every == 0 else 0)
    k = step % n
    return (2 * k + 1 if k > 0 else 0), 2 * k + 3


@kernel
def _clipped(x):  # type: ignore[no-untyped-def]
    """Put a share into 0..1; NaN is 0."""
    return min(x, 1.0) if x > 0.0 else 0.0


# --- beginning of a scan -------------------------------------------------------------------------


@kernel
def _look_at_places(b, pcc_squares, t, a, v, branch_on):  # type: ignore[no-untyped-def]
    """Set all sums to zero; take over fundamental voltages and which filters are in service."""
    b.squares[:] = 0.0
    pcc_squares[:] = 0.0
    t.squares[:] = 0.0
    a.squares[:] = 0.0
    for i in range(b.at.shape[0]):
        for k in range(3):
            b.v1[i, k] = abs(v[b.at[i, k]])
    for i in range(t.at.shape[0]):
        is_on = 1.0 if t.s["is_on_sp"][i] > 0.5 else 0.0
        largest, q = 0.0, 0.0
        for k in range(3):
            if t.branch[i, k] >= 0:
                branch_on[t.branch[i, k]] = is_on
                u = abs(v[t.at[i, k]])
                largest = max(largest, abs(t.y1[i]) * u)
                q += t.y1[i].imag * u * u
        t.s["i1_a"][i], t.s["q_var"][i] = is_on * largest, is_on * q
    for i in range(a.gain.shape[0]):
        is_on = 1.0 if a.s["is_on_sp"][i] > 0.5 else 0.0
        a.gain[i] = is_on * _clipped(a.s["share_pu_sp"][i]) * a.room[i]


@kernel
def _look_at_sources(c, v, ld, e1_v, i1, fundamental):  # type: ignore[no-untyped-def]
    """Take over the fundamental current of every phase of every source, in its own direction."""
    load_a, load_b, s, vb, model = ld.a, ld.b, ld.s, ld.vb, ld.model
    v_low, v_min, v_max, z = ld.v_low, ld.v_min, ld.v_max, ld.z
    load, of_row, of_emf, magnitude, turn, turned = c.load, c.row, c.emf, c.magnitude, c.turn, c.turned
    share_pu_sp, i1_a, ih_a, ithd_pct = c.s["share_pu_sp"], c.s["i1_a"], c.s["ih_a"], c.s["ithd_pct"]
    for i in range(load.shape[0]):
        share, largest, row, e = _clipped(share_pu_sp[i]), 0.0, of_row[i], of_emf[i]
        for k in range(3):
            sign, current, b = share, 0.0j, load[i, k]
            if b >= 0:
                u = v[load_a[b]] - v[load_b[b]]
                current = branch_current(b, u, s, vb, model, v_low, v_min, v_max, z)
                sign = -share
            if row >= 0:
                current += fundamental[row, k]
            if e >= 0 and abs(e1_v[e, k]) > 0.0:  # the positive-sequence current, turned to the phase
                current += i1[e] * e1_v[e, k] / abs(e1_v[e, k])
            size = abs(current)
            if not size < EMITTED_MAX_A:  # "not <" also catches NaN
                size = 0.0
            magnitude[i, k] = sign * size
            turn[i, k] = current / size if size > 0.0 else 1.0 + 0.0j
            turned[i, k] = turn[i, k]
            largest = max(largest, size)
        i1_a[i] = largest
        ih_a[i] = share * c.total[i] * largest
        ithd_pct[i] = 100.0 * share * c.total[i] if largest > 0.0 else 0.0


# --- one order -----------------------------------------------------------------------------------


@fast_kernel
def _inject(c, cancelled, gains, v, orders, k):  # type: ignore[no-untyped-def]
    """Set the currents of order number ``k``: what sources emit, less what active filters cancel."""
    at, back, of_filter, spectrum = c.at, c.back, c.filter, c.spectrum
    magnitude, turn, turned = c.magnitude, c.turn, c.turned
    turns = orders[k] - (orders[k - 1] if k > 0 else 1)
    v[:] = 0.0
    cancelled[:] = 0.0
    for i in range(at.shape[0]):
        f, gain = of_filter[i], 0.0
        if f >= 0:
            gain = gains[f]
        for phase in range(3):
            for _ in range(turns):
                turned[i, phase] *= turn[i, phase]
            if magnitude[i, phase] != 0.0:
                current = magnitude[i, phase] * spectrum[i, k] * turned[i, phase]
                if f >= 0:
                    cancelled[f, phase] -= gain * current
                    current *= 1.0 - gain
                v[at[i, phase]] += current
                v[back[i, phase]] -= current


@fast_kernel
def _collect_buses(b, v, k):  # type: ignore[no-untyped-def]
    """Add the squares of order number ``k``, as the two after this do."""
    at, squares, pct, rated_v = b.at, b.squares, b.pct, b.p["rated_v"]
    for i in range(at.shape[0]):
        worst = 0.0
        for phase in range(3):
            u = v[at[i, phase]]
            square = u.real * u.real + u.imag * u.imag
            squares[i, phase] += square
            worst = max(worst, square)
        pct[i, k] = 100.0 * math.sqrt(worst) / rated_v[i]


@fast_kernel
def _collect_pccs(c, v, unit, k):  # type: ignore[no-untyped-def]
    of, phases, squares, pct, il_a = c.of, c.phase, c.squares, c.pct, c.p["il_a"]
    pct[:, k] = 0.0
    for r in range(of.shape[0]):
        i, phase = of[r], phases[r]
        if phase >= 0:
            size = abs(order_current(v, unit, c.rows, k, r))
            squares[i, phase] += size * size
            pct[i, k] = max(pct[i, k], 100.0 * size / il_a[i])


@fast_kernel
def _collect_filters(t, a, v, branch_y, branch_on, k):  # type: ignore[no-untyped-def]
    for i in range(t.at.shape[0]):
        for phase in range(3):
            n = t.branch[i, phase]
            if n >= 0:
                size = abs(branch_y[k, n] * v[t.at[i, phase]]) * branch_on[n]
                t.squares[i, phase] += size * size
    for i in range(a.gain.shape[0]):
        for phase in range(3):
            size = abs(a.i_a[i, phase])
            a.squares[i, phase] += size * size


# --- end of a scan -------------------------------------------------------------------------------


@kernel
def _conclude_buses(b, orders):  # type: ignore[no-untyped-def]
    squares, v1, pct, rated_v = b.squares, b.v1, b.pct, b.p["rated_v"]
    total_pct, individual_pct = b.p["total_pct"], b.p["individual_pct"]
    of_phase = (b.s["thd1_pct"], b.s["thd2_pct"], b.s["thd3_pct"])
    thd_pct, worst_pct, worst_order, is_over = (
        b.s["thd_pct"],
        b.s["worst_pct"],
        b.s["worst_order"],
        b.s["is_over"],
    )
    for i in range(squares.shape[0]):
        thd = 0.0
        for phase in range(3):
            u, of_present = math.sqrt(squares[i, phase]), 0.0
            if v1[i, phase] > PRESENT_MIN_PU * rated_v[i]:
                of_present = 100.0 * u / v1[i, phase]
                thd = max(thd, 100.0 * u / rated_v[i])
            of_phase[phase][i] = of_present
        k = 0
        for j in range(1, orders.shape[0]):
            if pct[i, j] > pct[i, k]:
                k = j
        worst = pct[i, k] if thd > 0.0 else 0.0
        thd_pct[i], worst_pct[i] = thd, worst
        worst_order[i] = orders[k] if worst > 0.0 else 0.0
        is_over[i] = 1.0 if thd > total_pct[i] or worst > individual_pct[i] else 0.0


@kernel
def _conclude_pccs(c, orders):  # type: ignore[no-untyped-def]
    s, p = c.s, c.p
    for i in range(c.squares.shape[0]):
        to_pct = 100.0 / p["il_a"][i]
        s["tdd1_pct"][i] = to_pct * math.sqrt(c.squares[i, 0])
        s["tdd2_pct"][i] = to_pct * math.sqrt(c.squares[i, 1])
        s["tdd3_pct"][i] = to_pct * math.sqrt(c.squares[i, 2])
        tdd = max(s["tdd1_pct"][i], s["tdd2_pct"][i], s["tdd3_pct"][i])
        k = 0
        for j in range(1, orders.shape[0]):
            if c.pct[i, j] * c.limit[i, k] > c.pct[i, k] * c.limit[i, j]:
                k = j
        worst = c.pct[i, k]
        s["tdd_pct"][i], s["worst_pct"][i], s["limit_pct"][i] = tdd, worst, p["total_pct"][i]
        s["worst_order"][i] = orders[k] if worst > 0.0 else 0.0
        s["is_over"][i] = 1.0 if tdd > p["total_pct"][i] or worst > c.limit[i, k] else 0.0


@kernel
def _conclude_filters(t, a):  # type: ignore[no-untyped-def]
    for i in range(t.at.shape[0]):
        t.s["ih_a"][i] = math.sqrt(max(t.squares[i, 0], t.squares[i, 1], t.squares[i, 2]))
    for i in range(a.gain.shape[0]):
        current = math.sqrt(max(a.squares[i, 0], a.squares[i, 1], a.squares[i, 2]))
        wanted, rated = current / a.room[i], a.p["rated_a"][i]
        a.s["i_a"][i] = current
        a.room[i] = rated / wanted if rated < wanted < math.inf else 1.0
        a.s["is_limited"][i] = 1.0 if a.room[i] < 1.0 else 0.0


# --- fundamental of the passive filters ----------------------------------------------------------


@kernel
def tuned_currents(t, v, i_a):  # type: ignore[no-untyped-def]
    """Set the fundamental currents of passive filters for the network solution.

    A filter is a capacitor at the fundamental. Its current follows last step's voltage, which
    converges because its rating is far below the short-circuit power of its bus.

    Parameters
    ----------
    v : complex128[n_nodes + 1]
        Node voltages, elimination order [V].
    i_a : complex128[n_filters, 3]
        Written: current into node ``t.at`` [A].
    """
    for i in range(t.at.shape[0]):
        is_on = 1.0 if t.s["is_on_sp"][i] > 0.5 else 0.0
        for k in range(3):
            current = -is_on * t.y1[i] * v[t.at[i, k]]
            i_a[i, k] = current if abs(current) < EMITTED_MAX_A else 0.0j
