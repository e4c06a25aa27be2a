"""What a set of measurements can do at one state, and what others would add, without estimating again.

Let P be the covariance of the states under the measurements of the set (in the null space of the exact
relations), h the derivatives of a further one and s its standard deviation. It changes the covariance by::

    P' = P - P h h^T P / (s^2 + h^T P h)

and several at once, the rows of H with R = diag(s^2), by P H^T (R + H P H^T)^-1 H P (recursive least squares;
Kalman's update). With P H^T of all candidates, one factor and one column each, the standard deviation of any
functional f^T x and the redundancy of any measurement follow from small products: nothing is factored again.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from estimation.bad_data import CRITICAL
from estimation.injection_flow import InjectionFlow
from estimation.network_model import S_BASE_VA, Complex
from estimation.pseudo import Pseudo
from estimation.wls import Estimator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TESTABLE = 0.5
"""Share of a measurement's variance left in its residual from which on it counts as testable."""
AHEAD = 16
"""Columns solved for at once: wider blocks gain nothing and wait for each other's threads."""


@dc.dataclass(frozen=True, slots=True)
class Worth:
    """What is left with further measurements.

    Attributes
    ----------
    v_std_pu : ndarray, shape (n_live,)
        Standard deviation of the voltage magnitude at every live node.
    flow_std_w : ndarray, shape (n_poles,)
        Of the active power through every closed pole of a switch.
    omega : ndarray, shape (m,)
        Redundancies of the measurements of the set.
    own : ndarray, shape (k,)
        Of the further measurements.
    """

    v_std_pu: Floats
    flow_std_w: Floats
    omega: Floats
    own: Floats


class Design:
    """A set of measurements at the state that the estimator has come to rest at.

    Parameters
    ----------
    estimator : Estimator
        Just having estimated without the candidates (their sigma infinite).
    candidates : sequence of int
        Measurements of the estimator that are not in the set.
    sigma : ndarray, shape (m,)
        Standard deviations of all [SI], those of candidates included.

    Attributes
    ----------
    omega : ndarray, shape (m, m)
        Covariance of the weighted residuals of the set.
    v_std_pu, flow_std_w : ndarray
        As in ``Worth``, with nothing added.
    """

    def __init__(self, estimator: Estimator, candidates: Sequence[int], sigma: Floats) -> None:
        self.estimator = estimator
        self.candidates = np.asarray(candidates, np.int64)
        system, functionals = estimator.system, estimator.functionals
        pattern, self._sigma = functionals.pattern, sigma / functionals.scale
        data = functionals.jacobian(estimator.x)
        h = sp.csr_array((data, pattern.indices, pattern.indptr), shape=pattern.shape)
        system.factor(data, system.sigma)  # here: the factor in use may be that of a step before
        self._place = {int(c): k for k, c in enumerate(self.candidates)}
        used = np.isfinite(system.sigma)
        self.omega = np.hstack([system.omega_columns(part) for part in _parts(system.m)])
        self.redundancies = np.where(used, np.clip(np.diag(self.omega), 0.0, 1.0), np.nan)
        ph = self._covariance(h[self.candidates])
        weights = np.where(used, 1.0 / np.where(used, system.sigma, 1.0), 0.0)
        self._cross = weights[:, None] * (h @ ph)
        self._own = np.asarray(h[self.candidates] @ ph)
        self._v, self._flow = _voltages(estimator), _flows(estimator)
        self._v_variance, self._flow_variance = (self._variance(f) for f in (self._v, self._flow))
        self._v_cross, self._flow_cross = self._v @ ph, self._flow @ ph
        self.v_std_pu = np.sqrt(self._v_variance)
        self.flow_std_w = np.sqrt(self._flow_variance) * S_BASE_VA

    def _covariance(self, rows: sp.csr_array) -> Floats:
        """Return P times the transposed of functionals, shape (2 n_states, k)."""
        columns = [
            self.estimator.system.covariance_columns(rows[part].toarray().T) for part in _parts(rows.shape[0])
        ]
        return np.hstack([np.zeros((rows.shape[1], 0)), *columns])

    def _variance(self, rows: sp.csr_array) -> Floats:
        found = [rows[part].multiply(self._covariance(rows[part]).T) for part in _parts(rows.shape[0])]
        sums = [np.asarray(product.sum(axis=1), np.float64) for product in found]
        return np.asarray(np.maximum(np.concatenate([np.zeros(0), *sums]), 0.0), np.float64)

    def with_more(self, added: Sequence[int]) -> Worth:
        """Return what these candidates (measurements of the estimator) would leave."""
        at = [self._place[i] for i in added]
        s = self._own[np.ix_(at, at)]
        total = s + np.diag(self._sigma[list(added)] ** 2)
        gain = np.linalg.inv(total)

        def left(variance: Floats, cross: Floats) -> Floats:
            c = cross[:, at]
            less = variance - np.einsum("ij,jk,ik->i", c, gain, c)
            return np.asarray(np.sqrt(np.maximum(less, 0.0)), np.float64)

        cross = self._cross[:, at]
        own = 1.0 - np.diag(s - s @ gain @ s) / np.diag(total - s)
        return Worth(
            left(self._v_variance, self._v_cross),
            left(self._flow_variance, self._flow_cross) * S_BASE_VA,
            self.redundancies + np.einsum("ij,jk,ik->i", cross, gain, cross),
            own,
        )

    def correlation(self, i: int) -> Floats:
        """Return the correlation of the residual of measurement ``i`` with all, shape (m,).

        It is 0 with critical ones, whose residuals are nothing.
        """
        d = np.nan_to_num(self.redundancies)
        scale = np.sqrt(np.maximum(d * d[i], CRITICAL**2))
        return np.where((d >= CRITICAL) & (d[i] >= CRITICAL), self.omega[:, i] / scale, 0.0)


