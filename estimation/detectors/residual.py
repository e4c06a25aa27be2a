"""The estimator's own tests as statistics, to be measured by the same rule as the others.

They look at one scan only: what agrees with the model of the network passes, however false it is.
"""

from __future__ import annotations

from estimation.detectors.chi2 import normal_score
from estimation.detectors.scan import Scan


class Objective:
    """J(x) as a normal score of its chi-square distribution."""

    name = "J"

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        return normal_score(scan.j, scan.dof), ()


class LargestResidual:
    """Largest normalised residual; points to its channel."""

    name = "LNR"

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        return scan.lnr, (scan.lnr_channel,) if scan.lnr_channel >= 0 else ()
