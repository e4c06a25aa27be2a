"""Counts of durations in bounded memory that anyone may look into: 250 ns resolution, 16 bins an octave.

The bins are those of ``rtcore.histogram``, in plain Python for processes that must start fast.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BINS = 400
UNIT_NS = 250
_LINEAR = 16
_LINEAR_BITS = 5


def bin_of(duration_ns: int) -> int:
    """Return the bin of a duration; a negative one counts as zero."""
    units = max(duration_ns, 0) // UNIT_NS
    if units < _LINEAR:
        return units
    octave = max(0, units.bit_length() - _LINEAR_BITS)
    return min(BINS - 1, octave * _LINEAR + (units >> octave))


def upper_edge_ns(b: int) -> int:
    """Return the upper edge of a bin [ns]."""
    if b < _LINEAR:
        return (b + 1) * UNIT_NS
    return ((b % _LINEAR + _LINEAR + 1) << (b // _LINEAR - 1)) * UNIT_NS


class DurationHistogram:
    """Durations counted in memory that it is handed.

    Parameters
    ----------
    counts : int64[BINS]
        A view into shared memory, for instance, or the difference of two copies of one.
    """

    def __init__(self, counts: npt.NDArray[np.int64]) -> None:
        assert counts.shape == (BINS,)
        self.counts = counts

    @property
    def n(self) -> int:
        """How many were counted."""
        return int(self.counts.sum())

    def add(self, duration_ns: int) -> None:
        """Count one duration [ns]."""
        self.counts[bin_of(duration_ns)] += 1

    def percentile_ns(self, fraction: float) -> float:
        """Return the upper edge of the bin that holds a fraction of all durations [ns]; NaN without any."""
        if self.n == 0:
            return math.nan
        at = int(np.searchsorted(np.cumsum(self.counts), fraction * self.n))
        return float(upper_edge_ns(min(at, BINS - 1)))
