"""Intervals around forecasts whose coverage is measured, not assumed: conformal, by time of day.

Split conformal prediction (Vovk et al. 2005) on the forecasts a model really issued: the interval of a
target is its forecast plus or minus a quantile of past errors, each divided by the size that errors were
expected to have. That size is the mean error at the target's time of day, raised or lowered by how large
the errors of the last day were. As load is not exchangeable, each time of day adapts its width by what it
covered (Gibbs and Candes 2021, on the logarithm of the width): after a miss it widens, after a hit it
narrows a little, so that its long-run coverage is the level whatever the errors do.

Only errors that are known at the origin enter. Times of day are those of a clock that is not put forward.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from forecasting.series import Floats

LEVELS = (0.5, 0.8, 0.95)
WINDOW_DAYS = 42
"""Days of past errors whose quantiles are taken [d]."""
LEAST_DAYS = 7
"""Days of errors below which there is no interval [d]."""
RATE = 0.2
"""Change of the logarithm of a width after one miss, for each unit of (miss - allowed share)."""
FRESH = 1.0 / 6.0
"""Share of the errors, the latest, of which the oldest counts half: a week of a whole window."""
COMMON = 4.0
"""Days that the mean of all times of day counts for beside those of one time of day."""
SMALLEST = float(np.finfo(float).tiny)
"""What no error at all is taken as, to divide by."""
SWING = 0.5
"""Exponent of the last day's errors relative to all: 0 leaves them out, 1 believes them."""


@dc.dataclass(frozen=True, slots=True)
class Intervals:
    """Bounds by target row and level; NaN where there were too few errors."""

    levels: tuple[float, ...]
    lower: Floats
    """(n, n_level)"""
    upper: Floats
    """(n, n_level)"""


def intervals(
    point: Floats, actual: Floats, horizon: int, per_day: int, levels: tuple[float, ...] = LEVELS
) -> Intervals:
    """Return intervals of all targets, each from the errors known ``horizon`` steps before it.

    Parameters
    ----------
    point : ndarray, shape (n,)
        Forecasts by target row, as issued; NaN where there was none.
    actual : ndarray, shape (n,)
        What came; NaN where it is not known (yet).
    horizon, per_day : int
        [steps]
    """
    errors = Errors(np.abs(actual - point), per_day)
    size = errors.size
    scale, widths = np.full(len(point), np.nan), np.full((len(point), len(levels)), np.nan)
    allowed = 1.0 - np.array(levels)
    shift = np.zeros((per_day, len(levels)))
    heard = np.full(per_day, -1)
    for t in np.flatnonzero(np.isfinite(point)).tolist():
        known = max(0, t - horizon + 1)
        begin = max(0, known - WINDOW_DAYS * per_day)
        if errors.count(begin, known) < LEAST_DAYS * per_day:
            continue
        scale[t] = errors.expected(t, begin, known)
        ratio = size[begin:known] / scale[begin:known]
        ratio = ratio[np.isfinite(ratio)]
        if len(ratio) < LEAST_DAYS * per_day:
            ratio = size[begin:known][np.isfinite(size[begin:known])] / scale[t]
        slot = t % per_day
        for u in same_slot(t, horizon, per_day, heard[slot]):
            if np.isfinite(size[u]) and np.isfinite(widths[u, 0]):
                shift[slot] += RATE * ((size[u] > widths[u]) - allowed)
            heard[slot] = u
        widths[t] = scale[t] * conformal(ratio, levels) * np.exp(shift[slot])
        widths[t] = np.maximum.accumulate(widths[t])
    return Intervals(levels, point[:, None] - widths, point[:, None] + widths)


class Errors:
    """Sizes of errors, NaN where unknown, with running sums so that means of any rows are quick."""

    def __init__(self, size: Floats, per_day: int) -> None:
        self.size, self._per_day = size, per_day
        known = np.isfinite(size)
        self._known, self._zeroed = known.astype(float), np.where(known, size, 0.0)
        self._counts = np.concatenate([[0.0], np.cumsum(self._known)])
        self._totals = np.concatenate([[0.0], np.cumsum(self._zeroed)])

    def count(self, begin: int, end: int) -> float:
        """Return how many of the rows are known."""
        return float(self._counts[end] - self._counts[begin])

    def expected(self, t: int, begin: int, end: int) -> float:
        """Return the size that the error at ``t`` is expected to have, from those in rows begin to end."""
        level = self._mean(begin, end)
        rows = [np.arange(t - self._per_day + j, begin - 1, -self._per_day) for j in (-1, 0, 1)]
        around = np.concatenate(rows)
        around = around[around < end]
        days = float(self._known[around].sum()) / 3.0
        of_slot = (float(self._zeroed[around].sum()) / 3.0 + COMMON * level) / (days + COMMON)
        last = max(begin, end - self._per_day)
        if level > 0.0 and self.count(last, end) > 0:
            of_slot *= min(max(self._mean(last, end) / level, 0.25), 4.0) ** SWING
        return max(of_slot, SMALLEST)

    def _mean(self, begin: int, end: int) -> float:
        return max(0.0, float(self._totals[end] - self._totals[begin])) / self.count(begin, end)


def conformal(ratio: Floats, levels: tuple[float, ...]) -> Floats:
    """Return quantiles of errors, oldest first, below which a further one is with the levels' probability.

    The further one counts as much as the latest. Counting all alike, it would be the error of rank
    (n + 1) level.
    """
    count = len(ratio)
    counts = 0.5 ** (np.arange(count - 1, -1, -1) / (FRESH * count))
    order = np.argsort(ratio, kind="stable")
    below = np.cumsum(counts[order])
    ranks = np.searchsorted(below, np.array(levels) * (below[-1] + 1.0))
    result: Floats = ratio[order][np.minimum(ranks, count - 1)]
    return result


def same_slot(t: int, horizon: int, per_day: int, heard: int) -> range:
    """Return rows at the same time of day that are known now and were not heard of before, oldest first."""
    latest = t - -(-horizon // per_day) * per_day
    if heard < 0:
        return range(latest, latest + 1) if latest >= 0 else range(0)
    return range(heard + per_day, latest + 1, per_day)
