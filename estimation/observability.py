"""Observability: which states the measurements and the exact relations do not fix.

Numerical, inside the null space of the constraints, and without forming it. The augmented system solved for
a random right-hand side of its states gives G^-1 b restricted to that null space, where the damping stands
in for what is not there: directions that nothing measures answer with b/eps, all others with less than
b/lambda_min.
The gap is of many orders (testing the rank of the stacked, badly conditioned [H; C] calls
observable networks unobservable).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimation.augmented import EPS, Augmented

Bools = npt.NDArray[np.bool_]

N_PROBES = 3
"""Random directions: that a vector of the null space is orthogonal to all has probability zero; three make
its share in each large enough to be seen."""
SEEN_PU = 1e-3 / EPS
"""Answer of a state that is not fixed [pu]: a thousandth of what a free direction gives."""
SEED = 20240229
"""The probes are no experiment: they are the same in every run."""


def unobservable_states(system: Augmented) -> tuple[Bools, int]:
    """Return which complex states are fixed, shape (n / 2,), and how many real directions are not.

    Parameters
    ----------
    system : Augmented
        Factored.
    """
    n = system.n
    probes = np.random.default_rng(SEED).standard_normal((n, N_PROBES))
    answer = system.covariance_columns(probes)
    loose = np.max(np.abs(answer), axis=1) > SEEN_PU
    if not loose.any():
        return np.ones(n // 2, np.bool_), 0
    half = n // 2
    states = loose[:half] | loose[half:]
    return ~states, _free_directions(system, np.flatnonzero(loose))


def _free_directions(system: Augmented, loose: npt.NDArray[np.int64]) -> int:
    """Return the dimension of the null space: eps times the covariance is a projector on it, its trace."""
    unit = np.zeros((system.n, len(loose)))
    unit[loose, np.arange(len(loose))] = 1.0
    columns = system.covariance_columns(unit)
    return round(EPS * float(np.trace(columns[loose])))
