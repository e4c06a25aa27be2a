"""An alarm that keeps its state while there is nothing to tell it by, with a quality that says so."""

from __future__ import annotations

from estimation.detectors.alarm import Alarm, Rule
from rtcore.quality import Quality


class HeldAlarm:
    """An alarm over scans of which some have no statistic, or no threshold.

    Attributes
    ----------
    quality : Quality
        ``UNCERTAIN_INITIAL`` before it was first tested: that it is down says nothing.
        ``UNCERTAIN_LAST_USABLE`` while it cannot be tested any more.
    """

    def __init__(self, rule: Rule) -> None:
        self._alarm = Alarm(rule)
        self.quality = Quality.UNCERTAIN_INITIAL

    @property
    def is_up(self) -> bool:
        """Tell whether the alarm is on."""
        return self._alarm.is_up

    @property
    def n_begun(self) -> int:
        """How often it has begun."""
        return self._alarm.n_begun

    def update(self, is_above: bool) -> None:
        """Take one scan."""
        self._alarm.update(is_above)
        self.quality = Quality.GOOD

    def hold(self) -> None:
        """Leave one scan out: it counts neither as above nor as below."""
        if self.quality == Quality.GOOD:
            self.quality = Quality.UNCERTAIN_LAST_USABLE
