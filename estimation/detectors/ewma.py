"""EWMA of the signed innovation of every channel: between a single jump and a lasting shift.

E = (1 - w) E + w nu, divided by its standard deviation in the long run, sqrt(w / (2 - w))
(S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1, 1959).
"""

from __future__ import annotations

import math

import numpy as np

from estimation.detectors.innovation import largest
from estimation.detectors.scan import Floats, Scan

WEIGHT = 0.2


class Ewma:
    """Largest smoothed innovation; points to the channels with the largest."""

    name = "ewma"

    def __init__(self, m: int, weight: float = WEIGHT) -> None:
        self.weight = weight
        self.scale = math.sqrt(weight / (2.0 - weight))
        self.e: Floats = np.full(m, np.nan)

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        if scan.nu is not None:
            new = np.isfinite(scan.nu)
            start = new & ~np.isfinite(self.e)
            self.e[start] = 0.0
            self.e[new] += self.weight * (scan.nu[new] - self.e[new])
        size = np.abs(self.e) / self.scale
        where = largest(size)
        return (float(size[where[0]]) if where else np.nan), where
