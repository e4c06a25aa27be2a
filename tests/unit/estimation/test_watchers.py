"""Detectors of a running station: thresholds that were given, and those learned from its first day."""

from __future__ import annotations

import numpy as np

from estimation.detectors.bank import Bank
from estimation.detectors.scan import Layout
from estimation.watchers import Watchers

M = 4
SCANS_A_DAY = 8_640


def watchers(thresholds: dict[str, float]) -> Watchers:
    names = [f"c{k}" for k in range(M)]
    layout = Layout(names=names, groups={"all": np.arange(M)}, quantum=np.zeros(M), period_s=np.zeros(M))
    return Watchers(Bank(layout), thresholds)


def take(watching: Watchers, t_s: float, z: np.ndarray) -> None:
    watching.update(t_s, z, np.zeros(M), (), j=1.0, dof=M, lnr=1.0, lnr_channel=-1)


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
