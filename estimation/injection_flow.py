"""Power flow over the estimator's states: the state that goes with given injections.

Fixed point of current injection with every EMF behind its impedance, V <- A^-1 (b + conj(S/V)), one factor
for all (Bazrafshan and Gatsis, arXiv:1605.08511). For cold starts (nothing injected), for what an attacker
wants to be believed, for studies without the plant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from estimation.network_model import S_BASE_VA, Complex, Model
from rtcore.network import admittance as adm

TOL_PU = 1e-12
ITERATIONS_MAX = 200


class InjectionFlow:
    """Factored once for a model; see the module."""

    def __init__(self, model: Model) -> None:
        self.model = model
        n, m = model.n_voltages, model.n_basic
        self._live = np.flatnonzero(model.has_state)
        rows, columns, values = [], [], []
        self._b = np.zeros(m, np.complex128)
        for element, at in model.emf_nodes().items():
            source = model.frame.emfs[element]
            y = np.linalg.inv(adm.source_impedance(source))
            base, states = model.frame.base_v[at], model.state[at]
            rows.append(np.repeat(states, len(at)))
            columns.append(np.tile(states, len(at)))
            values.append((y * np.outer(base, base) / S_BASE_VA).ravel())
            self._b[states] += (y @ (adm.source_emf(source) * source.v_pu)) * base / S_BASE_VA
        place = (np.concatenate(rows), np.concatenate(columns))
        thevenin = sp.csr_array((np.concatenate(values), place), shape=(n, m))
        kirchhoff = model.kirchhoff() + thevenin
        self._lu = spl.splu(sp.csc_array(sp.vstack([kirchhoff, model.drops()])))

    def no_load(self) -> Complex:
        """Return the states with nothing injected but by the EMFs, shape (n_states,) [pu]."""
        return self.model.complete(self._lu.solve(self._b))

    def solve(
        self, s_va: Complex, start: Complex | None = None, between: Sequence[tuple[int, int, complex]] = ()
    ) -> Complex:
        """Return the states with powers injected at the nodes, shape (n_states,) [pu].

        Parameters
        ----------
        s_va : ndarray, complex, shape (n_nodes,)
            Injected [VA], network order; loads are negative. Whatever the voltage: constant power.
        start : ndarray, optional
        between : sequence of (node, node, complex)
            Powers injected between two nodes, into the first and out of the second [VA].

        Raises
        ------
        ArithmeticError
            No state carries that much.
        """
        n = self.model.n_voltages
        x = (self.no_load() if start is None else start)[: self.model.n_basic]
        s = s_va[self._live] / S_BASE_VA
        base, state = self.model.frame.base_v, self.model.state
        # Only what injects has a say in the next step; what floats is known to rounding over EPS_S, 1e-6 pu.
        fed = np.unique([*np.flatnonzero(s), *(int(state[k]) for i, j, _ in between for k in (i, j))]).astype(
            int
        )
        for _ in range(ITERATIONS_MAX):
            b = self._b.copy()
            b[:n] += np.conj(s / x[:n])
            for i, j, power in between:
                i_a = np.conj(power / (x[state[i]] * base[i] - x[state[j]] * base[j]))
                b[state[i]] += i_a * base[i] / S_BASE_VA
                b[state[j]] -= i_a * base[j] / S_BASE_VA
            new = self._lu.solve(b)
            change = float(np.max(np.abs(new - x)[fed], initial=0.0))
            x = new
            if change < TOL_PU:
                return self.model.complete(x)
            if not np.isfinite(change):
                break
        raise ArithmeticError(f"power flow did not converge to {TOL_PU} pu in {ITERATIONS_MAX} iterations")
