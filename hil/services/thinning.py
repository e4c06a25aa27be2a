"""Fewer values of a trend that look the same: of each stretch of time first, last, extremes, first bad."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.trend import Trend
from rtcore.quality import BAD_FROM

PER_STRETCH = 5
"""Values that one stretch of time keeps at most."""


def thinned(trend: Trend, n: int) -> Trend:
    """Return at most ``n`` values of a trend, in order; all of them where there are no more.

    Parameters
    ----------
    trend : Trend
        In order of time.
    n : int
        At least 2.
    """
    if len(trend.utc_ns) <= n:
        return trend
    stretches = n // PER_STRETCH
    if stretches < 1:
        return trend.at(np.unique(np.linspace(0, len(trend.utc_ns) - 1, n).astype(np.intp)))
    return trend.at(_kept(trend, stretches))


def _kept(trend: Trend, stretches: int) -> npt.NDArray[np.intp]:
    """Return which values stay."""
    t = trend.utc_ns
    width = max(1, -(-int(t[-1] - t[0] + 1) // stretches))
    stretch = (t - t[0]) // width
    (first,) = np.nonzero(np.diff(stretch, prepend=-1))
    last = np.append(first[1:], len(t)) - 1
    is_good = (trend.quality < BAD_FROM) & np.isfinite(trend.value)
    (good,), (bad,) = is_good.nonzero(), (~is_good).nonzero()
    low = _first_of_each(good[np.lexsort((trend.value[good], stretch[good]))], stretch)
    high = _first_of_each(good[np.lexsort((-trend.value[good], stretch[good]))], stretch)
    return np.unique(np.concatenate([first, last, low, high, _first_of_each(bad, stretch)]))


def _first_of_each(at: npt.NDArray[np.intp], stretch: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return the first of the given places in each stretch; they are in order of stretches."""
    is_first: npt.NDArray[np.bool_] = np.diff(stretch[at], prepend=-1) != 0
    return at[is_first]
