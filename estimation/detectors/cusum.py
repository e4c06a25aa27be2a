"""CUSUM: small shifts that stay, which no single scan shows.

Two one-sided sums on the *signed* innovation of each group of channels (E. S. Page, "Continuous
inspection schemes", Biometrika 41, 1954):

    g+ = max(0, g+ + nu - k),   g- = max(0, g- - nu - k),   alarm at g > h

Never on abs(nu): its mean without any attack is 0.80 of a standard deviation, so that with k = 0.5 such a
sum climbs by itself. A group's innovation is the sum of its channels' over the root of their number, less its
mean of late and divided by the standard deviation of that sum learned so far (they are correlated). Sums are
capped: after an attack they are below any useful threshold again within ``cap`` / k scans.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from estimation.detectors.groups import Groups
from estimation.detectors.innovation import NAMED
from estimation.detectors.scan import Floats, Ints, Scan

K = 1.0
"""Allowance [standard deviations]: half of the shift that it is best at. The textbook's 0.5 is for white
noise; where the load curve bends, innovations of a small feeder are off by a whole one for minutes."""
CAP = 80.0
CLIP = 4.0
MEMORY_SCANS = 1000.0
MEAN_SCANS = 60.0
"""Time constant of the mean that is taken off: where the load curve bends, predictions lag for a while."""
WARM_SCANS = 60
S_MIN = 0.1
"""Least variance of a group: that of one whose readings rest at zero most of the time means nothing."""


class Sums:
    """Pairs of one-sided sums, one pair per row of normalised values."""

    def __init__(self, n: int, k: float = K, cap: float = np.inf) -> None:
        self.k, self.cap = k, cap
        self.up, self.down = np.zeros(n), np.zeros(n)

    def update(self, x: Floats) -> Floats:
        """Take one value per row (NaN: none); return the larger sum of each pair."""
        known = np.where(np.isfinite(x), x, 0.0)
        k = np.where(np.isfinite(x), self.k, 0.0)
        self.up = np.clip(self.up + known - k, 0.0, self.cap)
        self.down = np.clip(self.down - known - k, 0.0, self.cap)
        return np.maximum(self.up, self.down)


class Cusum:
    """Largest sum over all groups; points to the channels of that group."""

    name = "cusum"

    def __init__(self, groups: Mapping[str, Ints], k: float = K, cap: float = CAP) -> None:
        self.groups = Groups(groups)
        n = len(self.groups)
        self.sums = Sums(n, k, cap)
        self.mean, self.s = np.zeros(n), np.ones(n)
        self.n_seen = np.zeros(n, np.int64)

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        nu = np.full(scan.z.size, np.nan) if scan.nu is None else scan.nu
        count = self.groups.sum(np.isfinite(nu).astype(float))
        joint = self.groups.sum(np.nan_to_num(nu)) / np.sqrt(np.maximum(count, 1.0))
        x = self._learned(np.where(count > 0.0, joint, np.nan))
        g = self.sums.update(x)
        if not g.size or not (self.n_seen > WARM_SCANS).any():
            return np.nan, ()
        members = self.groups.members[int(np.argmax(g))]
        size = np.where(np.isfinite(nu[members]), np.abs(nu[members]), -np.inf)
        order = np.argsort(-size, kind="stable")[:NAMED]
        return float(g.max()), tuple(int(members[i]) for i in order)

    def _learned(self, x: Floats) -> Floats:
        """Return the groups' values, without the mean and over the standard deviation learned so far."""
        sd = np.sqrt(self.s)
        new = np.isfinite(x)
        limited = np.clip(np.where(new, x - self.mean, 0.0), -CLIP * sd, CLIP * sd)
        told = np.where(self.n_seen > WARM_SCANS, (x - self.mean) / sd, np.nan)
        rate = np.where(new, 1.0 / np.minimum(self.n_seen + 1.0, MEMORY_SCANS), 0.0)
        self.s = np.maximum(self.s + rate * (limited * limited - self.s), S_MIN)
        self.mean += np.where(new, 1.0 / np.minimum(self.n_seen + 1.0, MEAN_SCANS), 0.0) * limited
        self.n_seen += new
        return told
