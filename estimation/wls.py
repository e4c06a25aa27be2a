"""Three-phase weighted-least-squares estimator: Gauss-Newton with exact constraints, warm start, kept factor.

The factor of one iteration serves the next ones and the next scans: with the Jacobian H0 that was factored
and H(x) of now, the right-hand side carries (H0 - H(x))^T W r, so that what the iteration comes to rest at is
the exact weighted-least-squares solution of now, however old the factor is (a chord method). A new factor is
made when weights have changed or when the steps shrink too slowly.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import math
from collections.abc import Generator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import gammaincinv

from estimation.augmented import Augmented, SingularError
from estimation.functionals import Functionals, metered
from estimation.injection_flow import InjectionFlow
from estimation.measurements import Kind, Measurement
from estimation.network_model import S_BASE_VA, Complex, Frame, Model, Status, Upstream
from estimation.observability import unobservable_states
from rtcore.network.model import Network

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that pauses now and then and has a result at its end."""
Found = tuple[bool, str, int, bool]
"""Converged, why not, iterations, whether a new factor was made."""

ITERATIONS_MAX = 40
TOL_PU = 1e-6
"""What a state may be off when the iteration rests [pu]; a hundredth of what the best instruments tell."""
RATE_SAFETY = 4.0
"""Factor on the rate at which steps shrink."""
TOL_J, STILL_PU = 1e-7, 1e-5
"""Relative change of J at which it rests as well, if steps are so small: loosely held states move longer."""
RATE_SLOW = 0.4
"""Steps that shrink by less than this factor call for a new factor."""
FAR_PU = 0.3
"""A step this long leaves the region for which the factor was made [pu]."""
SIGMA_CHANGE = 0.05
"""Relative change of a sigma that calls for a new factor."""
RISE_MAX, HALVINGS_MAX = 1.5, 6
"""A step after which J is over one and a half times as large is halved, so many times."""
COLD_STEPS = 6
"""Steps without magnitudes of currents from a cold start: where no current flows they have no direction."""
QUANTILE = 0.99


@dc.dataclass(frozen=True, slots=True)
class Estimate:
    """What one scan gave.

    Attributes
    ----------
    v : ndarray, complex, shape (n_nodes,)
        [V]; 0 where dead.
    live, observable : ndarray, bool, shape (n_nodes,)
        Voltages of unobservable nodes are those of the start, not estimates.
    reason : str
        Empty, or why it did not converge.
    j, dof, threshold
        Sum of squared weighted residuals, degrees of freedom, and its 99 % quantile.
    residuals, weighted, fitted : ndarray, shape (m,)
        z - h(x) and h(x) [SI], and the residual in sigmas; residuals of unused ones are NaN.
    used : ndarray, bool, shape (m,)
    """

    v: Complex
    live: Bools
    observable: Bools
    converged: bool
    reason: str
    iterations: int
    refactored: bool
    j: float
    dof: int
    threshold: float
    residuals: Floats
    weighted: Floats
    fitted: Floats
    used: Bools


