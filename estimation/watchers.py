"""The detectors beside the residual tests of a running station, with the thresholds of clean runs.

They work at the period that their thresholds were calibrated for, whatever the rate of the estimator. A
detector without a threshold learns one from the first clean day of the station (``detectors.calibration``),
and raises no alarm before. Only scans that nothing was wrong with count, and only numbers: a day of them.

An alarm stays as it is, with a quality that says so, while its detector has no statistic or no threshold, or
while most telemetry is lost: silence is no all-clear. Only what is above the threshold counts then too, and
what watches for silence itself (``BY_SILENCE``) goes on.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from estimation.channels import Floats
from estimation.detectors.bank import FLOORS, Bank, rule_of
from estimation.detectors.calibration import threshold_for
from estimation.detectors.scan import Change, Scan
from estimation.held_alarm import HeldAlarm
from rtcore.quality import Quality

PERIOD_S = 10.0
DAY_S = 86_400.0
FALSE_ALARMS_PER_DAY = 0.05
"""What a learned threshold aims at."""
AFTER = 30
"""When something was wrong in two looks in a row, so many after it are not learned from either: what ends
moves as much as what begins, and predictions need a while. A false alarm of a single scan costs one look."""
BY_SILENCE = ("freshness",)
"""Detectors whose input is that nothing comes."""


@dc.dataclass(frozen=True, slots=True)
class Watched:
    """State of one detector: newest statistic, threshold (inf: not calibrated), alarm, alarms so far.

    ``quality`` is that of the alarm, see ``HeldAlarm``.
    """

    value: float
    threshold: float
    is_alarm: bool
    n_alarms: int
    quality: Quality


class Watchers:
    """A bank of detectors with alarms.

    Parameters
    ----------
    bank : Bank
    thresholds : mapping
        Detector -> threshold.
    period_s : float
        Simulated time between two looks [s].
    say : callable, optional
        Takes what is worth a line in the log: a threshold was learned, a day taught nothing.
    """

    def __init__(
        self,
        bank: Bank,
        thresholds: Mapping[str, float],
        period_s: float = PERIOD_S,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._bank, self._thresholds, self._period_s = bank, dict(thresholds), period_s
        self._say = say or (lambda _text: None)
        self._given = frozenset(thresholds)
        self._learned: dict[str, list[float]] = {
            s.name: [] for s in bank.statistics if s.name not in thresholds
        }
        self._n_numbers = dict.fromkeys(self._learned, 0)
        self._n_silent = dict.fromkeys(self._learned, 0)
        self._alarms = {s.name: HeldAlarm(rule_of(s.name)) for s in bank.statistics}
        self._changes: list[Change] = []
        self._n_wrong = self._pause = 0
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
        is_clean: bool = True,
        is_told: bool = True,
    ) -> None:
        """Take a scan of the estimator; the detectors look at those that are due. See ``Scan``.

        Parameters
        ----------
        is_clean : bool
            The residual tests have nothing against it: it may be learned from.
        is_told : bool
            Enough telemetry is there for a statistic that is low to mean that nothing is wrong.
        """
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
        is_learned = self._may_learn(is_clean=is_clean and is_told)
        for name, (value, _) in self._bank.update(scan).items():
            self._learn(name, value if is_learned else np.nan, is_clean=is_learned)
            threshold, alarm = self._thresholds.get(name, np.inf), self._alarms[name]
            is_above = bool(value > threshold)
            is_tested = np.isfinite(value) and np.isfinite(threshold) and (is_told or name in BY_SILENCE)
            if is_above or is_tested:
                alarm.update(is_above)
            else:
                alarm.hold()
            self.state[name] = Watched(value, threshold, alarm.is_up, alarm.n_begun, alarm.quality)

    def remember(self) -> dict[str, Floats]:
        """Return what is being learned, as arrays for ``recall``: values and learned thresholds by name."""
        values = {f"values.{name}": np.array(x) for name, x in self._learned.items()}
        done = {n: t for n, t in self._thresholds.items() if n not in self._given}
        return values | {f"threshold.{name}": np.array(x) for name, x in done.items()}

    def recall(self, learned: Mapping[str, Floats]) -> None:
        """Go on from there, for detectors that were given no threshold."""
        for key, found in learned.items():
            what, _, name = key.partition(".")
            if name not in self._learned:
                continue
            if what == "values":
                values = np.asarray(found, np.float64).ravel()
                self._learned[name] = values.tolist()
                self._n_numbers[name] = int(np.count_nonzero(np.isfinite(values)))
            elif what == "threshold":
                self._thresholds[name] = float(found)
                del self._learned[name]

    def _may_learn(self, *, is_clean: bool) -> bool:
        """Tell whether a look may be learned from, see ``AFTER``."""
        if not is_clean:
            self._n_wrong += 1
            if self._n_wrong > 1:
                self._pause = AFTER
            return False
        self._n_wrong = 0
        is_over = self._pause == 0
        self._pause = max(self._pause - 1, 0)
        return is_over

    def _learn(self, name: str, value: float, *, is_clean: bool) -> None:
        """Take a value of a detector without a threshold; after a day of numbers it has one.

        Parameters
        ----------
        value : float
            NaN: there is none to learn from. A gap of any length is kept as one.
        is_clean : bool
            A scan without a number counts as one in which the detector had nothing to say.
        """
        values = self._learned.get(name)
        if values is None:
            return
        per_day = DAY_S / self._period_s
        if not np.isfinite(value):
            self._n_silent[name] += is_clean
            if values and np.isfinite(values[-1]):
                values.append(np.nan)
            if not values and self._n_silent[name] == round(per_day):
                self._say(f"detector {name}: no number in a whole clean day, it goes on learning")
            return
        values.append(float(value))
        self._n_numbers[name] += 1
        if self._n_numbers[name] < per_day:
            return
        del self._learned[name]
        floor = FLOORS.get(name, -np.inf)
        found = threshold_for([np.array(values)], per_day, FALSE_ALARMS_PER_DAY, rule_of(name), floor)
        self._thresholds[name] = found
        self._say(f"detector {name}: threshold {found:.4g} learned from a clean day")
