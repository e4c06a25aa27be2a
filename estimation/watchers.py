"""The detectors beside the residual tests of a running station, with the thresholds of clean runs.

They work at the period that their thresholds were calibrated for, whatever the rate of the estimator. A
detector without a threshold learns one from the first clean day of the station (``detectors.calibration``),
and raises no alarm before.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence

import numpy as np

from estimation.channels import Floats
from estimation.detectors.alarm import Alarm
from estimation.detectors.bank import FLOORS, Bank, rule_of
from estimation.detectors.calibration import threshold_for
from estimation.detectors.scan import Change, Scan

PERIOD_S = 10.0
DAY_S = 86_400.0
FALSE_ALARMS_PER_DAY = 0.05
"""What a learned threshold aims at."""


@dc.dataclass(frozen=True, slots=True)
class Watched:
    """State of one detector: newest statistic, threshold (inf: not calibrated), alarm, alarms so far."""

    value: float
    threshold: float
    is_alarm: bool
    n_alarms: int


class Watchers:
    """A bank of detectors with alarms.

    Parameters
    ----------
    bank : Bank
    thresholds : mapping
        Detector -> threshold.
    period_s : float
        Simulated time between two looks [s].
    """

    def __init__(self, bank: Bank, thresholds: Mapping[str, float], period_s: float = PERIOD_S) -> None:
        self._bank, self._thresholds, self._period_s = bank, dict(thresholds), period_s
        self._learned: dict[str, list[float]] = {
            s.name: [] for s in bank.statistics if s.name not in thresholds
        }
        self._alarms = {s.name: Alarm(rule_of(s.name)) for s in bank.statistics}
        self._changes: list[Change] = []
        self._next_s = -np.inf
        self.looks = 0
        self.state: dict[str, Watched] = {}

    def update(
        self,
        t_s: float,
        z: Floats,
        age_s: Floats,
        changes: Sequence[Change],
        *,
        j: float,
        dof: float,
        lnr: float,
        lnr_channel: int,
    ) -> None:
        """Take a scan of the estimator; the detectors look at those that are due. See ``Scan``."""
        self._changes += changes
        if t_s < self._next_s:
            return
        self._next_s += self._period_s
        if self._next_s <= t_s:  # the first look, or scans were missed
            self._next_s = t_s + self._period_s
        scan = Scan(
            t_s=t_s, z=z, age_s=age_s, changes=tuple(self._changes), j=j, dof=dof, lnr=lnr,
            lnr_channel=lnr_channel,
        )  # fmt: skip
        self._changes = []
        self.looks += 1
        for name, (value, _) in self._bank.update(scan).items():
            self._learn(name, value)
            threshold = self._thresholds.get(name, np.inf)
            alarm = self._alarms[name]
            alarm.update(bool(value > threshold))
            self.state[name] = Watched(value, threshold, alarm.is_up, alarm.n_begun)

    def _learn(self, name: str, value: float) -> None:
        """Take a value of a detector without a threshold; after a day of them it has one."""
        values = self._learned.get(name)
        if values is None:
            return
        values.append(value)
        per_day = DAY_S / self._period_s
        if len(values) < per_day:
            return
        del self._learned[name]
        if np.isfinite(values).any():
            floor = FLOORS.get(name, -np.inf)
            self._thresholds[name] = threshold_for(
                [np.array(values)], per_day, FALSE_ALARMS_PER_DAY, rule_of(name), floor
            )
