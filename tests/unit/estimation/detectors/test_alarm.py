"""One disturbance is one alarm; the run rule says when it begins and when the next one may."""

import numpy as np
import pytest

from estimation.detectors.alarm import Alarm, Rule, begins


def test_values_that_stay_above_are_one_alarm() -> None:
    values = np.array([0.0, 5.0, 6.0, 7.0, 0.0, 0.0, 5.0])
    assert begins(values, 4.0, Rule(rearm=3)) == [1]


def test_an_alarm_re_arms_after_enough_quiet_scans() -> None:
    values = np.array([5.0, 0.0, 0.0, 0.0, 5.0])
    assert begins(values, 4.0, Rule(rearm=3)) == [0, 4]
    assert begins(values, 4.0, Rule(rearm=4)) == [0]


def test_three_of_five_needs_three_within_five() -> None:
    assert begins(np.array([5.0, 0.0, 5.0, 0.0, 5.0]), 4.0, Rule(3, 5)) == [4]
    assert begins(np.array([5.0, 0.0, 0.0, 5.0, 0.0, 5.0]), 4.0, Rule(3, 5)) == []


def test_a_value_that_is_no_number_and_one_at_the_threshold_are_not_above() -> None:
    assert begins(np.array([np.nan, 4.0, np.nan]), 4.0, Rule()) == []


def test_an_alarm_tells_that_it_is_up_until_it_is_over() -> None:
    alarm = Alarm(Rule(rearm=2))
    assert [alarm.update(x) for x in (True, True, False, False)] == [True, False, False, False]
    assert not alarm.is_up
    assert alarm.n_begun == 1


@pytest.mark.parametrize("wrong", [(0, 1, 1), (3, 2, 1), (1, 1, 0)])
def test_impossible_run_rules_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no such run rule"):
        Rule(*wrong)
