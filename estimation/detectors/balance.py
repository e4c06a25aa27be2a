"""Spatial power balance: what flows into an area against what flows out of it, is metered or is expected.

Each area's imbalance (inflow less outflow) is losses, what nobody meters, and the class errors of the
meters: a slow quantity with its own noise. It is predicted from its own past like a channel, with a slow
level, and the signed innovation is smoothed (EWMA), so that the statistic shows a meter that disagrees
with its neighbours for some minutes. False data that keep every balance (stealthy with the right model)
pass.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from estimation.detectors.ewma import WEIGHT
from estimation.detectors.prediction import Predictor
from estimation.detectors.scan import Floats, Ints, Scan

LEVEL_SCANS = 360.0
SLOPE_SCANS = 720.0


@dc.dataclass(frozen=True, slots=True)
class Area:
    """Part of the network between meters.

    Attributes
    ----------
    channels : int64[n]
        Channels that count.
    signs : float64[n]
        +1 for what flows in, -1 for what flows out.
    """

    name: str
    channels: Ints
    signs: Floats


class Balance:
    """Largest smoothed imbalance over all areas; points to the channels of that area."""

    name = "balance"

    def __init__(self, areas: Sequence[Area]) -> None:
        self.areas = tuple(areas)
        n = len(self.areas)
        self.predictor = Predictor(np.zeros(n), LEVEL_SCANS, SLOPE_SCANS)
        self.e = np.zeros(n)
        self.is_known = np.zeros(n, bool)
        self.was_there = np.ones(n, bool)

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan; an area with a channel missing, or below its cut-off (0), is left out."""
        if not self.areas:
            return np.nan, ()
        z = np.where(scan.z == 0.0, np.nan, scan.z)
        r = np.array([float(a.signs @ z[a.channels]) for a in self.areas])
        there = np.isfinite(r)
        self.predictor.n_seen[there & ~self.was_there] = 0  # after a gap the level is another one
        self.was_there = there
        nu = self.predictor.update(r, np.ones(r.size, bool), is_switched=scan.is_switched)
        new = np.isfinite(nu)
        self.e[~new] *= 1.0 - WEIGHT
        self.e[new] += WEIGHT * (nu[new] - self.e[new])
        self.is_known |= new
        if not self.is_known.any():
            return np.nan, ()
        size = np.where(self.is_known, np.abs(self.e), 0.0) / np.sqrt(WEIGHT / (2.0 - WEIGHT))
        worst = int(np.argmax(size))
        return float(size[worst]), tuple(int(i) for i in self.areas[worst].channels)
