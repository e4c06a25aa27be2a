"""All statistics side by side over one stream of scans; the prediction that several use is made once."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from estimation.detectors.alarm import Rule
from estimation.detectors.balance import Area, Balance
from estimation.detectors.command import FLOOR, Command
from estimation.detectors.cusum import Cusum
from estimation.detectors.ewma import Ewma
from estimation.detectors.freshness import Freshness
from estimation.detectors.innovation import Innovation, LargestInnovation
from estimation.detectors.prediction import Predictor
from estimation.detectors.residual import LargestResidual, Objective
from estimation.detectors.scan import Layout, Scan, Statistic

NAMES = ("J", "LNR", "innovation", "innovation_max", "cusum", "ewma", "balance", "freshness", "command")
RULES = {"J": Rule(3, 5), "LNR": Rule(3, 5)}
"""Run rules other than one scan above: the residual tests look at one scan, so a few must agree."""
FLOORS = {"command": FLOOR}
"""Least thresholds, where clean runs may show nothing at all."""


def rule_of(name: str) -> Rule:
    """Return the run rule of a detector."""
    return RULES.get(name, Rule())


class Bank:
    """One of each statistic. ``copy.deepcopy`` of it goes on by itself."""

    def __init__(self, layout: Layout, areas: Sequence[Area] = ()) -> None:
        self.predictor = Predictor(np.asarray(layout.quantum, float))
        self.stamp_s = np.full(layout.m, -np.inf)
        self.command = Command()
        self.statistics: tuple[Statistic, ...] = (
            Objective(),
            LargestResidual(),
            Innovation(),
            LargestInnovation(),
            Cusum(layout.groups),
            Ewma(layout.m),
            Balance(areas),
            Freshness(layout),
            self.command,
        )

    def update(self, scan: Scan) -> dict[str, tuple[float, tuple[int, ...]]]:
        """Take one scan; return value and channels of every statistic, by name."""
        stamp = scan.t_s - scan.age_s
        is_new = np.isfinite(scan.z) & (stamp > self.stamp_s + 1e-3)
        self.stamp_s = np.where(is_new, stamp, self.stamp_s)
        nu = self.predictor.update(scan.z, is_new, is_switched=scan.is_switched)
        scan = dc.replace(scan, nu=nu, is_new=is_new)
        return {s.name: s.update(scan) for s in self.statistics}
