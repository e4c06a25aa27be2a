"""What counts as detected, at one threshold and at many."""

import numpy as np
import pytest

from estimation.detectors.alarm import Rule
from hil.cyberrange.detection import Watched, exact_interval

WARM, N = 100, 60
ONE, SEVERAL = Rule(), Rule(3, 5)


def watched(before: float, during: float, rule: Rule = ONE) -> Watched:
    """A statistic of 0, but for the last 10 scans before the attack and all of it."""
    values = np.zeros(WARM + N)
    values[WARM - 10 : WARM], values[WARM:] = before, during
    return Watched(values, WARM, rule)


def test_an_alarm_that_begins_in_the_attack_is_a_detection_at_its_scan() -> None:
    assert watched(0.0, 5.0).first(3.0) == 0
    assert watched(0.0, 5.0, SEVERAL).first(3.0) == 2
    assert watched(0.0, 2.0).first(3.0) is None


def test_an_alarm_that_is_up_before_and_stays_is_none_at_any_threshold_below_it() -> None:
    run = watched(4.0, 5.0)
    assert run.is_up_before(3.0) and run.first(3.0) is None
    assert not run.is_up_before(4.5) and run.first(4.5) == 0
    assert run.detected_at([6.0, 4.5, 3.0]) == [False, True, False]


def test_an_alarm_of_before_that_is_over_hides_nothing() -> None:
    values = np.zeros(WARM + N)
    values[WARM - 40] = values[WARM + 5] = 5.0  # 44 quiet scans between, 30 end an alarm
    run = Watched(values, WARM, ONE)
    assert not run.is_up_before(3.0)
    assert run.first(3.0) == 5


@pytest.mark.parametrize("rule", [ONE, SEVERAL])
def test_the_short_cut_over_many_thresholds_gives_what_each_alone_gives(rule: Rule) -> None:
    rng = np.random.default_rng(1)
    heights = [0.5, 1.0, 2.0, 3.0, 4.0, 6.0]
    seen = set()
    for _ in range(60):
        x = rng.exponential(1.0, WARM + N)
        x[WARM:] += rng.choice([0.0, 3.0])
        x[rng.integers(0, WARM) :][:8] += rng.choice([0.0, 4.0])
        x[rng.random(x.size) < 0.2] = np.nan
        run = Watched(x, WARM, rule)
        found = run.detected_at(heights)
        assert found == [run.first(h) is not None for h in heights]
        seen |= set(found)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("k", "n", "bounds"),
    [
        (0, 20, (0.0, 0.1684)),
        (20, 20, (0.8316, 1.0)),
        (5, 10, (0.1871, 0.8129)),
    ],  # tables of Clopper, Pearson
)
def test_intervals_of_shares_are_exact(k: int, n: int, bounds: tuple[float, float]) -> None:
    assert exact_interval(k, n) == pytest.approx(bounds, abs=1e-4)
    assert all(np.isnan(exact_interval(0, 0)))