class Estimator:
    """Estimates the state of a network from one list of measurements.

    Parameters
    ----------
    network : Network
    measurements : sequence of Measurement
    upstream : {"balanced", "free"}
        Whether the EMFs behind the sources are taken as a balanced set.
    status : Status, optional
        As the network states by default.
    """

    def __init__(
        self,
        network: Network,
        measurements: Sequence[Measurement],
        *,
        upstream: Upstream = "balanced",
        status: Status | None = None,
    ) -> None:
        self.network, self.measurements = network, list(measurements)
        self.tol_pu = TOL_PU
        self.iterations_max = ITERATIONS_MAX
        """After so many iterations a scan has not converged."""
        self.frame = Frame(network, upstream)
        self._metered = metered(self.frame, self.measurements)
        self._is_angle = np.array([m.kind is Kind.V_ANG for m in self.measurements], np.bool_)
        self._is_current = np.array([m.kind is Kind.I_MAG for m in self.measurements], np.bool_)
        self.is_pseudo = np.array([m.is_pseudo for m in self.measurements], np.bool_)
        self._take(Model(self.frame, status or Status.of(network), self._metered))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Node names in the order of ``Estimate.v``."""
        return self.frame.nodes.names

    @property
    def status(self) -> Status:
        """The status in force."""
        return self.model.status

    def set_status(self, status: Status) -> None:
        """Take another status; states that live on are kept as the next start."""
        if status == self.model.status:
            return
        old, x = self.model, self.x
        self._take(Model(self.frame, status, self._metered))
        self._carry_over(old, x)
        self._is_cold = False

    def _take(self, model: Model) -> None:
        self.model = model
        self.functionals = Functionals(self.model, self.measurements)
        self.start = InjectionFlow(self.model).no_load()
        self.x = self.start.copy()
        self._is_cold, self._is_lost = True, False
        self._structure(has_angles=False)

    def _carry_over(self, old: Model, x: Complex) -> None:
        both = old.has_state & self.model.has_state
        basic = self.x[: self.model.n_basic]
        basic[self.model.state[both]] = x[old.state[both]]
        for key, column in self.model.pole_state.items():
            if key in old.pole_state:
                basic[column] = x[old.pole_state[key]]
        self.x = self.model.complete(basic)

    def _structure(self, *, has_angles: bool) -> None:
        """Lay out the augmented system; measured angles take the place of the reference."""
        self._has_angles = has_angles
        parts = [_real_rows(self.model.exact)]
        if not has_angles:
            parts += [_imaginary_row(r) for r in self.model.references]
        exact = sp.csr_array(sp.vstack(parts))
        self.system = Augmented(self.functionals.pattern, exact)
        self._factored_at: Complex | None = None
        self._is_judged = False
        self.observable = np.ones(self.model.n_states, np.bool_)
        self._n_free = self.system.n - self.system.p
        self._n_unobservable = 0

    def h(self, v: Complex) -> Floats:
        """Return what the measurements would be at node voltages, shape (m,) [SI].

        Parameters
        ----------
        v : ndarray, complex, shape (n_nodes,)
            [V], network order, see ``states_of``.
        """
        return self.functionals.h(self.states_of(v)) * self.functionals.scale

    def states_of(self, v: Complex) -> Complex:
        """Return the states that go with node voltages, shape (n_states,) [pu].

        Currents through closed poles are taken from the drop in them: the voltages must be solutions.
        """
        model, base = self.model, self.frame.base_v
        x = np.zeros(model.n_basic, np.complex128)
        x[: model.n_voltages] = v[model.has_state] / base[model.has_state]
        for k, p in enumerate(model.poles, model.n_voltages):
            x[k] = (v[p.i] - v[p.j]) / p.z_ohm * base[p.i] / S_BASE_VA
        return model.complete(x)

    @np.errstate(all="ignore")
    def estimate(self, z: Floats, sigma: Floats) -> Estimate:
        """Estimate from one scan; starts from the last state. Bad data are told, never raised.

        Parameters
        ----------
        z, sigma : ndarray, shape (m,)
            Values and standard deviations [SI]; NaN, or a sigma of inf, where there is none this time.
        """
        return at_once(self.in_steps(z, sigma))

    def in_steps(self, z: Floats, sigma: Floats) -> Steps[Estimate]:
        """Estimate as ``estimate`` does, with a pause before every iteration: for who has little time.

        Floating-point warnings are to be off, see ``numpy.errstate``: not all numbers on the way are good.
        """
        used = self._usable(z, sigma)
        has_angles = bool(np.any(used & self._is_angle))
        if has_angles != self._has_angles:
            self._structure(has_angles=has_angles)
            self._is_lost = True  # the other reference may be any angle away
        scale = self.functionals.scale
        s_pu = np.where(used, np.where(used, sigma, 1.0) / scale, np.inf)
        z_pu = np.where(used, np.where(used, z, 0.0) / scale, 0.0)
        if self._is_lost:
            self._restart()
        was_cold = self._is_cold
        found = yield from self._attempt(z_pu, s_pu, used)
        if not found[0] and not was_cold:
            self._restart()
            found = yield from self._attempt(z_pu, s_pu, used)
        if not found[0] and np.any(used & self._is_current):
            self._restart()
            self.functionals.round_off(s_pu)
            found = yield from self._attempt(z_pu, s_pu, used)
            self.functionals.round_off(np.zeros_like(s_pu))
        if not found[0]:
            self._is_lost = True
            if not np.all(np.isfinite(self.x)):
                self.x = self.start.copy()
        elif not self._is_judged:
            self._judge(s_pu)
        return self._result(z_pu, s_pu, used, found)

    def _judge(self, sigma: Floats) -> None:
        """Find what is observable, at the state that was found: with no load some of it is not."""
        n_voltages = self.model.n_voltages
        self.observable, self._n_unobservable = unobservable_states(self.system, n_voltages)
        if self._n_unobservable and self._factored_at is not self.x:
            self._factor(sigma)
            self.observable, self._n_unobservable = unobservable_states(self.system, n_voltages)
        self._is_judged = True

    def _usable(self, z: Floats, sigma: Floats) -> Bools:
        """Which measurements count: finite ones with a sigma; of dead places those that contradict.

        A zero where nothing can be is true by itself, not by its meter: it would dilute J.
        """
        good = np.isfinite(z) & np.isfinite(sigma) & (sigma > 0.0)
        dead = self.functionals.is_dead
        return np.asarray(good & ~(dead & (self.is_pseudo | (z == 0.0))))

    def _restart(self) -> None:
        self.x = self.start.copy()
        self._is_cold, self._is_lost = True, False
        self.system.forget()

    def _attempt(self, z: Floats, sigma: Floats, used: Bools) -> Steps[Found]:
        """Come to rest; (converged, why not, iterations, whether a new factor was made)."""
        is_cold, self._is_cold = self._is_cold, False
        n, refactored = 0, False
        if is_cold and self._has_angles:
            self._turn(z, used)
        try:
            if is_cold and np.any(used & self._is_current):
                without = used & ~self._is_current
                few = np.where(without, sigma, np.inf)
                _, _, n, refactored = yield from self._rest(z, few, without, COLD_STEPS)
            converged, reason, more, again = yield from self._rest(z, sigma, used, self.iterations_max)
        except SingularError as error:
            return False, f"singular: {error}", n, refactored
        return converged, reason, n + more, refactored or again

    def _turn(self, z: Floats, used: Bools) -> None:
        """Turn a cold start to the measured angles: their common part is that of the instruments' reference.

        By the circular mean of measured less computed ones: there is no seam at half a turn. Exact relations
        are linear and without a constant: they hold for every turn of the state.
        """
        at = used & self._is_angle & ~self.functionals.is_dead
        off = np.exp(1j * (z[at] - self.functionals.h(self.x)[at]))
        self.x = self.x * np.exp(1j * np.angle(np.sum(off)))

    def _rest(self, z: Floats, sigma: Floats, used: Bools, most: int) -> Steps[Found]:
        refactored = self._needs_factor(sigma)
        if refactored:
            self._factor(sigma)
        weight = np.where(used, 1.0 / np.where(used, sigma, 1.0), 0.0)
        j_before, change_before, x_before, n_halved = np.inf, np.inf, self.x, 0
        weighted_before = np.zeros(len(z))
        for iteration in range(1, most + 1):
            yield
            weighted = weight * self._difference(z, self.functionals.h(self.x))
            j = float(weighted @ weighted)
            if not j <= RISE_MAX * j_before + 1.0 and n_halved < HALVINGS_MAX:
                if self._factored_at is not x_before:  # back, and with derivatives of there
                    self.x = x_before
                    self._factor(sigma)
                    refactored, j, weighted = True, j_before, weighted_before
                else:
                    self.x = 0.5 * (self.x + x_before)  # exact relations are linear: they hold on the way
                    n_halved += 1
                    continue
            x_before, weighted_before, n_halved = self.x, weighted, 0
            change = self._step(weighted, weight)
            if not np.isfinite(change):
                return False, "the iteration left all numbers", iteration, refactored
            if self._is_at_rest(change, change_before, abs(j - j_before) <= TOL_J * (1.0 + j)):
                return True, "", iteration, refactored
            if change > RATE_SLOW * change_before or change > FAR_PU:
                self._factor(sigma)
                refactored = True
                change_before = np.inf
            else:
                change_before = change
            j_before = j
        return False, f"not at rest after {most} iterations", most, refactored

    def _difference(self, z: Floats, h: Floats) -> Floats:
        """Return z - h, angles within half a turn."""
        r = z - h
        if self._has_angles:
            r[self._is_angle] = np.angle(np.exp(1j * r[self._is_angle]))
        return r

    def _is_at_rest(self, change: float, change_before: float, is_still: bool) -> bool:
        """Tell whether what is left to go is below the tolerance, by the rate at which steps shrink.

        The bound of a contraction, rate / (1 - rate) times the last step (Banach), with a safety factor.
        """
        if change < self.tol_pu:
            return True
        rate = min(RATE_SAFETY * change / change_before, 1.0) if math.isfinite(change_before) else 1.0
        return rate * change < (1.0 - rate) * self.tol_pu or (is_still and change < STILL_PU)

    def _needs_factor(self, sigma: Floats) -> bool:
        if not self.system.is_factored:
            return True
        old = self.system.sigma
        both = np.isfinite(old) & np.isfinite(sigma)
        if np.any(np.isfinite(old) != np.isfinite(sigma)):
            return True
        return bool(np.any(np.abs(sigma[both] / old[both] - 1.0) > SIGMA_CHANGE))

    def _factor(self, sigma: Floats) -> None:
        is_new_set = not self.system.is_factored or bool(
            np.any(np.isfinite(sigma) != np.isfinite(self.system.sigma))
        )
        self.system.factor(self.functionals.jacobian(self.x), sigma)
        self._factored_at = self.x
        self._is_judged &= not is_new_set

    def _step(self, weighted: Floats, weight: Floats) -> float:
        """Take one step from these weighted residuals; return the largest change of a state [pu]."""
        system = self.system
        multiplier = weight * weighted
        top = np.where(weight > 0.0, multiplier * system.sigma, 0.0)
        if self._factored_at is self.x:
            bottom = np.zeros(system.n)
        else:
            difference = system.h_data - self.functionals.jacobian(self.x)
            bottom = system.transposed_times(difference, multiplier)
        n = self.model.n_states
        flat = np.concatenate([self.x.real, self.x.imag])
        _, dx = system.solve(top, -(system.exact @ flat), bottom)
        self.x = self.x + (dx[:n] + 1j * dx[n:])
        return float(np.max(np.abs(dx), initial=0.0))

    def _result(self, z: Floats, sigma: Floats, used: Bools, found: Found) -> Estimate:
        model, scale = self.model, self.functionals.scale
        h = self.functionals.h(self.x)
        off = self._difference(z, h)
        weighted = np.where(used, off / np.where(used, sigma, 1.0), np.nan)
        j = float(np.nansum(weighted**2))
        dof = int(np.count_nonzero(used)) - (self._n_free - self._n_unobservable)
        v = np.zeros(self.frame.n, np.complex128)
        v[model.live] = self.x[model.state[model.live]] * self.frame.base_v[model.live]
        observable = model.live.copy()
        observable[model.live] = self.observable[model.state[model.live]]
        return Estimate(
            v=v,
            live=model.live.copy(),
            observable=observable,
            converged=found[0],
            reason=found[1],
            iterations=found[2],
            refactored=found[3],
            j=j,
            dof=dof,
            threshold=threshold(dof),
            residuals=np.where(used, off * scale, np.nan),
            weighted=weighted,
            fitted=h * scale,
            used=used,
        )


def at_once(steps: Steps[T]) -> T:
    """Return the result of work in steps, without pauses."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found


@functools.lru_cache(maxsize=256)
def threshold(dof: int, quantile: float = QUANTILE) -> float:
    """Return the chi-square quantile of J; inf where nothing is redundant.

    From the incomplete gamma function, of which chi-square is a case: importing all of scipy's distributions
    for it takes as long as the rest of an estimator's start.
    """
    return 2.0 * float(gammaincinv(0.5 * dof, quantile)) if dof > 0 else math.inf


def _real_rows(rows: sp.csr_array) -> sp.csr_array:
    """Return complex rows that are 0 as real ones over (real parts, imaginary parts)."""
    real = sp.hstack([rows.real, -rows.imag])
    imaginary = sp.hstack([rows.imag, rows.real])
    return sp.csr_array(sp.vstack([real, imaginary]))


def _imaginary_row(row: sp.csr_array) -> sp.csr_array:
    return sp.csr_array(sp.hstack([row.imag, row.real]))
