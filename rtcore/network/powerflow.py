"""Power flow by fixed-point current injection.

V <- Y'^-1 [ I_source + sum_k A_k (Y_k v_k - I_k(v_k)) ], where Y' holds every element and, per
load branch, the constant admittance Y_k of its nominal power. Contraction of this Z-bus form
with wye and delta ZIP loads: Bazrafshan and Gatsis, IEEE Trans. Power Systems 33(2), 2018
(arXiv:1605.08511). A change of topology, tap or fault edits a few values and costs one
numeric refactorisation.
"""

from __future__ import annotations

import math

from rtcore.jit import fast_kernel, kernel
from rtcore.network.factor import position, refactor, solve
from rtcore.network.fault_slots import stamp_faults
from rtcore.network.grid_arrays import (
    N_BAD_PIVOTS,
    N_DEAD,
    N_FAULTS,
    N_ITERATIONS,
    N_REFACTORED,
)
from rtcore.network.load_law import branch_current

TOL_LOOP_PU = 1e-6
"""Convergence tolerance of the real-time loop [pu of the node's base voltage]."""

TOL_STUDY_PU = 1e-9
"""Convergence tolerance of studies [pu]."""

ITERATIONS_MAX = 60
RATE, RATE_AGE = 0, 1
RATE_SAFETY = 4.0
"""Factor on the measured contraction rate: the norm ratio depends on the direction of the change."""

RATE_MIN = 0.01
RATE_TRUSTED = 1000.0
"""Solutions after which the contraction rate is measured anew."""

LOAD_MAX_S = 1e3
"""A demand beyond this admittance, or that is no number, is not frozen: it is a fault of the input [S]."""

RATE_MEASURABLE_PU = 1e-9
"""Changes below this are rounding, their ratio says nothing [pu]."""


@kernel
def restamp(g):  # type: ignore[no-untyped-def]
    """Rebuild the matrix from static part, units and faults; refactor; find dead islands.

    Rebuilding from the static part instead of adding differences leaves no rounding drift.
    """
    f, ax = g.factor, g.factor.ax
    ax[:] = g.ax_static
    g.link[:] = g.link_static
    for k in range(g.stamp_at.shape[0]):
        u = g.stamp_unit[k]
        if g.unit[u, 0] != 0.0:
            g.link[g.stamp_at[k]] += g.stamp_links[k]
        ax[g.stamp_at[k]] += (
            g.stamp_a[k] * g.unit[u, 0] + g.stamp_b[k] * g.unit[u, 1] + g.stamp_c[k] * g.unit[u, 2]
        )
    stamp_loads(g.loads, ax)
    n = g.inv_base2.shape[0]
    for k in range(g.counters[N_FAULTS]):
        _stamp_fault(f, g.link, n, g.fault_i[k], g.fault_j[k], g.fault_y[k])
    stamp_faults(f.ap, f.ai, ax, g.link, g.faults, n)
    g.counters[N_BAD_PIVOTS] = refactor(f)
    g.counters[N_REFACTORED] += 1
    g.rate[RATE] = 1.0
    _find_live(g)


@kernel
def stamp_loads(ld, ax):  # type: ignore[no-untyped-def]
    """Freeze the present demand as constant admittances.

    Behind an open pole nodes hang on loads alone: there the iteration contracts only where the
    frozen admittance is near the load's own, not that of some other hour.
    """
    for k in range(ld.s.shape[0]):
        y = complex(max(ld.s[k].real, 0.0), -ld.s[k].imag) / (ld.vb[k] * ld.vb[k])
        if abs(y.real) < LOAD_MAX_S and abs(y.imag) < LOAD_MAX_S:
            ld.y_const[k] = y
        y = ld.y_const[k]
        for e in range(4):
            if ld.at[k, e] >= 0:
                ax[ld.at[k, e]] += y if e in (0, 3) else -y


@kernel
def _stamp_fault(f, link, n, i, j, y):  # type: ignore[no-untyped-def]
    if i < n:
        f.ax[position(f.ap, f.ai, i, i)] += y
    if j < n:
        f.ax[position(f.ap, f.ai, j, j)] += y
    if i < n and j < n:
        for at in (position(f.ap, f.ai, i, j), position(f.ap, f.ai, j, i)):
            f.ax[at] -= y
            link[at] += 1


