"""Thresholds from clean runs, and what may be said about the rate of false alarms afterwards.

Threshold: peaks over a high level, one per cluster, have asymptotically a generalised Pareto
distribution (S. Coles, *An Introduction to Statistical Modeling of Extreme Values*, Springer 2001,
section 4.2). With its shape at 0, that is an exponential tail of mean excess b over the level u
reached r times a day, the level reached f times a day is u + b ln(r / f). u is the lowest of the n
highest peaks; the n - 1 above it estimate b (the differences of ordered exponential variables are
independent: A. Renyi, Acta Math. Acad. Sci. Hung. 4, 1953, so that their mean excess has the
expectation b). The threshold is never below the level that the clean runs themselves reach no more
than f times a day.

Bound: the number of false alarms in so many days is taken to be Poisson. The exact interval is
[chi2(a/2; 2n) / 2, chi2(1 - a/2; 2n + 2) / 2] (F. Garwood, "Fiducial limits for the Poisson
distribution", Biometrika 28, 1936); one-sided the upper bound is chi2(1 - a; 2n + 2) / 2. Half of
chi2(q; 2k) is the inverse of the incomplete gamma function of k.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincinv

from estimation.detectors.alarm import Rule, begins
from estimation.detectors.scan import Floats

PEAKS_PER_DAY = 6.0
"""Peaks that the tail is fitted to: the highest, about so many per day, at least ``PEAKS_MIN``."""
PEAKS_MIN = 12


def poisson_upper(n: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of a Poisson mean of which n were counted.

    >>> round(poisson_upper(0), 3)
    2.996
    """
    return float(gammaincinv(n + 1.0, confidence))


def poisson_interval(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided (Garwood) interval of a Poisson mean of which n were counted."""
    a = 1.0 - confidence
    low = float(gammaincinv(float(n), a / 2.0)) if n else 0.0
    return low, float(gammaincinv(n + 1.0, 1.0 - a / 2.0))


def peaks(values: Floats, rule: Rule) -> Floats:
    """Return the highest value of each cluster, highest first.

    Values belong to one cluster when no more than ``rule.rearm`` scans lie between them, which is
    what the run rule makes one alarm of. For rules of several scans the value that counts at a scan
    is the ``needed``-th largest of its window: above a threshold exactly when the rule is.
    """
    x = counted(values, rule)
    found: list[float] = []
    order = np.argsort(-x, kind="stable")
    taken = np.zeros(x.size, bool)
    for i in order.tolist():
        if not np.isfinite(x[i]):
            break
        if not taken[i]:
            found.append(float(x[i]))
            taken[max(0, i - rule.rearm) : i + rule.rearm + 1] = True
    return np.array(found)


def counted(values: Floats, rule: Rule) -> Floats:
    """Return at each scan the value that a threshold must be below for the rule to be met there."""
    x = np.where(np.isfinite(values), values, -np.inf)
    if rule.window == 1 or x.size < rule.window:
        return x
    padded = np.concatenate((np.full(rule.window - 1, -np.inf), x))
    windows = np.lib.stride_tricks.sliding_window_view(padded, rule.window)
    ordered = np.sort(windows, axis=1)
    counted: Floats = ordered[:, rule.window - rule.needed]
    return counted


def threshold_for(
    runs: Sequence[Floats], scans_per_day: float, per_day: float, rule: Rule, floor: float = -np.inf
) -> float:
    """Return the threshold that clean runs like these exceed ``per_day`` times a day.

    Parameters
    ----------
    runs : sequence of float64[n]
        The statistic over clean runs, each by itself.
    scans_per_day : float
    per_day : float
        False alarms per day aimed at.
    floor : float
        Never below this: for statistics that are exactly 0 on clean runs.

    Raises
    ------
    ValueError
        When the runs hold no number at all.
    """
    days = sum(np.count_nonzero(np.isfinite(x)) for x in runs) / scans_per_day
    if days == 0.0:
        raise ValueError("a threshold needs clean scans; the statistic gave no number in any of them")
    found = np.sort(np.concatenate([peaks(np.asarray(x), rule) for x in runs]))[::-1]
    n = min(found.size, max(PEAKS_MIN, round(PEAKS_PER_DAY * days)))
    u = float(found[n - 1])
    excess = float(np.sum(found[:n] - u)) / max(n - 1, 1)  # u itself has none and tells nothing of b
    tail = u + excess * max(0.0, float(np.log(n / days / per_day)))
    allowed = int(per_day * days)
    seen = float(found[min(allowed, found.size - 1)])
    return max(tail, seen, floor)


@dc.dataclass(frozen=True, slots=True)
class FalseAlarms:
    """False alarms of other clean runs than those that gave the threshold.

    Attributes
    ----------
    n, days : int, float
        Counted in so many days in which the statistic gave numbers.
    per_day : float
    upper_per_day : float
        One-sided 95 % bound of the rate; infinite without days.
    low_per_day, high_per_day : float
        Two-sided 95 % interval.
    """

    n: int
    days: float
    per_day: float
    upper_per_day: float
    low_per_day: float
    high_per_day: float


def verify(runs: Sequence[Floats], scans_per_day: float, threshold: float, rule: Rule) -> FalseAlarms:
    """Count the false alarms of clean runs at a threshold and bound their rate."""
    days = sum(np.count_nonzero(np.isfinite(x)) for x in runs) / scans_per_day
    n = sum(len(begins(x, threshold, rule)) for x in runs)
    if days == 0.0:
        return FalseAlarms(n, 0.0, np.nan, np.inf, 0.0, np.inf)
    low, high = poisson_interval(n)
    return FalseAlarms(n, days, n / days, poisson_upper(n) / days, low / days, high / days)
