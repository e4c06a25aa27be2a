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
import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

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
REMOVED_MAX = 20
"""So many measurements are removed at most."""
GAIN_MIN = 0.5
"""Share of the square of its normalised residual that J must lose by a removal, or it was none of one error:
where h is linear it loses all of it."""
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
    """Result of identification.

    Attributes
    ----------
    removed : tuple of Removed
        In the order of their removal.
    estimate : Estimate
        Without them; converged unless no estimate of these values did.
    rn_max : float
        Largest normalised residual that is left; inf where there is no estimate.
    threshold : float
        For that many as are tested.
    is_finished : bool
        Nothing beyond its threshold is left. Not so where the search was given up: after ``REMOVED_MAX``
        removals, or at one that does not help or without which no state is found (it is taken back).
    """

    removed: tuple[Removed, ...]
    estimate: Estimate
    rn_max: float
    threshold: float
    is_finished: bool


def lnr_threshold(n_tested: int) -> float:
    """Return the quantile 1 - 0.01 / 2m of the normal distribution: at most 1 % of clean scans alarm.

    m counts the residuals that are tested: critical measurements have none, and anchors none of their own.

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
    estimator: Estimator,
    estimate: Estimate,
    guess: Floats | None = None,
    top: int = TOP,
    n: int | None = None,
) -> Candidates:
    """Return the largest normalised residuals, of the ``top`` likeliest candidates alone.

    Only their columns of Omega are solved for (1.6 instead of 250 ms at 1,000 measurements).

    Parameters
    ----------
    guess : ndarray, optional
        Omega_ii of before, to choose candidates by; without it they are the largest weighted residuals.
    n : int, optional
        Only the first n measurements are candidates; the others are anchors.
    """
    weighted = np.abs(np.nan_to_num(estimate.weighted))
    if n is not None:
        weighted[n:] = 0.0
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
    n: int | None = None,
    most: int = REMOVED_MAX,
) -> Findings:
    """Estimate, remove the measurement with the largest normalised residual, repeat while it is beyond.

    Every removal must lower J, see ``GAIN_MIN``. One that does not, or without which no state is found, is
    taken back and ends the search.

    Parameters
    ----------
    z, sigma : ndarray, shape (m,)
        As of ``Estimator.estimate``.
    estimate : Estimate, optional
        Of these values, when there is one already.
    guess, n : optional
        See ``largest``.
    most : int
        Removals after which it ends.
    """
    sigma = sigma.copy()
    found = estimator.estimate(z, sigma) if estimate is None else estimate
    if not found.converged:
        return Findings((), found, math.inf, lnr_threshold(n_tested(found, guess, n=n)), is_finished=False)
    removed: list[Removed] = []
    while True:
        candidates = largest(estimator, found, guess, n=n)
        limit = lnr_threshold(n_tested(found, guess, candidates, n))
        rn_max = float(np.abs(candidates.rn[0])) if len(candidates.rn) else 0.0
        is_finished = rn_max <= limit
        if is_finished or len(removed) >= most:
            return Findings(tuple(removed), found, rn_max, limit, is_finished)
        one, k = _removed(candidates, found, sigma), int(candidates.which[0])
        kept, sigma[k] = float(sigma[k]), np.inf
        without = estimator.estimate(z, sigma)
        helps = without.converged and found.j - without.j >= GAIN_MIN * rn_max**2
        if not helps:  # no error of single measurements: what is left stays, and so does the last one
            sigma[k] = kept
            estimator.estimate(z, sigma)  # state and factor are to be those of what is returned
            return Findings(tuple(removed), found, rn_max, limit, is_finished=False)
        removed.append(one)
        found = without


def n_tested(
    estimate: Estimate,
    omega: Floats | None = None,
    candidates: Candidates | None = None,
    n: int | None = None,
) -> int:
    """Return how many measurements have a residual to test: used ones, but for critical ones where known.

    Parameters
    ----------
    omega, candidates : optional
        What tells of critical ones: redundancies of all, or of the candidates.
    n : int, optional
        Measurements from here on are anchors.
    """
    tested = estimate.used.copy()
    if omega is not None:
        tested &= ~(omega < CRITICAL)
    if candidates is not None:
        tested[candidates.which[candidates.omega < CRITICAL]] = False
    return int(np.count_nonzero(tested[:n]))


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
