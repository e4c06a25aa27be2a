"""Innovation against the prediction: the jump with which an attack begins, stealthy or not.

Two statistics: the sum of squares over all channels (many channels moved a little) and the largest
of them (few moved much). The channels' innovations are taken by themselves, not whitened against
each other: they are correlated, so thresholds come from clean runs and not from the chi-square table.
An attack that grows more slowly than the load itself passes both.
"""

from __future__ import annotations

import numpy as np

from estimation.detectors.chi2 import normal_score
from estimation.detectors.scan import Floats, Scan

NAMED = 5
"""Channels named."""


class Innovation:
    """Sum of squared innovations, as a normal score."""

    name = "innovation"

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        nu = _known(scan)
        n = int(np.count_nonzero(np.isfinite(nu)))
        return normal_score(float(np.nansum(nu * nu)), n), largest(np.abs(nu))


class LargestInnovation:
    """Largest innovation."""

    name = "innovation_max"

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        size = np.abs(_known(scan))
        where = largest(size)
        return (float(size[where[0]]) if where else np.nan), where


def largest(size: Floats, n: int = NAMED) -> tuple[int, ...]:
    """Return the n channels of the largest values, the largest first; none where all are NaN."""
    known = np.where(np.isfinite(size), size, -np.inf)
    order = np.argsort(-known, kind="stable")[:n]
    return tuple(int(i) for i in order if known[i] > -np.inf)


def _known(scan: Scan) -> Floats:
    return np.full(scan.z.size, np.nan) if scan.nu is None else scan.nu
