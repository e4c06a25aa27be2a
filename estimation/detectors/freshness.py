"""Freshness: values that do not move, values that come again, time stamps that stand still.

Noisy quantities do not repeat themselves bit by bit, quantised ones do now and then: the rate p at which
a channel repeats its last value is learned. A reading of exactly 0 is below a cut-off and tells nothing. A
run of r repeats has the surprise -r ln p [nat]; the statistic is the largest surprise over all channels
(freeze of one), over the sum of each group (freeze of a device) and over groups whose values are those of an
earlier scan, the same time ago in every scan (replay). A time stamp that is due and has not moved counts as
an event of probability ``P_MISSED`` per scan. Replay with noise added, and delay by less than a period with
honest values, pass.
"""

from __future__ import annotations

import math

import numpy as np

from estimation.detectors.groups import Groups
from estimation.detectors.innovation import largest
from estimation.detectors.scan import Bools, Floats, Layout, Scan

P_MISSED = 0.1
"""Probability that a value which is due is not fetched: lost polls."""
P_FLOOR = 1e-3
MEMORY = 1000.0
WARM = 60
HISTORY_SCANS = 2160
"""How far back replays are recognised: six hours of 10 s."""
FINE_P = 0.3
"""Channels that repeat more often than this tell nothing about replays."""
GROUP_MIN_NAT = 8.0
"""Least surprise of a repeated group in one scan for it to be compared with history at all."""


class Freshness:
    """Largest surprise [nat]; points to the channels."""

    name = "freshness"

    def __init__(self, layout: Layout) -> None:
        m = layout.m
        self.groups = Groups(layout.groups)
        self.period_s = np.asarray(layout.period_s, float)
        self.last = np.full(m, np.nan)
        self.p: Floats = np.full(m, 0.5)
        self.n_seen = np.zeros(m, np.int64)
        self.run = np.zeros(m)
        self.missed = np.zeros(m)
        self.replay = _Replays(self.groups)

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        known = np.isfinite(scan.z)
        new = known if scan.is_new is None else known & scan.is_new
        nats = -np.log(np.clip(self.p, P_FLOOR, 1.0))
        is_same = new & (scan.z == self.last) & (scan.z != 0.0)
        self.run = np.where(is_same, self.run + 1.0, np.where(new, 0.0, self.run))
        is_due = ~new & (scan.age_s > 1.5 * self.period_s) & (self.n_seen > 0)  # also what came in as Bad
        self.missed = np.where(is_due, self.missed + 1.0, np.where(new, 0.0, self.missed))
        is_warm = self.n_seen > WARM
        stuck = np.where(is_warm, self.run * nats, 0.0)
        lost = np.where(is_due, -math.log(P_MISSED) * self.missed, 0.0)
        surprise = np.maximum(stuck, lost)
        again = self.replay.update(
            scan.z, np.where(is_warm & new & (self.p < FINE_P) & (scan.z != 0.0), nats, 0.0)
        )
        self._learn(new, is_same, scan.z)
        if not is_warm.any():
            return np.nan, ()
        return self._worst(surprise, np.where(is_same, stuck, lost), again)

    def _worst(self, single: Floats, now: Floats, again: Floats) -> tuple[float, tuple[int, ...]]:
        """Return the largest surprise: of a channel, of a group that stands or is lost or comes again."""
        best, where = float(single.max()), largest(single, 1)
        joint = np.maximum(self.groups.sum(now), again)
        if joint.size and float(joint.max()) > best:
            k = int(np.argmax(joint))
            best, where = float(joint[k]), tuple(int(i) for i in self.groups.members[k])
        return best, where

    def _learn(self, new: Bools, is_same: Bools, z: Floats) -> None:
        """Learn how often a channel repeats its value; long runs teach nothing (they may be an attack)."""
        teaches = new & np.isfinite(self.last) & (self.run <= 1.0 + 3.0 / np.maximum(1.0 - self.p, 0.02))
        rate = np.where(teaches, 1.0 / np.minimum(self.n_seen + 2.0, MEMORY), 0.0)
        self.p += rate * (is_same - self.p)
        self.n_seen += new
        self.last = np.where(new, z, self.last)


class _Replays:
    """Groups whose fine channels have the values of an earlier scan, always the same time ago."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.seen: list[dict[bytes, int]] = [{} for _ in groups.members]
        self.lag = np.zeros(len(groups), np.int64)
        self.nats = np.zeros(len(groups))
        self.scan = 0

    def update(self, z: Floats, nats: Floats) -> Floats:
        """Take one scan; return each group's surprise so far."""
        self.scan += 1
        weights = self.groups.sum(nats)
        is_told = weights >= GROUP_MIN_NAT
        self.nats[~is_told] = 0.0
        for k in np.flatnonzero(is_told).tolist():
            g = self.groups.members[k]
            of_group, weight = nats[g], float(weights[k])
            key = np.where(of_group > 0.0, z[g], 0.0).tobytes()
            seen = self.seen[k]
            lag = self.scan - seen.get(key, self.scan - HISTORY_SCANS - 1)
            if lag > HISTORY_SCANS:
                self.lag[k], self.nats[k] = 0, 0.0
            else:
                self.nats[k] = weight + (self.nats[k] if lag == self.lag[k] else 0.0)
                self.lag[k] = lag
            seen.pop(key, None)  # the latest goes to the end
            seen[key] = self.scan
            while len(seen) > HISTORY_SCANS:
                del seen[next(iter(seen))]
        return self.nats
