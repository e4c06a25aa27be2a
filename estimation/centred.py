"""The residual test of one running station: residuals less the offsets that its own instruments have.

Ratio errors are drawn once for the life of an instrument. Over many stations residuals have the covariance
that sigmas say; in one station most of it is a fixed offset, J hardly moves from scan to scan, and an error
smaller than the offsets is not seen. So the offsets are learned while nothing is wrong, over at least 24 h of
simulated time (all loads of a day pass by), and what is left is tested as well::

    J_c = sum ((r_i - mean_i) / s_i)^2

Its terms are correlated, and from hour to hour it varies with how well history foretells the loads. Its
logarithm is taken for normal, with the mean n of J_c, and as variance the sum of

- 2 tr(R R) / n^2, what n correlated terms scatter by within an hour (R: correlation matrix of the residuals),
- the variance of the logarithms of the hourly means.

The quantile is Student's with one degree of freedom less than hours: a day of hours is a small sample.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

Floats = npt.NDArray[np.float64]

LEARN_H = 24.0
"""Clean time before anything is said [h]."""
BLOCK_H = 1.0
"""How long the stretches are whose means are compared [h]."""
GAP_MAX_S = 60.0
"""Time between two scans counts up to this [s]."""
QUANTILE = 0.99
SPREAD_MIN = 1e-3
"""Least spread of a residual about its offset [sigma]: what never moves has no scale."""


class CentredTest:
    """Offsets of the residuals of ``n`` channels, learned once and then kept.

    Attributes
    ----------
    learned_h : float
        Clean time learned from [h].
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.learned_h = 0.0
        self._last_ns: int | None = None
        self._count = np.zeros(n)
        self._sum = np.zeros(n)
        self._products = np.zeros((n, n))
        self._n_scans = 0
        self._hours: list[list[Floats]] = []
        self._mean = self._spread = np.zeros(0)
        self.threshold = math.nan

    @property
    def is_ready(self) -> bool:
        """Tell whether there are offsets to test against."""
        return not math.isnan(self.threshold)

    def learn(self, sim_ns: int, weighted: Floats) -> None:
        """Take the weighted residuals of a clean scan; NaN of channels that were not used."""
        if self.is_ready:
            return
        if self._last_ns is not None:
            self.learned_h += min(max(sim_ns - self._last_ns, 0) * 1e-9, GAP_MAX_S) / 3600.0
        self._last_ns = sim_ns
        known = np.isfinite(weighted)
        r = np.where(known, weighted, 0.0)
        self._count += known
        self._sum += r
        self._products += np.outer(r, r)
        self._n_scans += 1
        if int(self.learned_h / BLOCK_H) >= len(self._hours):
            self._hours.append([np.zeros(self.n) for _ in range(3)])
        for total, part in zip(self._hours[-1], (known.astype(np.float64), r, r * r), strict=True):
            total += part
        if self.learned_h >= LEARN_H:
            self._settle()

    def pause(self) -> None:
        """Leave a scan out: what passes until the next clean one is not learned from."""
        self._last_ns = None

    def _settle(self) -> None:
        n = np.maximum(self._count, 1.0)
        self._mean = self._sum / n
        covariance = self._products / np.sqrt(np.outer(n, n)) - np.outer(self._mean, self._mean)
        self._spread = np.sqrt(np.maximum(np.diag(covariance), SPREAD_MIN**2))
        is_told = self._count >= 0.5 * self._n_scans
        self._spread[~is_told] = np.inf
        tested = np.isfinite(self._spread)
        correlation = covariance / np.outer(self._spread, self._spread)
        correlation[~np.outer(tested, tested)] = 0.0
        count = float(np.count_nonzero(tested))
        squares = float(np.sum(correlation**2))
        if count == 0.0 or squares == 0.0:
            return
        hourly = np.array([self._mean_of_hour(*h) for h in self._hours if h[0].any()])
        between = float(np.var(np.log(hourly / count), ddof=1)) if len(hourly) > 1 else 0.0
        variance = 2.0 * squares / count**2 + between
        quantile = float(student.ppf(QUANTILE, max(len(hourly) - 1, 1)))
        self.threshold = count * math.exp(quantile * math.sqrt(variance) - 0.5 * variance)
        self._products, self._hours = np.zeros((0, 0)), []

    def _mean_of_hour(self, n: Floats, total: Floats, squares: Floats) -> float:
        """Return the mean of J_c over the scans of an hour, from its sums."""
        mean, spread = self._mean, self._spread
        part = (squares - 2.0 * mean * total + n * mean**2) / spread**2
        return max(float(np.sum(part / np.maximum(n, 1.0))), SPREAD_MIN)

    def statistic(self, weighted: Floats) -> float:
        """Return J_c of a scan, NaN before the offsets are learned."""
        if not self.is_ready:
            return math.nan
        return float(np.sum(np.nan_to_num(self.centred(weighted)) ** 2))

    def centred(self, weighted: Floats) -> Floats:
        """Return the residuals less their offsets, in their own spread, shape (n,)."""
        if not self.is_ready:
            return np.full(self.n, np.nan)
        return np.asarray((weighted - self._mean) / self._spread)
