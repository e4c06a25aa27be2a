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
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

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

    def remember(self) -> dict[str, Floats]:
        """Return all that was learned, as arrays for ``recall``."""
        hours = np.array(self._hours) if self._hours else np.zeros((0, 3, self.n))
        return {
            "learned_h": np.array(self.learned_h),
            "n_scans": np.array(float(self._n_scans)),
            "count": self._count,
            "sum": self._sum,
            "products": self._products,
            "hours": hours,
            "mean": self._mean,
            "spread": self._spread,
            "threshold": np.array(self.threshold),
        }

    def recall(self, learned: Mapping[str, Floats]) -> None:
        """Go on from what another one of the same channels learned; the time between is not learned from.

        Raises
        ------
        ValueError
            These are not the arrays of ``remember`` for so many channels; nothing is taken then.
        """
        n = self.n
        is_ready = bool(np.isfinite(learned.get("threshold", np.array(np.nan))).all())
        own = (n,) if is_ready else (0,)
        shapes = {
            **dict.fromkeys(("learned_h", "n_scans", "threshold"), ()),
            **dict.fromkeys(("count", "sum"), (n,)),
            **dict.fromkeys(("mean", "spread"), own),
            "products": (0, 0) if is_ready else (n, n),
        }
        wrong = [k for k, shape in shapes.items() if k not in learned or learned[k].shape != shape]
        hours = learned.get("hours", np.zeros(0))
        if wrong or hours.shape[1:] != (3, n):
            raise ValueError(f"not learned from {n} channels: {', '.join(wrong) or 'hours'}")
        self.learned_h, self._n_scans = float(learned["learned_h"]), int(learned["n_scans"])
        self._count, self._sum = learned["count"].copy(), learned["sum"].copy()
        self._products, self._mean = learned["products"].copy(), learned["mean"].copy()
        self._spread, self.threshold = learned["spread"].copy(), float(learned["threshold"])
        self._hours = [[part.copy() for part in hour] for hour in hours]
        self._last_ns = None

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
        quantile = float(stdtrit(max(len(hourly) - 1, 1), QUANTILE))
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