@kernel
def _find_live(g):  # type: ignore[no-untyped-def]
    """Give every node the first EMF that reaches it over what links nodes at present, or none (0 V)."""
    live, owner = g.live, g.owner
    n = live.shape[0]
    live[:] = 0
    owner[:] = -1
    reached = 0
    for k in range(g.emfs.at.shape[0]):
        if g.unit[g.emfs.unit[k], 0] != 0.0:
            reached += _flood(g, k)
    g.counters[N_DEAD] = n - reached
    for i in range(n):
        if live[i] == 0:
            g.v[i] = 0.0


@kernel
def _flood(g, k):  # type: ignore[no-untyped-def]
    """Mark what EMF ``k`` reaches and nobody reached before; returns how many nodes."""
    f, live, owner, queue = g.factor, g.live, g.owner, g.queue
    n, tail = live.shape[0], 0
    for phase in range(g.emfs.at.shape[1]):
        for i in (g.emfs.at[k, phase], g.emfs.back[k, phase]):
            if i < n and live[i] == 0:
                live[i], owner[i] = 1, k
                queue[tail] = i
                tail += 1
    head = 0
    while head < tail:
        j = queue[head]
        head += 1
        for p in range(f.ap[j], f.ap[j + 1]):
            i = f.ai[p]
            if live[i] == 0 and g.link[p] > 0:
                live[i], owner[i] = 1, k
                queue[tail] = i
                tail += 1
    return tail


@fast_kernel
def start_cold(g):  # type: ignore[no-untyped-def]
    """Set V to the no-load profile (loads as their constant admittances)."""
    n = g.live.shape[0]
    _inject(g)
    solve(g.factor, g.rhs)
    for i in range(n):
        g.v[i] = g.rhs[i] if g.live[i] else 0.0


@fast_kernel
def turn(v, owner, turns):  # type: ignore[no-untyped-def]
    """Turn node voltages with their island's EMF: ``turns`` complex[n_emfs], 1 where it stands still.

    A warm start that turns along needs no more iterations at 59 Hz than at 60 Hz.
    """
    for i in range(owner.shape[0]):
        if owner[i] >= 0:
            v[i] *= turns[owner[i]]


@fast_kernel
def _inject(g):  # type: ignore[no-untyped-def]
    """Set the right-hand side to what EMFs and current sources feed in."""
    g.rhs[:] = 0.0
    e, rhs = g.emfs, g.rhs
    for k in range(e.at.shape[0]):
        scale = e.scale[k] * g.unit[e.unit[k], 0]
        for phase in range(e.at.shape[1]):
            rhs[e.at[k, phase]] += e.norton_a[k, phase] * scale
            rhs[e.back[k, phase]] -= e.norton_a[k, phase] * scale
    at, back, i_a = g.injections.at, g.injections.back, g.injections.i_a
    for k in range(at.shape[0]):
        for phase in range(3):
            rhs[at[k, phase]] += i_a[k, phase]
            rhs[back[k, phase]] -= i_a[k, phase]


@fast_kernel
def measure_emfs(g):  # type: ignore[no-untyped-def]
    """What every EMF delivers at the solved state."""
    e, v = g.emfs, g.v
    m = e.at.shape[1]
    for k in range(e.at.shape[0]):
        scale, factor = e.scale[k], g.unit[e.unit[k], 0]
        s, airgap, largest, v1, i1, n_phases = 0.0j, 0.0, 0.0, 0.0j, 0.0j, 0
        for i in range(m):
            base = abs(e.e1_v[k, i])
            if base == 0.0:
                continue
            current = 0.0j
            for j in range(m):
                across = v[e.at[k, j]] - v[e.back[k, j]]
                current += e.y[k, i, j] * (e.e1_v[k, j] * scale - across)
            current *= factor
            across = v[e.at[k, i]] - v[e.back[k, i]]
            s += across * current.conjugate()
            airgap += (e.e1_v[k, i] * scale * current.conjugate()).real
            largest = max(largest, abs(current))
            to_pu = e.e1_v[k, i].conjugate() / base
            v1 += across * to_pu / base
            i1 += current * to_pu
            n_phases += 1
        e.s_va[k], e.airgap_w[k], e.i_a[k] = s, airgap, largest
        e.v1[k], e.i1[k] = v1 / max(n_phases, 1), i1 / max(n_phases, 1)


