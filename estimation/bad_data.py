"""Bad data: what residuals say about single measurements.

Residuals of correct data have covariance Omega (in sigmas); r_i / sqrt(Omega_ii) is then normal with
variance 1. The largest one beyond its threshold is removed, and the rest estimated again, until none is
beyond (largest normalised residual: E. Handschin, F. Schweppe, J. Kohlas, A. Fiechter, IEEE Trans.
PAS-94(2), 1975). A critical measurement has Omega_ii = 0: its error changes the state and no residual. Two
whose residuals are correlated by nearly 1 cannot be told apart: whichever is removed, the other is named
with it.
"""

from __future__ import annotations

import dataclasses as dc
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from estimation.measurements import Measurement
from estimation.wls import Estimate, Estimator

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

CRITICAL = 1e-6
"""Below this share of its variance left in the residual a measurement is critical (rounding leaves 1e-9)."""
FALSE_ALARMS = 0.01
"""Probability that the largest of all normalised residuals of clean data is beyond the threshold."""
MISSES = 0.2
"""Probability with which an error of the stated detectable size is missed."""
ALIKE = 0.9
"""Correlation of two residuals from which on they are named together."""
REMOVED_MAX = 10
HOPELESS, TRIED = 10.0, 3
"""When J is over ten times its threshold after three removals, single measurements do not explain it."""
TOP = 10


@dc.dataclass(frozen=True, slots=True)
class Analysis:
    """What the measurements can be tested for; arrays of shape (m,).

    Attributes
    ----------
    omega : ndarray
        Share of a measurement's variance that is left in its residual, Omega_ii / R_ii: its redundancy. NaN
        where it is not used.
    critical : ndarray of bool
    leverage : ndarray of bool
        Pulls the estimate to itself: its diagonal of the hat matrix is over twice the mean.
    detectable : ndarray
        Smallest gross error that is found with probability 0.8 [SI]; inf for critical ones.
    redundancy : float
        Measurements and exact relations for every state.
    """

    omega: Floats
    critical: Bools
    leverage: Bools
    detectable: Floats
    redundancy: float


@dc.dataclass(frozen=True, slots=True)
class Candidates:
    """The largest normalised residuals, in falling order.

    Attributes
    ----------
    which, rn, omega : ndarray, shape (k,)
        Measurement, normalised residual (signed), Omega_ii.
    columns : ndarray, shape (m, k)
        Of Omega.
    """

    which: Ints
    rn: Floats
    omega: Floats
    columns: Floats


@dc.dataclass(frozen=True, slots=True)
class Removed:
    """One measurement taken out: its normalised residual, the error it seems to have, what looks the same."""

    index: int
    rn: float
    error: float
    alike: tuple[int, ...]


@dc.dataclass(frozen=True, slots=True)
class Findings:
    """Result of identification: what was removed, the largest first, and the estimate without it."""

    removed: tuple[Removed, ...]
    estimate: Estimate
    rn_max: float
    threshold: float

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing beyond its threshold is left."""
        return self.rn_max <= self.threshold


def lnr_threshold(n_tested: int) -> float:
    """Return the quantile 1 - 0.01 / 2m of the normal distribution: at most 1 % of clean scans alarm.

    The fixed 3 of textbooks fires in a quarter of clean scans of a hundred independent residuals.
    """
    return NormalDist().inv_cdf(1.0 - FALSE_ALARMS / (2.0 * max(n_tested, 1)))


def analyse(estimator: Estimator) -> Analysis:
    """Return redundancy and detectability of every measurement at the present factor."""
    used = np.isfinite(estimator.system.sigma)
    return analysis_of(
        estimator, np.where(used, np.clip(estimator.system.omega_diagonal(), 0.0, 1.0), np.nan)
    )


def analysis_of(estimator: Estimator, omega: Floats) -> Analysis:
    """Return the same from redundancies that are known already.

    The detectable error is (threshold + quantile of the misses) sigma / sqrt(Omega_ii / R_ii): the mean of a
    normalised residual that passes the threshold with probability 0.8.
    """
    system = estimator.system
    used = np.isfinite(system.sigma)
    critical = used & (omega < CRITICAL)
    n_tested = int(np.count_nonzero(used & ~critical))
    delta = lnr_threshold(n_tested) + NormalDist().inv_cdf(1.0 - MISSES)
    sigma_si = system.sigma * estimator.functionals.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        detectable = np.where(critical, np.inf, delta * sigma_si / np.sqrt(omega))
    n_used, n_states = int(np.count_nonzero(used)), system.n
    mean = float(np.nansum(1.0 - omega)) / max(n_used, 1)
    leverage = used & ~critical & (1.0 - omega > min(2.0 * mean, 1.0 - CRITICAL))
    return Analysis(omega, critical, leverage, detectable, (n_used + system.p) / n_states)


def normalised(estimate: Estimate, omega: Floats) -> Floats:
    """Return r / (sigma sqrt(Omega_ii)), signed, shape (m,); NaN for unused and critical measurements."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rn = estimate.weighted / np.sqrt(omega)
    return np.where(omega >= CRITICAL, rn, np.nan)


