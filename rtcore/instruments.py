"""Instruments: what CTs, VTs and transducers make of the true value.

y = quantise(saturate(cutoff((1 + g) x + n))), with g the ratio error, drawn once per
instrument as N(0, class/3) cut at the class limit (a bias, not noise), and n ~ N(0, sigma),
sigma = noise_frac*|x| + noise_abs. Composition after physics reference practice for class
instruments: IEC 61869-2/-3 classes bound g; noise and quantum are the transducer's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.jit import kernel
from rtcore.noise import normal
from rtcore.quality import Quality

Floats = npt.NDArray[np.float64]
Rows = np.ndarray[Any, Any]
BAD_DEENERGISED = int(Quality.BAD_DEENERGISED)
BAD_NOT_CONVERGED = int(Quality.BAD_NOT_CONVERGED)
UNCERTAIN_RANGE = int(Quality.UNCERTAIN_RANGE)
GOOD = int(Quality.GOOD)


INSTRUMENT = np.dtype(
    [
        ("source", np.int64),
        ("factor", np.float64),
        ("gain", np.float64),
        ("noise_frac", np.float64),
        ("noise_abs", np.float64),
        ("quantum", np.float64),
        ("cutoff", np.float64),
        ("low", np.float64),
        ("high", np.float64),
        ("node", np.int32),
        ("is_analog", np.uint8),
        ("is_network", np.uint8),
    ],
    align=True,
)
"""Where a point's value comes from and what its instrument does to it, in one record.

All of it is needed at once, for thousands of points in every step: records take two thirds of the
time that an array for each figure takes.
"""


class PointArrays(NamedTuple):
    """What the step needs of every point."""

    instrument: Rows
    """Records of ``INSTRUMENT``."""
    is_health: npt.NDArray[np.uint8]
    writable: npt.NDArray[np.uint8]
    guard: npt.NDArray[np.int64]
    interlock: npt.NDArray[np.int64]
    """Where the attributes are that must not be 0 for a command other than 0, -1 none; shape (n, m)."""
    interlock_reason: npt.NDArray[np.int64]
    hot: npt.NDArray[np.int32]
    """Points measured in every step."""
    cold: npt.NDArray[np.int32]
    """Points that only commands change (settings): measured when there was one."""
    statuses: npt.NDArray[np.int32]
    stamp: npt.NDArray[np.int64]
    """Where it stands how long before the end of the step a status changed, -1: at its end."""


def instrument_rows(n: int, **columns: npt.ArrayLike) -> Rows:
    """Return ``n`` records of ``INSTRUMENT``; every column is given, an array or one figure for all."""
    assert columns.keys() == set(INSTRUMENT.names or ())
    rows = np.zeros(n, INSTRUMENT)
    for name, column in columns.items():
        rows[name] = column
    return rows


def draw_gain(class_frac: Floats, rng: np.random.Generator) -> Floats:
    """Return 1 + ratio error per instrument, shape (n,); errors beyond the class are cut."""
    error = rng.standard_normal(len(class_frac)) * class_frac / 3.0
    return 1.0 + np.clip(error, -class_frac, class_frac)


@kernel
def measure(points, chosen, x, live, is_solved, noise, key, values, quality):  # type: ignore[no-untyped-def]
    """Turn plant state into published values and qualities.

    Parameters
    ----------
    chosen : int32[]
        Points to measure.
    x : float64[n_x]
        All component state rows.
    live : uint8[n_nodes]
        Which nodes a source reaches.
    is_solved : bool
        False when the network did not converge: its points keep their value and go bad.
    noise, key : float64[], uint64
        Quantile table and the key of this step's instrument noise.
    """
    rows = points.instrument
    for i in chosen:
        p = rows[i]
        true = x[p.source] * p.factor
        if not p.is_analog:
            values[i] = true
            quality[i] = GOOD
            continue
        if p.is_network and not is_solved:
            quality[i] = BAD_NOT_CONVERGED
            continue
        if p.node >= 0 and live[p.node] == 0:
            values[i] = 0.0
            quality[i] = BAD_DEENERGISED
            continue
        y = true * p.gain
        sigma = p.noise_frac * abs(true) + p.noise_abs
        if sigma > 0.0:
            y += sigma * normal(noise, key, i)
        if abs(y) < p.cutoff:
            y = 0.0
        low, high, quantum = p.low, p.high, p.quantum
        inside = min(max(y, low), high)
        quality[i] = GOOD if inside == y else UNCERTAIN_RANGE
        if quantum > 0.0:
            inside = min(max(np.rint(inside / quantum) * quantum, low), high)
        values[i] = inside