@fast_kernel
def fixed_point(g, tol_pu, iterations_max):  # type: ignore[no-untyped-def]
    """Iterate from the present V; returns iterations, negative when not converged (or NaN).

    Stops when the a-posteriori bound of a contraction, rate / (1 - rate) * last change, is
    below the tolerance (Banach). The rate is measured whenever a solution takes two
    iterations or more, taken ``RATE_SAFETY``-fold, forgotten when the matrix changes and
    measured anew every ``RATE_TRUSTED`` solutions: a load ripple then costs one iteration.
    """
    v, rhs, inv_base2, rate = g.v, g.rhs, g.inv_base2, g.rate
    n = inv_base2.shape[0]
    rate[RATE_AGE] += 1.0
    if rate[RATE_AGE] > RATE_TRUSTED:
        rate[RATE] = 1.0
    before = 0.0
    for iteration in range(iterations_max):
        _inject(g)
        _compensate(g.loads, v, rhs)
        rhs[n] = 0.0
        solve(g.factor, rhs)
        worst = 0.0
        for i in range(n):
            d = rhs[i] - v[i]
            r = (d.real * d.real + d.imag * d.imag) * inv_base2[i]
            if not r <= worst:  # a NaN sticks and never passes the test below
                worst = r
            v[i] = rhs[i]
        change = math.sqrt(worst)
        if iteration > 0 and before > RATE_MEASURABLE_PU:
            rate[RATE] = min(max(RATE_SAFETY * change / before, RATE_MIN), 1.0)
            rate[RATE_AGE] = 0.0
        if change < tol_pu or rate[RATE] * change < (1.0 - rate[RATE]) * tol_pu:
            g.counters[N_ITERATIONS] = iteration + 1
            return iteration + 1
        before = change
    g.counters[N_ITERATIONS] = iterations_max
    return -iterations_max


@fast_kernel
def _compensate(ld, v, rhs):  # type: ignore[no-untyped-def]
    """Add the difference between each load's constant admittance and its law to the injections."""
    load_a, load_b, y_const, s, vb = ld.a, ld.b, ld.y_const, ld.s, ld.vb
    model, v_low, v_min, v_max, z = ld.model, ld.v_low, ld.v_min, ld.v_max, ld.z
    for k in range(load_a.shape[0]):
        a, b = load_a[k], load_b[k]
        u = v[a] - v[b]
        c = y_const[k] * u - branch_current(k, u, s, vb, model, v_low, v_min, v_max, z)
        rhs[a] += c
        rhs[b] -= c


@fast_kernel
def load_power(g):  # type: ignore[no-untyped-def]
    """Power drawn by all load branches at the present voltages [VA]."""
    ld, total = g.loads, 0.0j
    for k in range(ld.a.shape[0]):
        v = g.v[ld.a[k]] - g.v[ld.b[k]]
        i = branch_current(k, v, ld.s, ld.vb, ld.model, ld.v_low, ld.v_min, ld.v_max, ld.z)
        total += v * i.conjugate()
    return total


@fast_kernel
def row_currents(v, unit, rows, begin, end):  # type: ignore[no-untyped-def]
    """Currents flowing into elements at terminal conductors ``begin`` .. ``end`` - 1, into ``rows.i_a`` [A].

    The arrays are named once: taking one out of a tuple within a loop counts a reference each time.
    """
    start, node, unit_of, a, b, c, out = rows.start, rows.node, rows.unit, rows.a, rows.b, rows.c, rows.i_a
    for r in range(begin, end):
        current = 0.0j
        for e in range(start[r], start[r + 1]):
            y, u = a[e], unit_of[e]
            if u >= 0:
                y = y * unit[u, 0] + b[e] * unit[u, 1] + c[e] * unit[u, 2]
            current += y * v[node[e]]
        out[r] = current
    line, row, lines, slots = rows.line, rows.end, rows.lines, rows.slots
    for r in range(begin, end):
        if line[r] >= 0:
            slot = lines[line[r]]["last_slot"]
            if slot >= 0:  # a fault on the line: its block is another one, see ``measure_faults``
                out[r] += slots[slot]["i_change"][row[r]]
