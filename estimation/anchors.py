"""What holds a state that the measurements leave open, so that the rest can be estimated.

Where a load is not measured its bus and others are not observable. Gauss-Newton steps then wander along the
open directions and the iteration does not come to rest. Weak values there, as many as needed, hold them: a
measurement with a standard deviation a thousand times that of the others moves what these fix by a millionth
of its residual (A. Monticelli, F. Wu, IEEE Trans. PAS-104(5), 1985, restore observability likewise by
pseudo-measurements that are critical). What they hold is told to be unobservable, and not published.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimation.channels import Floats
from estimation.measurements import Kind, Measurement
from estimation.observability import unobservable_states
from estimation.pseudo import Pseudo
from estimation.wls import Estimate, Estimator
from rtcore.network import admittance as adm
from rtcore.network.model import Network

Bools = npt.NDArray[np.bool_]

WIDE = 10.0
"""Standard deviation of an anchor: this often the nominal value, at least ``LEAST_VA``."""
LEAST_VA = 10e3


def anchors(network: Network) -> tuple[list[Measurement], Floats, Floats]:
    """Return anchors of all loads and sources with their values and standard deviations [SI]."""
    pseudo, nodes = Pseudo(network, None), adm.node_table(network)
    p_w, q_var = pseudo.injections(pseudo.at(0)[0]).reshape(2, -1)
    found: list[tuple[Measurement, float, float]] = []

    def hold(kind: Kind, bus: str, at: tuple[int, ...], value: float, sigma: float) -> None:
        name = f"anchor {kind} {bus} {at}"
        found.append((Measurement(name=name, kind=kind, element=bus, nodes=at, is_pseudo=True), value, sigma))

    def hold_power(bus: str, at: tuple[int, ...], s_va: complex, size_va: float) -> None:
        for kind, value in ((Kind.P_INJ, s_va.real), (Kind.Q_INJ, s_va.imag)):
            hold(kind, bus, at, value, WIDE * max(size_va, LEAST_VA))

    for place, p, q in zip(pseudo.places, p_w.tolist(), q_var.tolist(), strict=True):
        hold_power(place.bus, place.nodes, complex(p, q), max(abs(complex(p, q)), place.rating_va))
    total = -complex(p_w.sum(), q_var.sum())
    for source in network.sources:
        for k in source.nodes:
            if k:
                base_v = float(nodes.base_v[nodes.index[f"{source.bus}.{k}"]])
                hold(Kind.V_MAG, source.bus, (k,), source.v_pu * base_v, base_v)
                hold_power(source.bus, (k,), total / source.phases, abs(total))
    return [f[0] for f in found], np.array([f[1] for f in found]), np.array([f[2] for f in found])


def estimate_held(estimator: Estimator, z: Floats, sigma: Floats, n: int) -> tuple[Estimate, Floats]:
    """Estimate, with anchors where the measurements leave states open.

    Parameters
    ----------
    z, sigma : ndarray, shape (m,)
        All of the estimator's; anchors are those from ``n`` on.

    Returns
    -------
    estimate : Estimate
    sigma : ndarray, shape (m,)
        As used: inf for anchors that are not needed.
    """
    bare = sigma.copy()
    bare[n:] = np.inf
    found = estimator.estimate(z, bare)
    needed = _open_anchors(estimator, n)
    if not needed.any():
        return found, bare
    held = np.where(needed, sigma, bare)
    return estimator.estimate(z, held), held


def _open_anchors(estimator: Estimator, n: int) -> Bools:
    """Return which anchors are at states that are not fixed, shape (m,)."""
    model, nodes = estimator.model, estimator.frame.nodes
    needed = np.zeros(len(estimator.measurements), np.bool_)
    for k, m in enumerate(estimator.measurements[n:], n):
        at = nodes.of(m.element, m.nodes)
        states = model.state[at] if m.kind is Kind.V_MAG else model.injection_state[at]
        needed[k] = any(s >= 0 and not estimator.observable[s] for s in states.tolist())
    return needed


def without_anchors(estimator: Estimator, sigma: Floats, n: int) -> tuple[Bools, int]:
    """Factor anew without anchors; return which nodes are fixed, and how many real directions are not.

    Leaves the estimator's system so that redundancies are those of the measurements alone.
    """
    bare = np.where(np.arange(len(sigma)) < n, sigma, np.inf) / estimator.functionals.scale
    used = np.isfinite(bare) & ~(estimator.functionals.is_dead & estimator.is_pseudo)
    system, model = estimator.system, estimator.model
    system.factor(estimator.functionals.jacobian(estimator.x), np.where(used, bare, np.inf))
    states, n_open = unobservable_states(system, model.n_voltages)
    observable = model.live.copy()
    observable[model.live] = states[model.state[model.live]]
    return observable, n_open
