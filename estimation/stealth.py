"""Stealthy false data: what an attacker adds who knows the network, so that residuals do not tell.

The attacker estimates the state x as the control centre does, decides on another state x + c that the network
could be in, and adds a = h(x + c) - h(x) to the measurements: what is left as residual at x + c is what was
left at x (Liu, Ning and Reiter 2011; AC: Hug and Giampapa 2012). c comes from two power flows, with
the injections as estimated and as they are to be believed: it injects nothing where nothing is connected, so
that exact constraints hold at x + c as well. With a breaker shown in the other position both belong to
different topologies, and a is the difference of what would be measured in the two (Kim and Tong 2013).

Knowledge is full, partial (only some channels can be written) or erroneous (line impedances off by some
percent, ``misjudged``). Partial and erroneous attacks leave residuals; so does the curvature of h a little,
because the estimator weighs x + c anew.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from estimation.injection_flow import InjectionFlow
from estimation.network_model import S_BASE_VA, Complex, Model, Status
from estimation.wls import Estimator
from rtcore.network.model import Network

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def misjudged(network: Network, error_frac: float, rng: np.random.Generator) -> Network:
    """Return the network as an attacker believes it to be: every line's length off by its own error.

    Parameters
    ----------
    error_frac : float
        Errors are uniform in +-error_frac, of impedance and charging alike; 0 <= error_frac < 1.
    """
    if not 0.0 <= error_frac < 1.0:
        raise ValueError(f"error of the model {error_frac:g}: must be in 0 .. 1")
    errors = rng.uniform(-error_frac, error_frac, len(network.lines))
    lines = (
        dc.replace(line, length=line.length * (1.0 + float(e)))
        for line, e in zip(network.lines, errors, strict=True)
    )
    return dc.replace(network, lines=tuple(lines))


class Stealth:
    """An attacker with a model of the network.

    Parameters
    ----------
    estimator : Estimator
        The attacker's own, with the measurements of the control centre in its order; on the true network for
        full knowledge, on ``misjudged`` for erroneous. Nobody else may use it.
    sigma : ndarray, shape (m,), or callable
        What the attacker takes for the standard deviations [SI]; or measurements [SI] -> these.
    factor : float
        What is to be believed: injections at the buses times this. 1 leaves them.
    buses : collection of str
        Patterns of the buses whose injections are to be believed otherwise.
    writable : ndarray of bool, shape (m,), optional
        Measurements that the attacker can change; by default all that are telemetered.
    flipped : collection of str
        Switches that are to be believed in the other position (all poles).
    """

    def __init__(
        self,
        estimator: Estimator,
        sigma: Floats | Callable[[Floats], Floats],
        *,
        factor: float = 1.0,
        buses: Collection[str] = ("*",),
        writable: Bools | None = None,
        flipped: Collection[str] = (),
    ) -> None:
        unknown = [n for n in flipped if n not in estimator.status.switches]
        if unknown:
            raise ValueError(f"no such switches: {', '.join(unknown)}")
        telemetered = np.array([not m.is_pseudo for m in estimator.measurements], np.bool_)
        self.writable = telemetered if writable is None else writable & telemetered
        self._estimator, self._sigma, self._factor, self._flipped = estimator, sigma, factor, tuple(flipped)
        names = [n.rpartition(".")[0] for n in estimator.nodes]
        self._scaled = np.array([any(fnmatchcase(n, b) for b in buses) for n in names], np.bool_)
        if factor != 1.0 and not self._scaled.any():
            raise ValueError(f"no bus matches {', '.join(buses)}")
        self._believed = estimator if not flipped else self._other_topology()
        self._flows: dict[int, tuple[Model, InjectionFlow]] = {}

    def _other_topology(self) -> Estimator:
        e = self._estimator
        return Estimator(
            e.network, e.measurements, upstream=e.frame.upstream, status=_flipped(e.status, self._flipped)
        )

    def set_status(self, status: Status) -> None:
        """Take over how the network is switched; ``flipped`` stay the other way round."""
        self._estimator.set_status(status)
        if self._believed is not self._estimator:
            self._believed.set_status(_flipped(status, self._flipped))

    def __call__(self, z: Floats) -> Floats:
        """Return what to add to the true measurements, shape (m,) [SI].

        Zero where the attacker can write nothing, and everywhere when it finds no state to be believed.
        """
        e, nothing = self._estimator, np.zeros(len(z))
        found = e.estimate(z, self._sigma(z) if callable(self._sigma) else self._sigma)
        if not (found.converged and found.used.any()):
            return nothing
        s_va = injections_va(e.model, e.x)
        believed_va = np.where(self._scaled, self._factor * s_va, s_va)
        try:
            now = self._flow(e.model).solve(s_va)
            if self._believed is e:
                c = self._flow(e.model).solve(believed_va, start=now) - now
                a = self._h(e, e.x + c) - self._h(e, e.x)
            else:
                other = self._flow(self._believed.model).solve(
                    np.where(self._believed.model.live, believed_va, 0.0)
                )
                a = self._h(self._believed, other) - self._h(e, now)
        except ArithmeticError:
            return nothing
        return np.where(self.writable, a, 0.0)

    @staticmethod
    def _h(estimator: Estimator, x: Complex) -> Floats:
        return np.asarray(estimator.functionals.h(x) * estimator.functionals.scale)

    def _flow(self, model: Model) -> InjectionFlow:
        kept = self._flows.get(id(model))
        if kept is None or kept[0] is not model:
            self._flows = {
                k: v for k, v in self._flows.items() if v[0] in (self._estimator.model, self._believed.model)
            }
            kept = self._flows[id(model)] = (model, InjectionFlow(model))
        return kept[1]


def injections_va(model: Model, x: Complex) -> Complex:
    """Return the power that loads and the like inject at every node, shape (n_nodes,) [VA].

    At the nodes of EMFs nothing is told: what the EMF injects is not the network's to choose.
    """
    s = np.zeros(model.frame.n, np.complex128)
    at = np.flatnonzero(model.injection_state >= 0)
    s[at] = x[model.state[at]] * np.conj(x[model.injection_state[at]]) * S_BASE_VA
    for nodes in model.emf_nodes().values():
        s[nodes] = 0.0
    return s


def delta_of(
    stealth: Stealth, rows: Sequence[int], factors: Floats, others: Callable[[float], Floats]
) -> Callable[[float, Floats], Floats]:
    """Return what an attack of kind stealthy or topology takes as its ``delta``.

    Parameters
    ----------
    rows : sequence of int
        Place among the measurements of each channel of the attack: all that the attacker reads.
    factors : ndarray, shape (n_channels,)
        SI value over the point's value.
    others : callable
        Time [s] -> measurements [SI], shape (m,), for where the attacker reads nothing: pseudo ones, or NaN.
    """
    at = np.asarray(rows, np.intp)

    def delta(t_s: float, values: Floats) -> Floats:
        z = np.array(others(t_s), np.float64)
        z[at] = factors * values
        return np.asarray(stealth(z)[at] / factors)

    return delta


def _flipped(status: Status, names: Sequence[str]) -> Status:
    for name in names:
        position = status.switches[name]
        is_closed = all(position) if isinstance(position, tuple) else position
        status = status.with_switch(name, not is_closed)
    return status
