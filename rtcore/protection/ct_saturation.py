"""Saturation of current transformers by the DC offset of a fault, as a factor on the RMS current.

The fault current is taken fully offset, i(t) = e^(-t/T1) - cos(w t) [pu of its peak], with
T1 = (X/R)/w, and the burden resistive, so that the flux is the integral of the secondary current.
In units of the flux of the symmetrical current the core carries no more than Ks, the saturation
factor Vk/(Is (Rct + Rb)). A core without remanence saturates never if Ks >= 1 + X/R, else first
at about ts = -T1 ln(1 - (Ks - 1)/(w T1)) (the flux of the offset alone, plus 1 for the ripple:
the earliest). The flux-clamped solution is exact: beyond the knee all current magnetises, so the
secondary current is 0 while the flux stands at the knee and i(t) otherwise. As the flux swings by
2 about a positive mean, a core with Ks >= 1 is clamped on one side only, and the flux is the
reflected path phi = x - max(0, max over the past of (x - Ks)) (A. V. Skorokhod, Theory Probab.
Appl. 6, 1961). The relay sees its fundamental through a one-cycle DFT.

What this is not: no remanence, no inductive burden, no inception angle but the worst, no saturation
by a symmetrical current beyond the knee (Ks < 1 counts as 1). The factor ends at 1: it delays
50 and 51 and never changes what picks up in the end. Formulas: IEEE C37.110 and IEC 61869-2
[from memory: verify].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.jit import kernel

Floats = npt.NDArray[np.float64]

PER_CYCLE = 16
"""Columns of a table to a cycle."""
SUB_STEPS = 60
"""Steps of the simulation to a column: 17 us at 60 Hz."""
KS_POINTS = 65
END_T1 = 8.0
"""A table ends two cycles after so many T1; the offset is 0.03 % then."""


def time_constant_s(x_over_r: float, f_hz: float) -> float:
    """Return the time constant T1 of the offset [s]."""
    return x_over_r / (2.0 * math.pi * f_hz)


def peak_factor(x_over_r: float) -> float:
    """Return the highest peak of a fully offset current, in peaks of the symmetrical one.

    Kappa of IEC 60909-0 (equation from memory: verify).
    """
    return 1.02 + 0.98 * math.exp(-3.0 / x_over_r)


def half_cycle_rms_factor(x_over_r: float) -> float:
    """Return the asymmetrical RMS current half a cycle after the start, over the symmetrical one."""
    return math.sqrt(1.0 + 2.0 * math.exp(-2.0 * math.pi / x_over_r))


def saturation_factor(knee_v: float, i_secondary_a: float, r_ohm: float) -> float:
    """Return Ks = Vk/(Is (Rct + Rb))."""
    return knee_v / (i_secondary_a * r_ohm)


def time_to_saturation_s(x_over_r: float, ks: float, f_hz: float) -> float:
    """Return the earliest time to saturation [s]; inf when it never comes, 0 for Ks <= 1."""
    if ks >= 1.0 + x_over_r:
        return math.inf
    return max(-time_constant_s(x_over_r, f_hz) * math.log1p(-(ks - 1.0) / x_over_r), 0.0)


def flux(x_over_r: float, ks: Floats, t_s: Floats, f_hz: float) -> tuple[Floats, Floats]:
    """Return the clamped and the free flux, shapes (n_ks, n_t) and (n_t,).

    ``t_s`` begins at 0 and is fine against the cycle: the clamp is exact at these instants.
    """
    w = 2.0 * math.pi * f_hz
    free = x_over_r * -np.expm1(-w * t_s / x_over_r) - np.sin(w * t_s)
    beyond = np.maximum(free - np.maximum(ks, 1.0)[:, None], 0.0)
    return free - np.maximum.accumulate(beyond, axis=1), free


def first_clamp_s(x_over_r: float, ks: float, f_hz: float, step_s: float = 1e-6) -> float:
    """Return when the flux-clamped simulation reaches the knee [s]; inf if not in ``END_T1`` T1."""
    t_s = np.arange(0.0, END_T1 * time_constant_s(x_over_r, f_hz), step_s)
    at = np.flatnonzero(flux(x_over_r, np.array([ks]), t_s, f_hz)[1] >= ks)
    return float(t_s[at[0]]) if len(at) else math.inf


def fundamental(x_over_r: float, ks: Floats, f_hz: float, n_cycles: float) -> tuple[Floats, Floats]:
    """Return what a one-cycle DFT makes of the secondary and of the primary current.

    Parameters
    ----------
    ks : float64[n_ks]
    n_cycles : float
        Length in cycles.

    Returns
    -------
    secondary : float64[n_ks, n_t]
        Fundamental in pu of the symmetrical current at the times k/(PER_CYCLE f); the window is
        the cycle that ends there, shorter in the first one.
    primary : float64[n_t]
        The same of the current that does not saturate; it differs from 1 by what a plain DFT
        takes from the offset.
    """
    n_t = math.ceil(n_cycles * PER_CYCLE) + 1
    t_s = np.arange((n_t - 1) * SUB_STEPS + 1) / (f_hz * PER_CYCLE * SUB_STEPS)
    clamped, free = flux(x_over_r, ks, t_s, f_hz)
    turn = np.exp(-2j * math.pi * f_hz * (t_s[1:] + t_s[:-1]) / 2.0)
    return _windowed(clamped, turn), _windowed(free[None, :], turn)[0]


def _windowed(phi: Floats, turn: npt.NDArray[np.complex128]) -> Floats:
    """DFT of the current, which is the slope of its flux ``phi``, over a window of one cycle."""
    total = np.zeros(phi.shape, complex)
    np.cumsum(np.diff(phi, axis=1) * turn, axis=1, out=total[:, 1:])
    at = total[:, ::SUB_STEPS]
    before = np.zeros_like(at)
    before[:, PER_CYCLE:] = at[:, :-PER_CYCLE]
    return np.asarray(np.abs(at - before) / math.pi)


def ks_points(x_over_r: float) -> Floats:
    """Return the saturation factors of a table: 1 .. 1 + X/R, denser at the low end."""
    return np.asarray(1.0 + x_over_r * np.linspace(0.0, 1.0, KS_POINTS) ** 1.5)


def fundamental_table(x_over_r: float, ks_grid: Floats, f_hz: float, end_t1: float = END_T1) -> Floats:
    """Return the factor of the relay's current by saturation factor and time since the fault.

    The unit is the fundamental that the same DFT would find without saturation: relays filter the
    offset itself out, and the factor is exactly 1 until the core saturates. Columns are
    1/(PER_CYCLE f) apart, from 0; shape (n_ks, n_t).
    """
    n_cycles = end_t1 * time_constant_s(x_over_r, f_hz) * f_hz + 2.0
    secondary, primary = fundamental(x_over_r, ks_grid, f_hz, n_cycles)
    table = np.ones_like(secondary)
    np.divide(secondary, primary, out=table, where=primary > 1e-9)
    return table


class SaturationTables(NamedTuple):
    """Tables of several primary loops, and which one each relay uses."""

    row: npt.NDArray[np.int32]
    x_over_r: Floats
    ks: Floats
    pu: Floats
    dt_s: float


def tables(p: npt.NDArray[np.void], f_hz: float) -> SaturationTables:
    """Return the tables for relays with parameters ``p``, one for every ``x_over_r`` that occurs.

    ``ks`` has the shape (n_x, KS_POINTS), ``pu`` (n_x, KS_POINTS, n_t); a table that ends before
    the longest one goes on with 1.
    """
    different, row = np.unique(np.asarray(p["x_over_r"]), return_inverse=True)
    grids = [ks_points(x) for x in different]
    made = [fundamental_table(x, ks, f_hz) for x, ks in zip(different, grids, strict=True)]
    pu = np.ones((len(made), KS_POINTS, max([t.shape[1] for t in made], default=2)))
    for k, table in enumerate(made):
        pu[k, :, : table.shape[1]] = table
    ks = np.array(grids).reshape(-1, KS_POINTS)
    return SaturationTables(row.astype(np.int32), different, ks, pu, 1.0 / (PER_CYCLE * f_hz))


@kernel
def factor(table, r, ks, t_s):  # type: ignore[no-untyped-def]
    """Factor on the current of relay ``r``, ``t_s`` after the fault began; bilinear in Ks and time.

    1 for Ks >= 1 + X/R, after the table's end, before the fault (t < 0) and for what is no number.
    """
    k = table.row[r]
    at = t_s / table.dt_s
    if not (at >= 0.0 and at < table.pu.shape[2] - 1) or not ks < 1.0 + table.x_over_r[k]:
        return 1.0
    j, grid = int(at), table.ks[k]
    i = 0
    while i < grid.shape[0] - 2 and ks >= grid[i + 1]:
        i += 1
    x = max((ks - grid[i]) / (grid[i + 1] - grid[i]), 0.0)
    y = at - j
    pu = table.pu[k]
    low = pu[i, j] * (1.0 - y) + pu[i, j + 1] * y
    high = pu[i + 1, j] * (1.0 - y) + pu[i + 1, j + 1] * y
    return low * (1.0 - x) + high * x
