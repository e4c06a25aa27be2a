"""Observability: which states the measurements and the exact relations do not fix.

Numerical, inside the null space of the constraints, and without forming it. The augmented system solved for
a random right-hand side of its states gives G^-1 b restricted to that null space, where the damping stands
in for what is not there: directions that nothing measures answer with b/eps, all others with less than
b/lambda_min.
The gap is of many orders (testing the rank of the stacked, badly conditioned [H; C] calls
observable networks unobservable).

A free direction is mostly one of currents, with a length in per unit that says nothing about voltages: a
current that nobody measures may be of any size, and the voltage behind it is then not known however small
its part of the direction is. Where a direction is free, a voltage therefore counts as fixed by its accuracy:
its standard deviation, with free directions known to 1/sqrt(EPS) = 1000 pu and no better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimation.augmented import EPS, Augmented

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

N_PROBES = 3
"""Random directions: that a vector of the null space is orthogonal to all has probability zero; three make
its share in each large enough to be seen."""
SEEN_PU = 1e-3 / EPS
"""Answer of a state that is not fixed [pu]: a thousandth of what a free direction gives."""
V_STD_MAX_PU = 0.01
"""A voltage that is known no better than this is not observable [pu]: the class limit of a poor voltmeter;
what tells less than one reading of it is no estimate."""
SEED = 20240229
"""The probes are no experiment: they are the same in every run."""


def unobservable_states(system: Augmented, n_voltages: int) -> tuple[Bools, int]:
    """Return which complex states are fixed, shape (n / 2,), and how many real directions are not.

    Parameters
    ----------
    system : Augmented
        Factored.
    n_voltages : int
        So many states, the first ones, are voltages; the others are currents.
    """
    n = system.n
    probes = np.random.default_rng(SEED).standard_normal((n, N_PROBES))
    answer = system.covariance_columns(probes)
    loose = np.max(np.abs(answer), axis=1) > SEEN_PU
    if not loose.any():
        return np.ones(n // 2, np.bool_), 0
    half = n // 2
    states = loose[:half] | loose[half:]
    states[:n_voltages] |= voltage_std(system, n_voltages) > V_STD_MAX_PU
    return ~states, _free_directions(system, np.flatnonzero(loose))


def voltage_std(system: Augmented, n_voltages: int) -> Floats:
    """Return the standard deviations of complex voltages, both parts together, shape (n_voltages,) [pu]."""
    at = np.concatenate([np.arange(n_voltages), system.n // 2 + np.arange(n_voltages)])
    unit = np.zeros((system.n, len(at)))
    unit[at, np.arange(len(at))] = 1.0
    variance: Floats = system.covariance_columns(unit)[at, np.arange(len(at))]
    return np.asarray(np.sqrt(np.maximum(variance[:n_voltages] + variance[n_voltages:], 0.0)))


def _free_directions(system: Augmented, loose: npt.NDArray[np.int64]) -> int:
    """Return the dimension of the null space: eps times the covariance is a projector on it, its trace."""
    unit = np.zeros((system.n, len(loose)))
    unit[loose, np.arange(len(loose))] = 1.0
    columns = system.covariance_columns(unit)
    return round(EPS * float(np.trace(columns[loose])))
