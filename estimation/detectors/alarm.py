"""When a statistic becomes an alarm, and when the alarm is over: one disturbance, one alarm.

Run rule: an alarm begins at the scan at which at least ``needed`` of the last ``window`` values are
above the threshold. It stays up, and no other begins, until ``rearm`` values in a row were not
above; a value that is not a number is not above. Clean runs and attacked runs are counted by the
same rule, so that "false alarms per day" and "detected" mean the same thing.
"""

from __future__ import annotations

import dataclasses as dc
from collections import deque

import numpy as np

from estimation.detectors.scan import Floats


@dc.dataclass(frozen=True, slots=True)
class Rule:
    """Run rule of an alarm.

    Attributes
    ----------
    needed, window : int
        As many of as many scans above the threshold begin it.
    rearm : int
        As many scans in a row not above end it.
    """

    needed: int = 1
    window: int = 1
    rearm: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.window or self.rearm < 1:
            raise ValueError(f"no such run rule: {self.needed} of {self.window}, re-armed after {self.rearm}")


class Alarm:
    """State of one alarm."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._recent: deque[bool] = deque(maxlen=rule.window)
        self._quiet = rule.rearm
        self.is_up = False
        self.n_begun = 0

    def update(self, is_above: bool) -> bool:
        """Take one scan; tell whether an alarm begins at it."""
        self._recent.append(is_above)
        self._quiet = 0 if is_above else self._quiet + 1
        if self.is_up:
            self.is_up = self._quiet < self.rule.rearm
            if not self.is_up:
                self._recent.clear()
            return False
        self.is_up = sum(self._recent) >= self.rule.needed
        self.n_begun += self.is_up
        return self.is_up


def begins(values: Floats, threshold: float, rule: Rule) -> list[int]:
    """Return the scans of a series at which alarms begin."""
    alarm = Alarm(rule)
    with np.errstate(invalid="ignore"):
        above = np.asarray(values) > threshold
    if not above.any():
        return []
    return [i for i, is_above in enumerate(above.tolist()) if alarm.update(is_above)]