def _parts(n: int) -> list[Ints]:
    return [np.arange(begin, min(begin + AHEAD, n)) for begin in range(0, n, AHEAD)]


def _voltages(estimator: Estimator) -> sp.csr_array:
    """Derivatives of the magnitude at every live node, d abs(v) = Re(conj(v) dv)/abs(v)."""
    model = estimator.model
    states = model.state[model.live]
    v = estimator.x[states]
    return _rows(states, v / np.maximum(np.abs(v), 1e-9), model.n_states)


def _flows(estimator: Estimator) -> sp.csr_array:
    """Derivatives of the active power into every closed pole, dP = Re(conj(i) dv + conj(v) di) [pu]."""
    model = estimator.model
    at = model.state[np.array([p.i for p in model.poles], np.int64)]
    current = model.n_voltages + np.arange(len(model.poles))
    by_v = _rows(at, estimator.x[current], model.n_states)
    return sp.csr_array(by_v + _rows(current, estimator.x[at], model.n_states))


def _rows(states: Ints, derivative: Complex, n: int) -> sp.csr_array:
    """Rows Re(conj(d) dx) over real and imaginary parts."""
    k = np.arange(len(states))
    values = np.concatenate([derivative.real, derivative.imag])
    place = (np.concatenate([k, k]), np.concatenate([states, states + n]))
    return sp.csr_array((values, place), shape=(len(states), 2 * n))


def states_of_loads(estimator: Estimator, pseudo: Pseudo, values: Floats) -> Complex:
    """Return the states that go with values of the pseudo-measurements [W, var], shape (n_states,) [pu]."""
    s = np.zeros(estimator.frame.n, np.complex128)
    between: list[tuple[int, int, complex]] = []
    p, q = pseudo.injections(values).reshape(2, -1)
    for place, power in zip(pseudo.places, (p + 1j * q).tolist(), strict=True):
        at = estimator.frame.nodes.of(place.bus, place.nodes)
        if len(at) == 2:
            between.append((at[0], at[1], power))
        else:
            s[at[0]] += power
    return InjectionFlow(estimator.model).solve(s, between=between)