def largest(
    estimator: Estimator, estimate: Estimate, guess: Floats | None = None, top: int = TOP
) -> Candidates:
    """Return the largest normalised residuals, of the ``top`` likeliest candidates alone.

    Only their columns of Omega are solved for (1.6 instead of 250 ms at 1,000 measurements).

    Parameters
    ----------
    guess : ndarray, optional
        Omega_ii of before, to choose candidates by; without it they are the largest weighted residuals.
    """
    weighted = np.abs(np.nan_to_num(estimate.weighted))
    if guess is not None:
        safe = np.where(guess >= CRITICAL, guess, np.inf)
        weighted = weighted / np.sqrt(np.where(np.isfinite(safe), safe, np.inf))
    which = np.argsort(-weighted, kind="stable")[: min(top, len(weighted))]
    which = which[weighted[which] > 0.0]
    columns = estimator.system.omega_columns(which)
    own = np.clip(columns[which, np.arange(len(which))], 0.0, 1.0)
    rn = np.where(own >= CRITICAL, estimate.weighted[which] / np.sqrt(np.maximum(own, CRITICAL)), 0.0)
    order = np.argsort(-np.abs(rn), kind="stable")
    return Candidates(which[order], rn[order], own[order], columns[:, order])


def identify(
    estimator: Estimator,
    z: Floats,
    sigma: Floats,
    estimate: Estimate | None = None,
    guess: Floats | None = None,
) -> Findings:
    """Estimate, remove the measurement with the largest normalised residual, repeat while it is beyond.

    Parameters
    ----------
    z, sigma : ndarray, shape (m,)
        As of ``Estimator.estimate``.
    estimate : Estimate, optional
        Of these values, when there is one already.
    guess : ndarray, optional
        See ``largest``.
    """
    sigma = sigma.copy()
    found = estimator.estimate(z, sigma) if estimate is None else estimate
    removed: list[Removed] = []
    while True:
        limit = lnr_threshold(int(np.count_nonzero(found.used)))
        if not found.converged:
            return Findings(tuple(removed), found, float("inf"), limit)
        candidates = largest(estimator, found, guess)
        rn_max = float(np.abs(candidates.rn[0])) if len(candidates.rn) else 0.0
        is_hopeless = len(removed) >= TRIED and found.j > HOPELESS * found.threshold
        if rn_max <= limit or len(removed) >= REMOVED_MAX or is_hopeless:
            return Findings(tuple(removed), found, rn_max, limit)
        removed.append(_removed(candidates, found, sigma))
        sigma[candidates.which[0]] = np.inf
        found = estimator.estimate(z, sigma)


def _removed(candidates: Candidates, estimate: Estimate, sigma: Floats) -> Removed:
    """The first candidate; its error is r R_ii / Omega_ii, and correlated ones look the same."""
    k, omega = int(candidates.which[0]), float(candidates.omega[0])
    own = candidates.omega
    correlation = candidates.columns[candidates.which, 0] / np.sqrt(np.maximum(own * omega, CRITICAL**2))
    alike = [int(i) for i, c in zip(candidates.which[1:], correlation[1:]) if abs(c) >= ALIKE]
    error = float(estimate.weighted[k] * sigma[k] / omega)
    return Removed(k, float(candidates.rn[0]), error, tuple(alike))


def correlated(estimator: Estimator, which: Ints) -> list[tuple[int, ...]]:
    """Return for each of these measurements the others whose residuals are correlated by 0.9 or more.

    Those cannot be told apart: an error in one may be taken for an error in another.
    """
    columns = estimator.system.omega_columns(which)
    diagonal = np.clip(estimator.system.omega_diagonal(), 0.0, 1.0)
    found = []
    for k, i in enumerate(which.tolist()):
        scale = np.sqrt(np.maximum(diagonal * diagonal[i], CRITICAL**2))
        alike = np.flatnonzero(np.abs(columns[:, k]) / scale >= ALIKE)
        tested = diagonal >= CRITICAL
        found.append(tuple(int(j) for j in alike if j != i and tested[j]))
    return found


def names(measurements: list[Measurement], which: Ints) -> list[str]:
    """Return the names of measurements."""
    return [measurements[i].name for i in which.tolist()]
