"""An alarm of which some scans say nothing."""

from __future__ import annotations

from estimation.detectors.alarm import Rule
from estimation.held_alarm import HeldAlarm
from rtcore.quality import Quality


def test_before_the_first_test_silence_is_no_all_clear() -> None:
    alarm = HeldAlarm(Rule())
    alarm.hold()
    assert (alarm.is_up, alarm.quality) == (False, Quality.UNCERTAIN_INITIAL)
    alarm.update(is_above=False)
    assert (alarm.is_up, alarm.quality) == (False, Quality.GOOD)


def test_scans_that_say_nothing_neither_end_an_alarm_nor_count_towards_one() -> None:
    alarm = HeldAlarm(Rule(needed=2, window=3, rearm=2))
    alarm.update(is_above=True)
    for _ in range(5):  # more than the window: those before and after still count together
        alarm.hold()
    assert not alarm.is_up
    alarm.update(is_above=True)
    assert (alarm.is_up, alarm.n_begun) == (True, 1)
    for _ in range(5):
        alarm.hold()
    assert (alarm.is_up, alarm.quality) == (True, Quality.UNCERTAIN_LAST_USABLE)
    alarm.update(is_above=False)
    alarm.update(is_above=False)
    assert (alarm.is_up, alarm.quality, alarm.n_begun) == (False, Quality.GOOD, 1)
