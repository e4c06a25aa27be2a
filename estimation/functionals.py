"""What measurements are of the states: h(x) and its derivatives.

Every quantity is built of two states, a voltage v and a current i: P + jQ = v conj(i), abs(i), abs(v),
arg(v). By real and imaginary part of a state each derivative is Re and Im of one complex number: dP/di = v,
dP/dv = i, dQ/di = -jv, dQ/dv = ji, d abs(u)/du = u/abs(u), d arg(v)/dv = jv/abs(v)^2. That leaves one
vectorised expression for the whole Jacobian, and a pattern that is set once for a status.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from estimation.measurements import OF_BRANCH, Kind, Measurement
from estimation.network_model import S_BASE_VA, Frame, Model

Complex = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]

ABS_MIN = 1e-9
"""Currents and voltages below this have no direction [pu]."""

KINK = 0.3
"""How wide the kink of the size of a current is rounded off [sigma]."""
V_MAG, V_ANG, P, Q, I_MAG = range(5)
_FORM = {
    Kind.V_MAG: V_MAG,
    Kind.V_ANG: V_ANG,
    Kind.P_INJ: P,
    Kind.P_FLOW: P,
    Kind.Q_INJ: Q,
    Kind.Q_FLOW: Q,
    Kind.I_MAG: I_MAG,
}


NONE = -1


def metered(frame: Frame, measurements: Sequence[Measurement]) -> list[tuple[str, int, int]]:
    """Return (element, terminal, conductor) of every branch current that measurements are made of."""
    return [
        (m.element, m.terminal, conductor)
        for m in measurements
        if m.kind in OF_BRANCH
        for conductor, _ in _conductors(frame, m)
    ]


def _conductors(frame: Frame, m: Measurement) -> list[tuple[int, int]]:
    """Return (conductor, node) of the nodes of a measurement at a branch."""
    block = frame.blocks[m.element]
    at = block.nodes[block.terminal == m.terminal].tolist()
    numbers = [int(frame.nodes.names[i].rpartition(".")[2]) if i >= 0 else 0 for i in at]
    return [(numbers.index(k), at[numbers.index(k)]) for k in m.nodes]


def places(model: Model, m: Measurement) -> list[tuple[int, int]]:
    """Return (node, state of the current) of every node of a measurement; NONE where no current can be."""
    frame = model.frame
    if m.kind in OF_BRANCH:
        found = _conductors(frame, m)
        return [(node, model.current_state.get((m.element, m.terminal, c), NONE)) for c, node in found]
    nodes = frame.nodes.of(m.element, m.nodes)
    if m.kind in (Kind.V_MAG, Kind.V_ANG):
        return [(node, NONE) for node in nodes]
    return [(node, int(model.injection_state[node])) for node in nodes]


class Functionals:
    """h and its Jacobian under one model.

    Parameters
    ----------
    measurements : sequence of Measurement
        All of them must exist in the network, and their currents in the model.

    Attributes
    ----------
    scale : ndarray, shape (m,)
        SI value of 1 pu of each measurement.
    is_dead : ndarray, shape (m,)
        No state is behind it: h is 0.
    pattern : csr_array, shape (m, 2 n_states)
        Of the Jacobian; ``jacobian`` returns its data.
    """

    def __init__(self, model: Model, measurements: Sequence[Measurement]) -> None:
        self.model = model
        self.m, self.n = len(measurements), model.n_states
        rows: list[tuple[int, int, int, int]] = []
        weights: list[float] = []
        self.scale = np.ones(self.m)
        for k, measurement in enumerate(measurements):
            form = _FORM[measurement.kind]
            factors = measurement.weights or (1.0,) * len(measurement.nodes)
            for (node, current), factor in zip(places(model, measurement), factors, strict=True):
                self.scale[k] = _scale(measurement.kind, float(model.frame.base_v[node]))
                if model.state[node] >= 0 and (current >= 0 or form in (V_MAG, V_ANG)):
                    rows.append((k, form, int(model.state[node]), max(current, 0)))
                    weights.append(factor)
        table = np.array(rows, np.int64).reshape(-1, 4)
        self._weight = np.array(weights)
        self._of, self._form, self._at, self._current = (table[:, k].copy() for k in range(4))
        self.is_dead = ~np.isin(np.arange(self.m), self._of)
        self._kink = np.full(len(rows), ABS_MIN)
        self._with_current = np.flatnonzero(self._form >= P)
        self._with_voltage = np.flatnonzero(self._form != I_MAG)
        self._lay_out()

    def _lay_out(self) -> None:
        """Fix where every derivative goes: by currents, then by voltages."""
        c, v = self._with_current, self._with_voltage
        row = np.concatenate([self._of[c], self._of[v]])
        column = np.concatenate([self._current[c], self._at[v]])
        rows, columns = np.concatenate([row, row]), np.concatenate([column, column + self.n])
        keys = rows * (2 * self.n) + columns
        unique, self._slot = np.unique(keys, return_inverse=True)
        self._nnz = len(unique)
        indptr = np.searchsorted(unique, np.arange(self.m + 1) * (2 * self.n))
        data = np.ones(self._nnz)
        self.pattern = sp.csr_array((data, unique % (2 * self.n), indptr), shape=(self.m, 2 * self.n))

    def round_off(self, sigma: Floats) -> None:
        """Round off the kink of abs(i) at 0 to sqrt(abs(i)^2 + (k sigma)^2), for these sigmas [pu].

        For where steps go to and fro across it for ever; sigmas of 0 take it back. Where a current is over
        its sigma that is less than 0.05 sigma.
        """
        at = self._form == I_MAG
        known = np.isfinite(sigma[self._of]) & at
        self._kink[known] = np.maximum(KINK * sigma[self._of][known], ABS_MIN)

    def h(self, x: Complex) -> Floats:
        """Return the measurements of a state, shape (m,) [pu, rad]."""
        v, i = x[self._at], x[self._current]
        s = v * np.conj(i)
        value = np.choose(
            self._form, [np.abs(v), np.angle(v), s.real, s.imag, np.hypot(np.abs(i), self._kink)]
        )
        return np.bincount(self._of, weights=self._weight * value, minlength=self.m).astype(np.float64)

    def jacobian(self, x: Complex) -> Floats:
        """Return the data of ``pattern``: derivatives by real, then by imaginary parts."""
        v, i, form = x[self._at], x[self._current], self._form
        by_current = self._weight * np.choose(form, [v, v, v, -1j * v, i / np.hypot(np.abs(i), self._kink)])
        size = np.maximum(np.abs(v), ABS_MIN)
        by_voltage = self._weight * np.choose(form, [v / size, 1j * v / size**2, i, 1j * i, i])
        values = np.concatenate([by_current[self._with_current], by_voltage[self._with_voltage]])
        both = np.concatenate([values.real, values.imag])
        return np.bincount(self._slot, weights=both, minlength=self._nnz).astype(np.float64)


def _scale(kind: Kind, base_v: float) -> float:
    if kind is Kind.V_MAG:
        return base_v
    if kind is Kind.V_ANG:
        return 180.0 / np.pi
    return S_BASE_VA / base_v if kind is Kind.I_MAG else S_BASE_VA
