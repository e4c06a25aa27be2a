"""Instruments: what CTs, VTs and transducers make of the true value.

y = quantise(saturate(cutoff((1 + g) x + n))), with g the ratio error, drawn once per
instrument as N(0, class/3) cut at the class limit (a bias, not noise), and n ~ N(0, sigma),
sigma = noise_frac*|x| + noise_abs. Composition after physics reference practice for class
instruments: IEC 61869-2/-3 classes bound g; noise and quantum are the transducer's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.jit import kernel
from rtcore.noise import normal
from rtcore.quality import Quality

Floats = npt.NDArray[np.float64]
BAD_DEENERGISED = int(Quality.BAD_DEENERGISED)
BAD_NOT_CONVERGED = int(Quality.BAD_NOT_CONVERGED)
UNCERTAIN_RANGE = int(Quality.UNCERTAIN_RANGE)
GOOD = int(Quality.GOOD)


class PointArrays(NamedTuple):
    """Per point: where its value comes from and what its instrument does to it."""

    source: npt.NDArray[np.int64]
    factor: Floats
    gain: Floats
    noise_frac: Floats
    noise_abs: Floats
    quantum: Floats
    cutoff: Floats
    low: Floats
    high: Floats
    is_analog: npt.NDArray[np.uint8]
    is_health: npt.NDArray[np.uint8]
    is_network: npt.NDArray[np.uint8]
    node: npt.NDArray[np.int32]
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
    source, factor, is_analog, node = points.source, points.factor, points.is_analog, points.node
    is_network, gain, noise_frac, noise_abs = (
        points.is_network,
        points.gain,
        points.noise_frac,
        points.noise_abs,
    )
    cutoff, low, high, quantum = points.cutoff, points.low, points.high, points.quantum
    for i in chosen:
        true = x[source[i]] * factor[i]
        if not is_analog[i]:
            values[i] = true
            quality[i] = GOOD
            continue
        if is_network[i] and not is_solved:
            quality[i] = BAD_NOT_CONVERGED
            continue
        if node[i] >= 0 and live[node[i]] == 0:
            values[i] = 0.0
            quality[i] = BAD_DEENERGISED
            continue
        y = true * gain[i]
        sigma = noise_frac[i] * abs(true) + noise_abs[i]
        if sigma > 0.0:
            y += sigma * normal(noise, key, i)
        if abs(y) < cutoff[i]:
            y = 0.0
        inside = min(max(y, low[i]), high[i])
        quality[i] = GOOD if inside == y else UNCERTAIN_RANGE
        if quantum[i] > 0.0:
            inside = min(max(np.rint(inside / quantum[i]) * quantum[i], low[i]), high[i])
        values[i] = inside
