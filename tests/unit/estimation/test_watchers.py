"""Detectors of a running station: thresholds that were given, and those learned from its first day."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.detectors.bank import Bank
from estimation.detectors.scan import Layout
from estimation.watchers import Watchers
from rtcore.quality import Quality

M = 4
SCANS_A_DAY = 8_640


def watchers(thresholds: dict[str, float], said: list[str] | None = None, period_s: float = 10.0) -> Watchers:
    names = [f"c{k}" for k in range(M)]
    layout = Layout(names=names, groups={"all": np.arange(M)}, quantum=np.zeros(M), period_s=np.zeros(M))
    return Watchers(Bank(layout), thresholds, period_s, say=None if said is None else said.append)


def take(watching: Watchers, t_s: float, z: np.ndarray, **how: bool) -> None:
    watching.update(t_s, z, np.zeros(M), (), j=1.0, dof=M, lnr=1.0, lnr_channel=-1, **how)


LOST = np.full(M, np.nan)
WARM_SCANS = 180
"""The prediction says nothing before."""
RARE_S, RARE_SCANS_A_DAY = 100.0, 864
"""A look so seldom that a day is short."""


def test_detectors_look_every_ten_seconds_whatever_the_rate() -> None:
    watching = watchers({"innovation": 5.0})
    rng = np.random.default_rng(1)
    for k in range(100):
        take(watching, 0.5 * k, 100.0 + rng.standard_normal(M))
    assert watching.looks == 5  # 0, 10, .. 40 s


def test_without_a_threshold_one_is_learned_from_a_day_and_a_jump_is_then_an_alarm() -> None:
    watching = watchers({})
    rng = np.random.default_rng(2)
    for k in range(SCANS_A_DAY - 1):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    assert not np.isfinite(watching.state["innovation_max"].threshold)
    for k in range(SCANS_A_DAY - 1, SCANS_A_DAY + 200):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    learned = watching.state["innovation_max"]
    assert 3.0 < learned.threshold < 10.0  # of four normal variables, one alarm in 20 days
    assert not learned.is_alarm
    take(watching, 10.0 * (SCANS_A_DAY + 200), 100.0 + np.array([30.0, 0.0, 0.0, 0.0]))
    assert watching.state["innovation_max"].is_alarm


def test_a_given_threshold_stays() -> None:
    watching = watchers({"innovation_max": 7.5})
    rng = np.random.default_rng(3)
    for k in range(50):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    assert watching.state["innovation_max"].threshold == 7.5


def test_an_alarm_that_was_never_tested_says_so_until_the_prediction_is_warm() -> None:
    watching = watchers({"innovation_max": 7.5})
    rng = np.random.default_rng(4)
    for k in range(WARM_SCANS + 1):
        state = watching.state.get("innovation_max")
        assert state is None or (state.quality == Quality.UNCERTAIN_INITIAL and not state.is_alarm)
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    assert watching.state["innovation_max"].quality == Quality.GOOD
    assert watching.state["ewma"].quality == Quality.UNCERTAIN_INITIAL  # it has a value, and no threshold


def test_lost_input_does_not_end_an_alarm() -> None:
    watching = watchers({"innovation_max": 7.5})
    rng = np.random.default_rng(5)
    for k in range(200):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    take(watching, 2000.0, 100.0 + np.array([30.0, 0.0, 0.0, 0.0]))
    assert watching.state["innovation_max"].is_alarm
    for k in range(201, 300):  # longer than an alarm stays up in silence
        take(watching, 10.0 * k, LOST, is_told=False)
    held = watching.state["innovation_max"]
    assert held.is_alarm
    assert held.quality == Quality.UNCERTAIN_LAST_USABLE
    for k in range(300, 400):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    over = watching.state["innovation_max"]
    assert (over.is_alarm, over.quality, over.n_alarms) == (False, Quality.GOOD, 1)


def test_silence_itself_is_still_told_by_what_watches_for_it() -> None:
    watching = watchers({"freshness": 35.7})
    rng = np.random.default_rng(6)
    for k in range(100):
        take(watching, 10.0 * k, 100.0 + rng.standard_normal(M))
    for k in range(100, 130):
        watching.update(
            10.0 * k, LOST, np.full(M, 10.0 * (k - 99)), (), j=np.nan, dof=M, lnr=np.nan, lnr_channel=-1,
            is_clean=False, is_told=False,
        )  # fmt: skip
    told = watching.state["freshness"]
    assert told.is_alarm
    assert told.quality == Quality.GOOD


def test_scans_that_the_residual_tests_object_to_are_not_learned_from() -> None:
    """An attack in the first day: its beginning, its course and its end are left out."""
    said = list[str]()
    careful, clean, careless = (watchers({}, x, RARE_S) for x in (said, None, None))
    rng = np.random.default_rng(7)
    for k in range(RARE_SCANS_A_DAY + 2 * WARM_SCANS):
        z = 100.0 + rng.standard_normal(M)
        is_attacked = 400 <= k < 500
        false = z + (30.0 if is_attacked else 0.0)
        take(careful, RARE_S * k, false, is_clean=not is_attacked)
        take(careless, RARE_S * k, false)
        take(clean, RARE_S * k, z)
    learned, right, wrong = (w.state["innovation_max"].threshold for w in (careful, clean, careless))
    assert learned == pytest.approx(right, rel=0.5)  # extremes of two samples of a day that overlap in part
    assert wrong > 2.0 * right  # what it would be otherwise
    assert any(text.startswith("detector innovation_max: threshold") for text in said)


def test_a_day_without_a_number_is_said_and_learning_goes_on() -> None:
    said = list[str]()
    watching = watchers({}, said, RARE_S)
    for k in range(RARE_SCANS_A_DAY + 1):
        take(watching, RARE_S * k, LOST)
    assert [text for text in said if "innovation_max" in text] == [
        "detector innovation_max: no number in a whole clean day, it goes on learning"
    ]
    rng = np.random.default_rng(8)
    for k in range(RARE_SCANS_A_DAY + 1, 2 * RARE_SCANS_A_DAY + 2 * WARM_SCANS):
        take(watching, RARE_S * k, 100.0 + rng.standard_normal(M))
    assert np.isfinite(watching.state["innovation_max"].threshold)
